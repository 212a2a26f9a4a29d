/** The tenant at a glance: each number leads to the list behind it. */
import { Link } from "wouter";
import { href, jobHref } from "../components/address.ts";
import { BarChart } from "../components/chart.tsx";
import { useNow } from "../components/clock.ts";
import { Empty } from "../components/empty.tsx";
import { ErrorNote } from "../components/error-note.tsx";
import { GhostPage } from "../components/ghost.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Card, Panel } from "../components/panel.tsx";
import { StateMark } from "../components/state-mark.tsx";
import { Ago, Span } from "../components/times.tsx";
import { clockText, counted, numberText, relativeText } from "../components/time-text.ts";
import { groupFailures } from "../data/failure-groups.ts";
import type { JobFilter } from "../data/found-jobs.ts";
import {
  NAMED_MAX,
  useLatestFailed,
  useOverview,
  useReadiness,
  useRunning,
  useTimers,
  useWorkers,
} from "../data/overview.ts";
import { useAccess, useTenant, useTenants } from "../data/session.ts";
import type { JobView, OverviewView, PauseView, TimerView, WorkerView } from "../../runtime/client/index.ts";
import { jobsHref } from "./jobs/filter.ts";
import { PauseText } from "./pauses/pause-text.tsx";

const LISTED_MAX = 6;
/** A tick that is later than this is worth a look. */
const LATE_AFTER_MS = 60_000;

export function Page() {
  const tenantName = useTenant();
  const overview = useOverview(tenantName);
  const { data } = overview;
  const latestFailed = useLatestFailed(tenantName, hasAny(data?.failed));
  const failed = noneOf(data?.failed) ?? latestFailed.data;
  const latestRunning = useRunning(tenantName, hasAny(data?.running));
  const running = noneOf(data?.running) ?? latestRunning.data;
  const timers = useTimers(tenantName);
  const operate = useAccess("operate");
  const workers = useWorkers(operate.allowed);
  const now = useNow();
  const { names } = useTenants();
  if (tenantName === undefined)
    return names === undefined ? (
      <GhostPage />
    ) : (
      <Empty title="You have no tenant yet" cli="jobyard tenants grant <tenant> <your object id> manage">
        An administrator gives you a grant on one. Then this page shows its jobs.
      </Empty>
    );
  const late = timers.data?.filter((timer) => isLate(timer, now));
  const slots = slotsOf(workers.data);
  const to = (state: JobFilter["states"][number]): string => jobsHref(tenantName, { states: [state] });
  const oldest = data?.oldestWaitingAt;
  return (
    <>
      <PageHead title="Overview" />
      <Away />
      <Paused tenantName={tenantName} pauses={data?.pauses ?? []} />
      {overview.error === null ? null : (
        <ErrorNote error={overview.error} what="The jobs cannot be counted." onRetry={() => void overview.refetch()} />
      )}
      <div className="cards">
        <Card
          title="Waiting"
          href={to("queued")}
          value={data && countText(data.waiting)}
          detail={
            oldest !== undefined
              ? `oldest ${relativeText(Date.parse(oldest), now)}`
              : data?.waiting.count === 0
                ? "none waits"
                : undefined
          }
        />
        <Card
          title="Running"
          href={to("running")}
          value={data && countText(data.running)}
          detail={slots === undefined ? undefined : `${slots.used} of ${counted(slots.all, "slot")} of all tenants`}
        />
        <Card
          title="Failed"
          href={to("failed")}
          value={data && countText(data.failed)}
          detail={
            failed === undefined
              ? undefined
              : `${failed.length === NAMED_MAX ? `${NAMED_MAX} or more` : failed.length} of the last 24 h`
          }
        />
        <Card
          title="Delayed"
          href={to("delayed")}
          value={data && countText(data.delayed)}
          detail="wait for their time"
        />
        <Card
          title="Timers"
          href={href("/timers", { tenant: tenantName })}
          value={timers.data && numberText(timers.data.length)}
          detail={late === undefined ? undefined : late.length === 0 ? "none is late" : `${late.length} late`}
        />
      </div>
      <div className="two">
        <Course course={data?.course} />
        <Panel title="Needs somebody">
          <div className="lines">
            {groupFailures(failed ?? [])
              .slice(0, LISTED_MAX)
              .map(({ key, latest, code, jobs }) => (
                <Link key={key} href={jobHref(latest.jobId)}>
                  <StateMark state="failed" markOnly />
                  <span className="x cut" title={latest.failure?.message}>
                    {latest.failure?.message ?? code}
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
        <Panel title={running?.length === NAMED_MAX ? `Running longest of the newest ${NAMED_MAX}` : "Running longest"}>
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

type Counted = OverviewView["waiting"];
const hasAny = (counted: Counted | undefined): boolean => counted !== undefined && counted.count > 0;
/** What need not be read. Undefined: it is not known yet. */
const noneOf = (counted: Counted | undefined): readonly JobView[] | undefined =>
  counted?.count === 0 ? [] : undefined;

const countText = ({ count, isMore }: Counted): string => `${numberText(count)}${isMore ? "+" : ""}`;

/** How the jobs of the last hours ended. */
function Course({ course }: { readonly course: OverviewView["course"] | undefined }) {
  const bars = course?.spans.map((span, index) => ({ at: Date.parse(course.since) + index * course.spanMs, ...span }));
  const sum = (state: "succeeded" | "failed"): number => (bars ?? []).reduce((all, bar) => all + bar[state], 0);
  const [succeeded, failed] = [sum("succeeded"), sum("failed")];
  return (
    <Panel title="The last hours, by the time of the submit">
      <BarChart label="Jobs that ended" bars={bars ?? []} />
      {course === undefined ? null : (
        <p className="muted small">
          Of the jobs submitted since {clockText(Date.parse(course.since))}, {numberText(succeeded)} have succeeded and{" "}
          {numberText(failed)} failed: {paceText(succeeded + failed, course.spanMs * course.spans.length)}.
        </p>
      )}
    </Panel>
  );
}

const MINUTE_MS = 60_000;

/** In the unit that gives a number people can read. */
function paceText(count: number, spanMs: number): string {
  const perMinute = count / (spanMs / MINUTE_MS);
  if (perMinute >= 60) return `${numberText(Math.round(perMinute / 6) / 10)} a second`;
  return perMinute >= 1 || count === 0
    ? `${numberText(Math.round(perMinute * 10) / 10)} a minute`
    : `${numberText(Math.round(perMinute * 600) / 10)} an hour`;
}

/** What starts nothing new, of what holds jobs of the tenant. */
function Paused({ tenantName, pauses }: { readonly tenantName: string; readonly pauses: readonly PauseView[] }) {
  if (pauses.length === 0) return null;
  const isTenants = pauses.some((pause) => pause.tenantName !== undefined);
  return (
    <div className="banner" role="status">
      <b>Paused</b>
      <span className="x">
        {pauses.map((pause) => (
          <span key={JSON.stringify(pause)} className="paused">
            <PauseText pause={pause} />
          </span>
        ))}
      </span>
      <Link
        className="link"
        href={
          isTenants ? href("/access", { tenant: tenantName, tab: "limits" }) : href("/workers", { tenant: tenantName })
        }
      >
        {isTenants ? "Limits" : "Workers and pools"}
      </Link>
    </div>
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
              <span className="bar hide-small" style={{ width: 120 }}>
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
