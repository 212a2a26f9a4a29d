/** Jobs in a table. The same wherever jobs are listed. */
import { useMemo, type ReactNode } from "react";
import { Link } from "wouter";
import type { JobView } from "../../runtime/client/index.ts";
import { batchHref, jobHref } from "./address.ts";
import { useNow } from "./clock.ts";
import { DataTable, type Column, type Selection } from "./data-table.tsx";
import { shownState, StateMark } from "./state-mark.tsx";
import { Ago, Span } from "./times.tsx";

/** Where a job's name leads: its page, or the same list with the job beside it. */
type HrefOf = (jobId: string) => string;

/** For lists across batches. */
const BATCH: Column<JobView> = {
  id: "batch",
  title: "Batch",
  width: "176px",
  hide: "medium",
  cell: ({ batchId }) => (
    <Link className="muted link" href={batchHref(batchId)} title={batchId}>
      {batchId.slice(batchId.indexOf(".") + 1)}
    </Link>
  ),
};

const columnsOf = (hrefOf: HrefOf): readonly Column<JobView>[] => [
  { id: "state", title: "State", width: "132px", cell: (job) => <State job={job} /> },
  {
    id: "job",
    title: "Job",
    cell: ({ jobId, jobName, jobType }) => (
      <>
        <Link className="name" href={hrefOf(jobId)}>
          {jobName}
        </Link>
        <span className="sub">{jobType}</span>
      </>
    ),
  },
  { id: "wait", title: "Wait", width: "112px", isNumber: true, hide: "medium", cell: (job) => <Wait job={job} /> },
  { id: "run", title: "Run", width: "clamp(84px, 12vw, 148px)", isNumber: true, cell: (job) => <Run job={job} /> },
  { id: "try", title: "Attempt", width: "88px", isNumber: true, hide: "small", cell: ({ attempts }) => attempts || "" },
  {
    id: "submitted",
    title: "Submitted",
    width: "104px",
    isNumber: true,
    hide: "small",
    cell: ({ submittedAt }) => <Ago at={submittedAt} />,
  },
];

/** On a phone the checkboxes take the place of the run. */
const withBatchOf = ([state, job, ...others]: readonly Column<JobView>[]) =>
  [state, job, BATCH, ...others]
    .filter((column) => column !== undefined)
    .map((column) => (column.id === "run" ? { ...column, hide: "small" as const } : column));

/** Beside a job. */
const NARROW_WIDTHS: Readonly<Record<string, string | undefined>> = {
  state: "108px",
  job: undefined,
  submitted: "108px",
};

export interface JobTableProps {
  readonly jobs: readonly JobView[] | undefined;
  readonly onEnd?: (() => void) | undefined;
  readonly empty: ReactNode;
  readonly selection?: Selection;
  readonly news?: { readonly count: number; readonly onShow: () => void };
  readonly foot?: ReactNode;
  readonly withBatch?: boolean;
  /** The job that is shown beside the table. */
  readonly current?: string | undefined;
  /** Default: to the job's page. */
  readonly hrefOf?: HrefOf;
}

export function JobTable({ jobs, withBatch = false, current, hrefOf = jobHref, ...rest }: JobTableProps) {
  const columns = useMemo(() => {
    const all = columnsOf(hrefOf);
    if (current !== undefined)
      return all.flatMap((column) => {
        const width = NARROW_WIDTHS[column.id];
        return column.id in NARROW_WIDTHS ? [{ ...column, ...(width !== undefined && { width }) }] : [];
      });
    return withBatch ? withBatchOf(all) : all;
  }, [hrefOf, withBatch, current === undefined]);
  return (
    <DataTable
      {...rest}
      label="Jobs"
      columns={columns}
      rows={jobs}
      keyOf={({ jobId }) => jobId}
      nameOf={({ jobName }) => jobName}
      currentKey={current}
      hrefOf={({ jobId }) => hrefOf(jobId)}
    />
  );
}

const State = ({ job }: { readonly job: JobView }) => <StateMark state={shownState(job, useNow())} />;

/** From its submit, or from its time, to its first start. */
function Wait({ job: { submittedAt, runAt, history, state } }: { readonly job: JobView }) {
  const first = history[0]?.startedAt;
  const begin = runAt !== undefined && first === undefined ? runAt : submittedAt;
  if (first === undefined && state !== "queued") return null;
  if (first === undefined && Date.parse(begin) > Date.now()) return <Ago at={begin} />;
  return <Span from={begin} to={first} />;
}

/** Of the latest start, with its progress. */
function Run({ job: { startedAt, endedAt, state, progress } }: { readonly job: JobView }) {
  if (startedAt === undefined) return null;
  const fraction = state === "running" ? progress?.fraction : undefined;
  return (
    <>
      {fraction === undefined ? null : (
        <span
          className="bar hide-small"
          style={{ width: 40, marginRight: 8 }}
          title={`${Math.round(fraction * 100)} %`}
        >
          <i style={{ width: `${fraction * 100}%` }} />
        </span>
      )}
      <Span from={startedAt} to={endedAt} />
    </>
  );
}
