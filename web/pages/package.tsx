/** One package: its versions, the jobs it can run, its settings; publish, restore, delete. */
import { useLocation } from "wouter";
import { href } from "../components/address.ts";
import { DialogButton } from "../components/action-dialog.tsx";
import { CopyButton, shellWord } from "../components/copy.tsx";
import { Empty } from "../components/empty.tsx";
import { ErrorNote, Shown } from "../components/error-note.tsx";
import { Ghost, GhostPage } from "../components/ghost.tsx";
import { JsonView } from "../components/json-view.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Facts, Panel } from "../components/panel.tsx";
import { Tabs } from "../components/tabs.tsx";
import { Ago } from "../components/times.tsx";
import { bytesText } from "../components/time-text.ts";
import { usePackage, usePackageActions, usePackageJobs, type PackageName } from "../data/packages.ts";
import { useAccess, useTenant } from "../data/session.ts";
import type { PageProps } from "../components/address.ts";
import { Publish } from "./package/publish.tsx";
import { Settings } from "./package/settings.tsx";
import { Versions } from "./package/versions.tsx";

export function Page({ params: { packageName = "" } }: PageProps) {
  const tenantName = useTenant() ?? "";
  const name = { tenantName, packageName };
  const { data, error, refetch } = usePackage(name);
  const { reason } = useAccess("manage", tenantName);
  const note = { error, what: "The package cannot be shown.", onRetry: () => void refetch() };
  if (data === undefined) return error === null ? <GhostPage /> : <ErrorNote {...note} />;
  const { sha256, bytes, uploadedAt, uploadedBy, jobTypes } = data;
  return (
    <Shown {...note} isRead>
      <Publish {...name} refused={reason}>
        {(button) => (
          <>
            <PageHead
              title={packageName}
              up={{ href: href("/packages", { tenant: tenantName }), title: "Packages" }}
              actions={
                <>
                  <Delete name={name} refused={reason} />
                  {button}
                </>
              }
            />
            <Facts
              of={[
                [
                  "Version",
                  sha256 && (
                    <span key="v">
                      <code title={sha256}>{sha256.slice(0, 7)}</code>
                      <CopyButton text={sha256} what="the hash of the version" />
                    </span>
                  ),
                ],
                ["Size", bytesText(bytes)],
                ["Published", <Ago key="p" at={uploadedAt} />],
                ["By", uploadedBy],
              ]}
            />
            <Tabs
              label="Of this package"
              first="versions"
              tabs={[
                { id: "versions", title: "Versions", content: () => <Versions name={name} refused={reason} /> },
                { id: "jobs", title: "Job types", count: jobTypes?.length, content: () => <JobTypes name={name} /> },
                { id: "settings", title: "Settings", content: () => <Settings name={name} refused={reason} /> },
              ]}
            />
          </>
        )}
      </Publish>
    </Shown>
  );
}

function Delete({ name, refused }: { readonly name: PackageName; readonly refused: string | undefined }) {
  const { tenantName, packageName } = name;
  const { remove } = usePackageActions(tenantName);
  const [, navigate] = useLocation();
  return (
    <DialogButton
      verb="Delete"
      kind="danger"
      isDangerous
      refused={refused}
      cli={`jobyard packages delete ${shellWord(packageName)} --tenant ${shellWord(tenantName)} --yes`}
      action={async () => {
        await remove.mutateAsync(packageName);
        navigate(href("/packages", { tenant: tenantName }));
        return `${packageName} is deleted.`;
      }}
    >
      All versions of {packageName} and its timers are removed. Jobs that name it and have not started will fail.
    </DialogButton>
  );
}

function JobTypes({ name }: { readonly name: PackageName }) {
  const { data, error, refetch } = usePackageJobs(name);
  const note = { error, what: "The job types cannot be shown.", onRetry: () => void refetch() };
  if (data === undefined) return error === null ? <Ghost width={20} /> : <ErrorNote {...note} />;
  if (data.length === 0) return <Empty title="This version has no job types" />;
  return (
    <Shown {...note} isRead>
      <div className="stack">
        {data.map(({ jobType, parameters, output }) => (
          <Panel key={jobType} title={jobType}>
            <div className="two">
              <Schema of="parameters" jobType={jobType} schema={parameters} />
              <Schema of="output" jobType={jobType} schema={output} />
            </div>
          </Panel>
        ))}
      </div>
    </Shown>
  );
}

interface SchemaProps {
  readonly of: "parameters" | "output";
  readonly jobType: string;
  readonly schema: unknown;
}

const Schema = ({ of, jobType, schema }: SchemaProps) => (
  <div className="stack" style={{ alignContent: "start" }}>
    <p className="muted small">Schema of its {of}</p>
    {schema === undefined ? (
      <p className="muted">None is declared: any {of === "output" ? "value is kept" : "value is accepted"}.</p>
    ) : (
      <JsonView value={schema} what={`the schema of the ${of} of ${jobType}`} />
    )}
  </div>
);
