/** Packages of a tenant: what each runs, its version, who published it and when. */
import { Link } from "wouter";
import { href } from "../components/address.ts";
import { shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Ago } from "../components/times.tsx";
import { bytesText } from "../components/time-text.ts";
import { usePackages } from "../data/packages.ts";
import { useAccess, useTenant } from "../data/session.ts";
import type { PackageView } from "../../runtime/client/index.ts";
import { Publish } from "./package/publish.tsx";

export const packageHref = (tenantName: string, packageName: string, tab?: string): string =>
  href(`/packages/${encodeURIComponent(packageName)}`, { tenant: tenantName, tab });

const COLUMNS: readonly Column<PackageView>[] = [
  {
    id: "package",
    title: "Package",
    cell: ({ tenantName, packageName }) => (
      <Link className="name" href={packageHref(tenantName, packageName)}>
        {packageName}
      </Link>
    ),
  },
  {
    id: "types",
    title: "Job types",
    width: "36%",
    hide: "small",
    cell: ({ jobTypes = [] }) => <span title={jobTypes.join("\n")}>{jobTypes.join(", ")}</span>,
  },
  {
    id: "version",
    title: "Version",
    width: "88px",
    cell: ({ sha256 }) => (sha256 === undefined ? null : <code title={sha256}>{sha256.slice(0, 7)}</code>),
  },
  { id: "size", title: "Size", width: "96px", isNumber: true, hide: "medium", cell: ({ bytes }) => bytesText(bytes) },
  { id: "by", title: "By", width: "150px", hide: "medium", cell: ({ uploadedBy }) => uploadedBy },
  {
    id: "published",
    title: "Published",
    width: "104px",
    isNumber: true,
    cell: ({ uploadedAt }) => <Ago at={uploadedAt} />,
  },
];

export function Page() {
  const tenantName = useTenant();
  const { items, error, onEnd, refresh } = usePackages(tenantName);
  const { reason } = useAccess("manage", tenantName);
  return (
    <Publish tenantName={tenantName ?? ""} refused={reason}>
      {(button) => (
        <>
          <PageHead title="Packages" actions={button} />
          <Shown error={error} isRead={items !== undefined} what="The packages cannot be shown." onRetry={refresh}>
            <DataTable
              label="Packages"
              columns={COLUMNS}
              rows={items}
              keyOf={({ packageName }) => packageName}
              hrefOf={(one) => packageHref(one.tenantName, one.packageName)}
              onEnd={onEnd}
              empty={
                <Empty
                  title="No packages yet"
                  cli={`jobyard init packages/greetings && jobyard pack packages/greetings && jobyard publish packages/greetings/dist/greetings.zip --tenant ${shellWord(tenantName ?? "demo")}`}
                >
                  A package is a ZIP with the code of jobs. Drop one here, or publish it from a terminal.
                </Empty>
              }
            />
          </Shown>
        </>
      )}
    </Publish>
  );
}
