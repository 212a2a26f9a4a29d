/** Timers of a tenant: when each ticks next, and how its latest run ended. */
import { Link } from "wouter";
import { href, jobHref } from "../components/address.ts";
import { useNow } from "../components/clock.ts";
import { shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { PageHead } from "../components/page-head.tsx";
import { StateMark } from "../components/state-mark.tsx";
import { Ago } from "../components/times.tsx";
import { counted, numberText } from "../components/time-text.ts";
import { useTimers } from "../data/overview.ts";
import { useTenant } from "../data/session.ts";
import type { TimerView } from "../../runtime/client/index.ts";
import { TICK_HORIZON_MIN_MS } from "../../runtime/core/limits.ts";

/** Ticks this near have normally been sent. */
const SENT_BEFORE_MS = TICK_HORIZON_MIN_MS;

const COLUMNS: readonly Column<TimerView>[] = [
  { id: "state", title: "State", width: "104px", cell: (timer) => <TimerState timer={timer} /> },
  {
    id: "timer",
    title: "Timer",
    cell: (timer) => (
      <>
        <Link className="name" href={timerHref(timer)}>
          {timer.timerName}
        </Link>
        <span className="sub">{timer.packageName}</span>
      </>
    ),
  },
  {
    id: "schedule",
    title: "Schedule",
    width: "24%",
    hide: "small",
    cell: ({ cron, timeZone, warnings }) => (
      <span title={warnings?.join("\n")}>
        <code>{cron}</code> <span className="muted">{timeZone}</span>
        {warnings === undefined ? null : <span data-s="canceled"> · check it</span>}
      </span>
    ),
  },
  {
    id: "next",
    title: "Next",
    width: "88px",
    isNumber: true,
    cell: ({ next }) => (next === undefined ? null : <Ago at={next} />),
  },
  { id: "last", title: "Latest run", width: "136px", hide: "small", cell: (timer) => <LastResult timer={timer} /> },
  {
    id: "when",
    title: "Ran",
    width: "88px",
    isNumber: true,
    hide: "medium",
    cell: ({ lastStartedAt }) => (lastStartedAt === undefined ? null : <Ago at={lastStartedAt} />),
  },
  {
    id: "missed",
    title: "Missed",
    width: "80px",
    isNumber: true,
    hide: "medium",
    cell: ({ missedCount }) => numberText(missedCount),
  },
  {
    id: "skipped",
    title: "Skipped",
    width: "80px",
    isNumber: true,
    hide: "medium",
    cell: ({ skippedCount }) => numberText(skippedCount),
  },
];

export const timerHref = ({ tenantName, packageName, timerName }: TimerView): string =>
  href(`/timers/${encodeURIComponent(packageName)}/${encodeURIComponent(timerName)}`, { tenant: tenantName });

/** Whether it ticks, and in time. */
export function TimerState({ timer: { enabled, next, sentUpTo } }: { readonly timer: TimerView }) {
  const now = useNow();
  if (!enabled) return <StateMark state="canceled" word="paused" />;
  if (next === undefined) return <StateMark state="queued" word="no ticks" />;
  const isNear = Date.parse(next) < now + SENT_BEFORE_MS;
  return isNear && (sentUpTo === undefined || sentUpTo < next) ? (
    <StateMark state="failed" word="not sent" />
  ) : (
    <StateMark state="succeeded" word="ticks" />
  );
}

function LastResult({ timer: { lastResult, lastJobId } }: { readonly timer: TimerView }) {
  if (lastResult === undefined || lastJobId === undefined) return <span className="muted">none yet</span>;
  return (
    <Link href={jobHref(lastJobId)}>
      <StateMark state={lastResult} />
    </Link>
  );
}

export function Page() {
  const tenantName = useTenant();
  const { data, error, refetch } = useTimers(tenantName);
  const paused = data?.filter(({ enabled }) => !enabled).length ?? 0;
  return (
    <>
      <PageHead title="Timers">
        {data === undefined || data.length === 0 ? null : (
          <span className="muted">
            {counted(data.length, "timer")}
            {paused === 0 ? "" : `, ${numberText(paused)} paused`}
          </span>
        )}
      </PageHead>
      <Shown
        error={error}
        isRead={data !== undefined}
        what="The timers cannot be shown."
        onRetry={() => void refetch()}
      >
        <DataTable
          label="Timers"
          columns={COLUMNS}
          rows={data}
          keyOf={({ listener }) => listener}
          hrefOf={timerHref}
          empty={
            <Empty
              title="No timers yet"
              cli={`jobyard init packages/nightly-report --timer && jobyard dev packages/nightly-report --tenant ${shellWord(tenantName ?? "demo")}`}
            >
              A package declares its timers. Publishing the package registers them.
            </Empty>
          }
        />
      </Shown>
    </>
  );
}
