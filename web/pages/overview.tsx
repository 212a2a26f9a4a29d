/** The tenant at a glance: each number leads to the list behind it. */
import { Link } from "wouter";
import { href, jobHref } from "../components/address.ts";
import { BarChart, type ChartBar } from "../components/chart.tsx";
import { useNow } from "../components/clock.ts";
import { Empty } from "../components/empty.tsx";
import { ErrorNote } from "../components/error-note.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Card, Panel } from "../components/panel.tsx";
import { shownState, StateMark } from "../components/state-mark.tsx";
import { Ago, Span } from "../components/times.tsx";
import { counted, numberText, relativeText } from "../components/time-text.ts";
import { useOverview, useReadiness, useTimers, useWorkers, type Overview } from "../data/overview.ts";
import { useAccess, useTenant } from "../data/session.ts";
import type { JobView, TimerView, WorkerView } from "../../runtime/client/index.ts";

const HOUR_MS = 3_600_000;
/** The chart: six hours in bars of ten minutes. */
const [CHART_HOURS, BAR_MS] = [6, 600_000];
const LISTED_MAX = 6;
/** A tick that is later than this is worth a look. */
const LATE_AFTER_MS = 60_000;

export function Page() {
  const tenantName = useTenant();
  const overview = useOverview(tenantName);
  const timers = useTimers(tenantName);
  const operate = useAccess("operate");
  const workers = useWorkers(operate.allowed);
  const now = useNow();
  if (tenantName === undefined)
    return (
      <Empty title="You have no tenant yet" cli="jobyard tenants grant <tenant> <your object id> manage">
        An administrator gives you a grant on one. Then this page shows its jobs.
      </Empty>
    );
  const late = timers.data?.filter((timer) => isLate(timer, now));
  const waiting = overview.data?.jobs.filter((job) => shownState(job, now) === "queued");
  const delayed = overview.data?.jobs.filter((job) => shownState(job, now) === "delayed");
  const failed = overview.data?.jobs.filter(({ state }) => state === "failed");
  const running = overview.data?.jobs.filter(({ state }) => state === "running");
  const oldest = waiting?.map((job) => job.runAt ?? job.submittedAt).sort()[0];
  const slots = slotsOf(workers.data);
  const to = (state: string): string => href("/batches", { tenant: tenantName, state });
  return (
    <>
      <PageHead title="Overview">
        {overview.data?.isPart === true ? (
          <span className="muted">newest {overview.data.batchCount} batches</span>
        ) : null}
      </PageHead>
      <Away />
      {overview.error === null ? null : (
        <ErrorNote error={overview.error} what="The jobs cannot be read." onRetry={() => void overview.refetch()} />
      )}
      <div className="cards">
        <Card
          title="Waiting"
          href={to("queued")}
          value={overview.data && numberText(overview.data.counts.queued - (delayed?.length ?? 0))}
          detail={oldest === undefined ? "none waits" : `oldest ${relativeText(Date.parse(oldest), now)}`}
        />
        <Card
          title="Running"
          href={to("running")}
          value={overview.data && numberText(overview.data.counts.running)}
          detail={slots === undefined ? undefined : `${slots.used} of ${counted(slots.all, "slot")} of all tenants`}
        />
        <Card
          title="Failed"
          href={to("failed")}
          value={overview.data && numberText(overview.data.counts.failed)}
          detail={failed === undefined ? undefined : counted(groupsOf(failed).length, "kind")}
        />
        <Card
          title="Delayed"
          href={to("queued")}
          value={delayed && numberText(delayed.length)}
          detail={nextOf(delayed, now)}
        />
        <Card
          title="Ended in the last hour"
          href={to("succeeded")}
          value={overview.data && numberText(endedSince(overview.data, now - HOUR_MS))}
        />
        <Card
          title="Timers"
          href={href("/timers", { tenant: tenantName })}
          value={timers.data && numberText(timers.data.length)}
          detail={late === undefined ? undefined : late.length === 0 ? "none is late" : `${late.length} late`}
        />
      </div>
      <div className="two">
        <Panel title={`Ended in the last ${CHART_HOURS} hours`}>
          <BarChart label="Jobs ended" bars={barsOf(overview.data?.jobs ?? [], now)} />
        </Panel>
        <Panel title="Needs somebody">
          <div className="lines">
            {groupsOf(failed ?? [])
              .slice(0, LISTED_MAX)
              .map(([message, jobs]) => (
                <Link key={message} href={jobHref(jobs[0]?.jobId ?? "")}>
                  <StateMark state="failed" markOnly />
                  <span className="x cut" title={message}>
                    {message}
                  </span>
                  <span className="muted">{counted(jobs.length, "job")}</span>
                </Link>
              ))}
            {late?.map((timer) => (
              <Link key={timer.listener} href={href("/timers", { tenant: tenantName })}>
                <StateMark state="delayed" markOnly word="late" />
                <span className="x cut">Timer {timer.timerName} is late</span>
                <span className="muted">{timer.next === undefined ? "" : <Ago at={timer.next} />}</span>
              </Link>
            ))}
            {failed?.length === 0 && late?.length === 0 ? <p className="muted">Nothing does.</p> : null}
          </div>
        </Panel>
        <Panel title="Running longest">
          <div className="lines">
            {running
              ?.toSorted((a, b) => ((a.startedAt ?? "") < (b.startedAt ?? "") ? -1 : 1))
              .slice(0, LISTED_MAX)
              .map((job) => (
                <Link key={job.jobId} href={jobHref(job.jobId)}>
                  <StateMark state="running" markOnly />
                  <span className="x cut">
                    {job.jobName} <span className="muted">{job.jobType}</span>
                  </span>
                  <span className="muted">{job.startedAt === undefined ? "" : <Span from={job.startedAt} />}</span>
                </Link>
              ))}
            {running?.length === 0 ? <p className="muted">No job runs now.</p> : null}
          </div>
        </Panel>
        <Pools workers={workers.data} refused={operate.reason} />
      </div>
    </>
  );
}

/** Says which part of the system is away, as soon as it is. */
function Away() {
  const { data } = useReadiness();
  if (data === undefined || data.isReady) return null;
  const { notReady = [] } = data.body as { readonly notReady?: readonly { part: string; since: string }[] };
  return (
    <div className="banner" data-kind="bad" role="alert">
      <span>
        A part of the system is away:{" "}
        {notReady.map(({ part, since }) => (
          <span key={part}>
            <b>{part}</b>, since <Ago at={since} />{" "}
          </span>
        ))}
      </span>
    </div>
  );
}

function Pools({
  workers,
  refused,
}: {
  readonly workers: readonly WorkerView[] | undefined;
  readonly refused: string | undefined;
}) {
  return (
    <Panel title="Pools" more={{ href: "/workers", title: "Workers" }}>
      {refused === undefined ? null : <p className="muted">{refused}</p>}
      <div className="lines">
        {[...Map.groupBy(workers ?? [], ({ pool }) => pool)].map(([pool, ones]) => {
          const { used, all } = slotsOf(ones) ?? { used: 0, all: 0 };
          return (
            <div key={pool}>
              <span className="x cut">{pool}</span>
              <span className="bar" style={{ width: 120 }}>
                <i style={{ width: `${all === 0 ? 0 : (used / all) * 100}%` }} />
              </span>
              <span className="muted">
                {used} of {counted(all, "slot")} · {counted(ones.length, "worker")}
              </span>
            </div>
          );
        })}
      </div>
      {workers?.length === 0 ? <p className="muted">No worker runs. Queued jobs wait.</p> : null}
    </Panel>
  );
}

function slotsOf(workers: readonly WorkerView[] | undefined) {
  if (workers === undefined) return undefined;
  const alive = workers.filter(({ state }) => state !== "silent");
  return {
    used: alive.reduce((sum, { runningCount }) => sum + runningCount, 0),
    all: alive.reduce((sum, { slots }) => sum + slots, 0),
  };
}

const isLate = ({ enabled, next }: TimerView, now: number): boolean =>
  enabled && next !== undefined && Date.parse(next) < now - LATE_AFTER_MS;

const groupsOf = (failed: readonly JobView[]): readonly (readonly [string, readonly JobView[]])[] =>
  [...Map.groupBy(failed, ({ failure }) => failure?.message ?? "Unknown failure")].sort(
    ([, a], [, b]) => b.length - a.length,
  );

function nextOf(delayed: readonly JobView[] | undefined, now: number): string | undefined {
  const next = delayed?.flatMap(({ runAt }) => runAt ?? []).sort()[0];
  return next === undefined ? "none waits for its time" : `next ${relativeText(Date.parse(next), now)}`;
}

const endedSince = ({ jobs }: Overview, since: number): number =>
  jobs.filter(({ endedAt, state }) => endedAt !== undefined && state !== "running" && Date.parse(endedAt) >= since)
    .length;

function barsOf(jobs: readonly JobView[], now: number): readonly ChartBar[] {
  const count = (CHART_HOURS * HOUR_MS) / BAR_MS;
  const start = Math.ceil(now / BAR_MS) * BAR_MS - count * BAR_MS;
  const bars = Array.from({ length: count }, (_, index) => ({ at: start + index * BAR_MS, succeeded: 0, failed: 0 }));
  for (const { endedAt, state } of jobs) {
    const bar = endedAt === undefined ? undefined : bars[Math.floor((Date.parse(endedAt) - start) / BAR_MS)];
    if (bar !== undefined && (state === "succeeded" || state === "failed")) bar[state]++;
  }
  return bars;
}
