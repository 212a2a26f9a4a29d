/** Submits one job from a form made of its type's schema, or many from CSV or lines of JSON. */
import { href, useParam } from "../components/address.ts";
import { shellWord } from "../components/copy.tsx";
import { Empty } from "../components/empty.tsx";
import { ErrorNote } from "../components/error-note.tsx";
import { SelectField } from "../components/field.tsx";
import { GhostPage } from "../components/ghost.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Tabs } from "../components/tabs.tsx";
import { usePackageChoices } from "../data/package-choices.ts";
import { usePackageJobs } from "../data/packages.ts";
import { useAccess, useTenant } from "../data/session.ts";
import { ManyJobs } from "./submit/many-jobs.tsx";
import { OneJob } from "./submit/one-job.tsx";

export function Page() {
  const tenantName = useTenant();
  const packages = usePackageChoices(tenantName);
  const [packageParam, setPackage] = useParam("package");
  const [typeParam, setType] = useParam("type");
  const { reason } = useAccess("submit", tenantName);
  const names = packages.data?.map(({ packageName }) => packageName) ?? [];
  const packageName =
    names.find((name) => name === packageParam) ?? packageOfType(packages.data, typeParam) ?? names[0];
  const jobs = usePackageJobs(
    { tenantName: tenantName ?? "", packageName: packageName ?? "" },
    tenantName !== undefined && packageName !== undefined,
  );
  const job = jobs.data?.find(({ jobType }) => jobType === typeParam) ?? jobs.data?.[0];
  const error = packages.error ?? jobs.error;
  if (tenantName === undefined || (packages.data === undefined && error === null)) return <GhostPage />;
  const target =
    packageName === undefined || job === undefined
      ? undefined
      : { tenantName, jobProcessorPackageName: packageName, jobType: job.jobType, schema: job.parameters };
  const key = JSON.stringify([tenantName, packageName, job?.jobType]);
  return (
    <>
      <PageHead title="Submit" up={{ href: href("/jobs", { tenant: tenantName }), title: "Jobs" }} />
      {reason === undefined ? null : (
        <div className="note" role="note">
          <p>You can look, and not submit. {reason}</p>
        </div>
      )}
      {error === null ? null : (
        <ErrorNote
          error={error}
          what="The job types cannot be shown."
          onRetry={() => void (packages.error === null ? jobs.refetch() : packages.refetch())}
        />
      )}
      {packages.data?.length === 0 ? (
        <div className="table">
          <Empty title="No package yet" cli={`jobyard publish <name.zip> --tenant ${shellWord(tenantName)}`}>
            A package holds the code of job types. Publish one, then submit jobs of its types.
          </Empty>
        </div>
      ) : (
        <div className="form" style={{ marginBottom: 16 }}>
          <div className="pair">
            <Choice
              label="Package"
              value={packageName}
              choices={names}
              onChoose={(name) => {
                setType(undefined);
                setPackage(name);
              }}
            />
            <Choice
              label="Job type"
              value={job?.jobType}
              choices={jobs.data?.map(({ jobType }) => jobType) ?? []}
              onChoose={setType}
            />
          </div>
          {jobs.data?.length === 0 ? <p className="muted">This package declares no job types.</p> : null}
        </div>
      )}
      {target === undefined ? null : (
        <Tabs
          label="How many"
          first="one"
          tabs={[
            { id: "one", title: "One job", content: () => <OneJob key={key} target={target} refused={reason} /> },
            { id: "many", title: "Many", content: () => <ManyJobs key={key} target={target} refused={reason} /> },
          ]}
        />
      )}
    </>
  );
}

/** A link can name the type alone. */
const packageOfType = (
  packages: readonly { readonly packageName: string; readonly jobTypes?: readonly string[] | undefined }[] | undefined,
  type: string | undefined,
): string | undefined =>
  packages?.find(({ jobTypes }) => type !== undefined && jobTypes?.includes(type) === true)?.packageName;

interface ChoiceProps {
  readonly label: string;
  readonly value: string | undefined;
  readonly choices: readonly string[];
  readonly onChoose: (choice: string) => void;
}

const Choice = ({ label, value, choices, onChoose }: ChoiceProps) => (
  <SelectField label={label} value={value ?? ""} onChange={onChoose}>
    {choices.map((choice) => (
      <option key={choice} value={choice}>
        {choice}
      </option>
    ))}
  </SelectField>
);
