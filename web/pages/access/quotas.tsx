/** Quotas of a tenant, with what it has used; an administrator sets them. */
import { useState, type ReactNode } from "react";
import { DialogButton } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { TextField } from "../../components/field.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { Panel } from "../../components/panel.tsx";
import { Ago } from "../../components/times.tsx";
import { bytesText, numberText } from "../../components/time-text.ts";
import { useLimitActions, useQuotas } from "../../data/limits.ts";
import { CONCURRENCY_MAX, QUOTA_MAX } from "../../../runtime/core/limits.ts";
import type { QuotaView } from "../../../runtime/client/index.ts";
import { numberProblem } from "./number-problem.ts";

interface QuotasProps {
  readonly tenantName: string;
  /** Why the caller may not set them. */
  readonly refused: string | undefined;
}

export function Quotas({ tenantName, refused }: QuotasProps) {
  const { data, error, refetch } = useQuotas(tenantName);
  return (
    <Panel title="Quotas">
      {error === null ? null : (
        <ErrorNote error={error} what="The quotas cannot be shown." onRetry={() => void refetch()} />
      )}
      {data === undefined && error === null ? <Ghost width={20} /> : null}
      {data === undefined ? null : (
        <>
          <Use of={data} />
          <div className="row panel-foot">
            <SetQuotas tenantName={tenantName} quotas={data} refused={refused} />
          </div>
        </>
      )}
    </Panel>
  );
}

function Use({ of: { jobsPerDay, storedBytes, runningAtOnce } }: { readonly of: QuotaView }) {
  if (jobsPerDay === undefined && storedBytes === undefined && runningAtOnce === undefined)
    return <p className="muted">There are none: the tenant may submit, run and store any amount.</p>;
  return (
    <div className="lines">
      {jobsPerDay === undefined ? null : (
        <Used
          title="Jobs today"
          part={jobsPerDay.used / jobsPerDay.limit}
          text={`${numberText(jobsPerDay.used)} of ${numberText(jobsPerDay.limit)}`}
        >
          ends <Ago at={jobsPerDay.until} />
        </Used>
      )}
      {runningAtOnce === undefined ? null : (
        <Used
          title="Running at once"
          part={runningAtOnce.used / runningAtOnce.limit}
          text={`${numberText(runningAtOnce.used)} of ${numberText(runningAtOnce.limit)}`}
        >
          others wait
        </Used>
      )}
      {storedBytes === undefined ? null : (
        <Used
          title="Stored"
          part={(storedBytes.used ?? 0) / storedBytes.limit}
          text={`${storedBytes.used === undefined ? "not counted yet" : bytesText(storedBytes.used)} of ${bytesText(storedBytes.limit)}`}
        >
          {storedBytes.countedAt === undefined ? null : (
            <>
              counted <Ago at={storedBytes.countedAt} />
            </>
          )}
        </Used>
      )}
    </div>
  );
}

interface UsedProps {
  readonly title: string;
  readonly part: number;
  readonly text: string;
  readonly children: ReactNode;
}

const Used = ({ title, part, text, children }: UsedProps) => (
  <div title={text}>
    <span className="nowrap">{title}</span>
    <span className="bar x" data-s={part >= 1 ? "failed" : undefined}>
      <i style={{ width: `${Math.min(1, Number.isFinite(part) ? part : 1) * 100}%` }} />
    </span>
    <b className="nowrap">{text}</b>
    <span className="muted nowrap hide-medium">{children}</span>
  </div>
);

function SetQuotas({ tenantName, quotas, refused }: QuotasProps & { readonly quotas: QuotaView }) {
  const [jobs, setJobs] = useState("");
  const [bytes, setBytes] = useState("");
  const [running, setRunning] = useState("");
  const { quotas: set } = useLimitActions(tenantName);
  const problems = {
    ...{ jobs: problemOf(jobs), bytes: problemOf(bytes) },
    running: running === "" ? undefined : numberProblem(running, 1, CONCURRENCY_MAX),
  };
  const options = [
    ...(jobs === "" ? [] : [`--jobs-per-day ${jobs}`]),
    ...(bytes === "" ? [] : [`--stored-bytes ${bytes}`]),
    ...(running === "" ? [] : [`--running-at-once ${running}`]),
  ];
  return (
    <DialogButton
      button="Set quotas"
      title={`Quotas of ${tenantName}`}
      verb="Set"
      refused={refused}
      problem={problems.jobs ?? problems.bytes ?? problems.running}
      onOpen={() => {
        setJobs(String(quotas.jobsPerDay?.limit ?? ""));
        setBytes(String(quotas.storedBytes?.limit ?? ""));
        setRunning(String(quotas.runningAtOnce?.limit ?? ""));
      }}
      cli={`jobyard quotas ${shellWord(tenantName)} ${["--none", ...options].join(" ")}`}
      action={async () => {
        await set.mutateAsync({
          ...(jobs !== "" && { jobsPerDay: Number(jobs) }),
          ...(bytes !== "" && { storedBytes: Number(bytes) }),
          ...(running !== "" && { runningAtOnce: Number(running) }),
        });
        return `The quotas of ${tenantName} are set.`;
      }}
    >
      <TextField
        label="Jobs in a day (UTC); empty: any number"
        value={jobs}
        onChange={setJobs}
        problem={problems.jobs}
      />
      <TextField
        label="Stored bytes of packages, inputs, logs and artifacts; empty: any number"
        value={bytes}
        onChange={setBytes}
        problem={problems.bytes}
        about={problems.bytes === undefined && bytes !== "" ? bytesText(Number(bytes)) : ""}
      />
      <TextField
        label="Jobs that run at once; empty: any number"
        value={running}
        onChange={setRunning}
        problem={problems.running}
      />
      <p className="muted">
        Over the first two, a submit is refused. Jobs over the last one wait. It takes effect on every instance within
        10 seconds.
      </p>
    </DialogButton>
  );
}

const problemOf = (text: string): string | undefined => (text === "" ? undefined : numberProblem(text, 0, QUOTA_MAX));
