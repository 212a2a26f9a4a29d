/** Workers by pool: slots, versions, heartbeats, jobs on them; what waits, by pool and priority; draining. */
import { Link } from "wouter";
import { jobHref } from "../components/address.ts";
import { useNow } from "../components/clock.ts";
import { DialogButton } from "../components/action-dialog.tsx";
import { shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { Ghost } from "../components/ghost.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Panel } from "../components/panel.tsx";
import { shownState, StateMark, type ShownState } from "../components/state-mark.tsx";
import { Ago, Span } from "../components/times.tsx";
import { counted, numberText } from "../components/time-text.ts";
import { HEALTH_EVERY_MS } from "../data/health.ts";
import { useWorkers } from "../data/overview.ts";
import { useAccess, useTenant } from "../data/session.ts";
import { useDrainWorker, useJobsInState, type SomeJobs } from "../data/workers.ts";
import { PRIORITIES } from "../../runtime/core/job/priority.ts";
import type { JobView, WorkerView } from "../../runtime/client/index.ts";
import { Pauses } from "./pauses/pauses.tsx";

/** Jobs of the tenant that are listed as running. */
const RUNNING_SHOWN_MAX = 20;

const STATES: Readonly<Record<WorkerView["state"], ShownState>> = {
  running: "succeeded",
  draining: "delayed",
  stopped: "queued",
  silent: "failed",
};

const COLUMNS: readonly Column<WorkerView>[] = [
  {
    id: "state",
    title: "State",
    width: "104px",
    cell: ({ state, drainWanted }) => (
      <StateMark
        state={STATES[state]}
        word={state === "running" ? (drainWanted ? "leaving" : "works") : state === "draining" ? "leaving" : state}
      />
    ),
  },
  {
    id: "worker",
    title: "Worker",
    cell: ({ workerId, isProtected, state }) => (
      <>
        <span className="name">{workerId}</span>
        {isProtected === true && state === "running" ? (
          <span className="sub hide-small" title="Scale-in does not take its machine now.">
            {" "}
            protected
          </span>
        ) : null}
      </>
    ),
  },
  { id: "pool", title: "Pool", width: "120px", hide: "small", cell: ({ pool }) => pool },
  {
    id: "slots",
    title: "Slots used",
    width: "22%",
    cell: ({ runningCount, slots }) => <Slots used={runningCount} all={slots} />,
  },
  {
    id: "version",
    title: "Version",
    width: "110px",
    hide: "medium",
    cell: ({ version }) => <code title={version}>{version.slice(0, 12)}</code>,
  },
  {
    id: "heartbeat",
    title: "Heartbeat",
    width: "96px",
    isNumber: true,
    hide: "small",
    cell: ({ heartbeatAt }) => <Ago at={heartbeatAt} />,
  },
  {
    id: "started",
    title: "Up for",
    width: "110px",
    isNumber: true,
    hide: "medium",
    cell: ({ startedAt, heartbeatAt, state }) => (
      <Span from={startedAt} to={state === "running" || state === "draining" ? undefined : heartbeatAt} />
    ),
  },
  { id: "act", title: "Actions", width: "84px", isNumber: true, cell: (worker) => <Drain worker={worker} /> },
];

const Slots = ({ used, all }: { readonly used: number; readonly all: number }) => (
  <span className="row" style={{ flexWrap: "nowrap" }}>
    <span className="bar hide-small" style={{ width: 48 }}>
      <i style={{ width: `${all === 0 ? 0 : Math.min(1, used / all) * 100}%` }} />
    </span>
    {numberText(used)} of {numberText(all)}
  </span>
);

export function Page() {
  const tenantName = useTenant();
  const { allowed, reason } = useAccess("operate");
  const { data, error, refetch } = useWorkers(allowed, HEALTH_EVERY_MS);
  const queued = useJobsInState(tenantName, "queued");
  const running = useJobsInState(tenantName, "running");
  return (
    <div className="stack">
      <PageHead title="Workers and pools">
        {data === undefined ? null : (
          <span className="muted">
            {counted(data.length, "worker")} in {counted(new Set(data.map(({ pool }) => pool)).size, "pool")}
          </span>
        )}
      </PageHead>
      {!allowed ? (
        <Empty title="Workers are not shown">{reason}</Empty>
      ) : (
        <Shown
          error={error}
          isRead={data !== undefined}
          what="The workers cannot be shown."
          onRetry={() => void refetch()}
        >
          <DataTable
            label="Workers"
            columns={COLUMNS}
            rows={data}
            keyOf={({ pool, workerId }) => `${pool}/${workerId}`}
            empty={
              <Empty title="No worker has started yet" cli="npm start">
                Queued jobs wait. In Azure the scale set starts workers; on a laptop `npm start` does.
              </Empty>
            }
          />
        </Shown>
      )}
      <Pauses
        title="Paused pools and queues"
        kinds={["pool", "queue"]}
        tenantName={tenantName ?? ""}
        pools={poolsOf(data, queued.data)}
        refused={reason}
      />
      <div className="two">
        <Panel title={`Waiting in ${tenantName ?? "no tenant"}, by pool and priority`}>
          <Shown error={queued.error} isRead={queued.data !== undefined} what="The queues cannot be shown.">
            <Depths queued={queued.data} />
          </Shown>
        </Panel>
        <Panel title={`Running in ${tenantName ?? "no tenant"}`}>
          <Shown error={running.error} isRead={running.data !== undefined} what="The running jobs cannot be shown.">
            <Running running={running.data} />
          </Shown>
        </Panel>
      </div>
    </div>
  );
}

/** Pools that are known here: those with workers, and those that jobs wait for. */
const poolsOf = (workers: readonly WorkerView[] | undefined, queued: SomeJobs | undefined): readonly string[] =>
  [...new Set([...(workers ?? []), ...(queued?.jobs ?? [])].map(({ pool }) => pool))].sort();

/** Jobs that could start now, by pool and priority, and those that wait for their time. */
function Depths({ queued }: { readonly queued: SomeJobs | undefined }) {
  const now = useNow();
  if (queued === undefined) return <Ghost width={20} />;
  if (queued.jobs.length === 0) return <p className="muted">No job waits.</p>;
  const pools = Map.groupBy(queued.jobs, ({ pool }) => pool);
  const isDelayed = (job: JobView): boolean => shownState(job, now) === "delayed";
  return (
    <>
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">Pool</th>
            {PRIORITIES.map((priority) => (
              <th key={priority} scope="col" className="num">
                {priority}
              </th>
            ))}
            <th scope="col" className="num">
              delayed
            </th>
            <th scope="col" className="num">
              oldest
            </th>
          </tr>
        </thead>
        <tbody>
          {[...pools].map(([pool, jobs]) => {
            const due = jobs.filter((job) => !isDelayed(job));
            const oldest = due.map(({ runAt, submittedAt }) => runAt ?? submittedAt).sort()[0];
            return (
              <tr key={pool}>
                <th scope="row">{pool}</th>
                {PRIORITIES.map((priority) => (
                  <td key={priority} className="num">
                    {numberText(due.filter((job) => job.priority === priority).length)}
                  </td>
                ))}
                <td className="num">{numberText(jobs.length - due.length)}</td>
                <td className="num">{oldest === undefined ? "" : <Ago at={oldest} />}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {queued.isPart ? <p className="muted small">Of the newest {numberText(queued.jobs.length)} that wait.</p> : null}
    </>
  );
}

function Running({ running }: { readonly running: SomeJobs | undefined }) {
  if (running === undefined) return <Ghost width={20} />;
  if (running.jobs.length === 0) return <p className="muted">No job runs.</p>;
  const left = running.jobs.length - RUNNING_SHOWN_MAX;
  return (
    <div className="lines">
      {running.jobs.slice(0, RUNNING_SHOWN_MAX).map((job) => (
        <Link key={job.jobId} href={jobHref(job.jobId)}>
          <StateMark state="running" markOnly />
          <span className="x cut">
            {job.jobName} <span className="muted">{job.jobType}</span>
          </span>
          <span className="muted cut">
            {job.workerId}
            {job.startedAt === undefined ? null : (
              <>
                {" · "}
                <Span from={job.startedAt} />
              </>
            )}
          </span>
        </Link>
      ))}
      {left > 0 ? (
        <p className="muted small">
          and {numberText(left)}
          {running.isPart ? " or more" : ""}
        </p>
      ) : null}
    </div>
  );
}

function Drain({ worker }: { readonly worker: WorkerView }) {
  const { pool, workerId, state, drainWanted } = worker;
  const { reason } = useAccess("operate");
  const drain = useDrainWorker();
  if (state === "stopped") return null;
  return (
    <DialogButton
      verb="Drain"
      kind="quiet"
      isDangerous
      cli={`jobyard workers --drain ${shellWord(`${pool}/${workerId}`)}`}
      refused={reason ?? (drainWanted || state === "draining" ? "It is leaving already." : undefined)}
      action={async () => {
        await drain.mutateAsync(worker);
        return `${workerId} reads it with its next heartbeat.`;
      }}
    >
      {workerId} takes no more jobs. It gives the {counted(worker.runningCount, "job")} on it time to end, hands back
      the rest without costing them an attempt, and ends. Its supervisor starts it again.
    </DialogButton>
  );
}
