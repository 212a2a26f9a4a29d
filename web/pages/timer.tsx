/** One timer: its schedule, what became of its ticks, when it ticks next; pause, resume, run now. */
import { useLocation } from "wouter";
import { href, jobHref } from "../components/address.ts";
import { DialogButton } from "../components/action-dialog.tsx";
import { shellWord } from "../components/copy.tsx";
import { Empty } from "../components/empty.tsx";
import { ErrorNote, Shown } from "../components/error-note.tsx";
import { Ghost, GhostPage } from "../components/ghost.tsx";
import { JsonField, useJsonInput } from "../components/json-field.tsx";
import { JobTable } from "../components/job-table.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Facts, Panel } from "../components/panel.tsx";
import { StateMark } from "../components/state-mark.tsx";
import { Ago, At } from "../components/times.tsx";
import { durationText, numberText } from "../components/time-text.ts";
import { useJobsOfBatch } from "../data/batches.ts";
import { useAccess, useTenant } from "../data/session.ts";
import { useTimer, useTimerActions } from "../data/timers.ts";
import type { PageProps } from "../components/address.ts";
import type { TimerView } from "../../runtime/client/index.ts";
import { NextTicks } from "./timer/next-ticks.tsx";
import { Strip } from "./timer/strip.tsx";
import { tickOf } from "./timer/ticks.ts";
import { TimerState } from "./timers.tsx";

/** Ticks in the strip. */
const STRIP_MAX = 60;

export function Page({ params: { packageName = "", timerName = "" } }: PageProps) {
  const tenantName = useTenant() ?? "";
  const { data, error, refetch } = useTimer({ tenantName, packageName, timerName });
  const note = { error, what: "The timer cannot be shown.", onRetry: () => void refetch() };
  if (data === undefined) return error === null ? <GhostPage /> : <ErrorNote {...note} />;
  return (
    <Shown {...note} isRead>
      <PageHead
        title={timerName}
        up={{ href: href("/timers", { tenant: tenantName }), title: "Timers" }}
        actions={<Actions timer={data} />}
      >
        <TimerState timer={data} />
      </PageHead>
      <TimerFacts timer={data} />
      {data.warnings?.map((warning) => (
        <p key={warning} className="note" style={{ marginBottom: 12 }}>
          {warning}
        </p>
      ))}
      <Runs timer={data} />
    </Shown>
  );
}

function TimerFacts({ timer }: { readonly timer: TimerView }) {
  const { next, sentUpTo, override, lastResult, lastFinishedAt, lastStartedAt, misfire } = timer;
  return (
    <Facts
      of={[
        ["Schedule", <code key="c">{timer.cron}</code>],
        ["In", timer.timeZone],
        ["Set by", override && `${override.setBy}; declared: ${override.declaredCron} in ${override.declaredTimeZone}`],
        ["Next", next && <Ago key="n" at={next} />],
        ["Latest run", lastResult && <StateMark key="l" state={lastResult} />],
        ["Ended", lastFinishedAt && <Ago key="e" at={lastFinishedAt} />],
        [
          "Took",
          lastStartedAt && lastFinishedAt && durationText(Date.parse(lastFinishedAt) - Date.parse(lastStartedAt)),
        ],
        ["Missed", numberText(timer.missedCount)],
        ["Skipped", numberText(timer.skippedCount)],
        ["Waiting", timer.waitingCount > 0 && numberText(timer.waitingCount)],
        ["After a miss", typeof misfire === "string" ? misfire : `all, up to ${misfire.all}`],
        ["Overlap", timer.overlap],
        ["Late after", durationText(timer.graceSeconds * 1_000)],
        ["Pool", timer.pool],
        ["Package", timer.packageName],
        ["Sent up to", sentUpTo && <At key="s" at={sentUpTo} />],
        ["Paused", timer.pausedAt && <Ago key="p" at={timer.pausedAt} />],
        ["Paused by", timer.pausedBy],
      ]}
    />
  );
}

function Runs({ timer }: { readonly timer: TimerView }) {
  const runs = useJobsOfBatch(timer.batchId, undefined);
  const ticks = runs.items?.slice(0, STRIP_MAX).map((job) => tickOf(job, timer.graceSeconds));
  return (
    <div className="stack">
      <div className="two">
        <Panel title="Last ticks">
          {ticks === undefined ? <Ghost width={20} /> : <Strip ticks={ticks} />}
          {ticks?.length === 0 ? <p className="muted">It has not ticked yet.</p> : null}
        </Panel>
        <Panel title={`Next ticks, in ${timer.timeZone}`}>
          {timer.enabled ? null : <p className="muted small">It is paused: none of them runs until it is resumed.</p>}
          <NextTicks timer={timer} />
        </Panel>
      </div>
      <Shown
        error={runs.error}
        isRead={runs.items !== undefined}
        what="Its runs cannot be shown."
        onRetry={runs.refresh}
      >
        <JobTable
          jobs={runs.items}
          onEnd={runs.onEnd}
          empty={
            <Empty title="No runs yet" cli={commandOf("run", timer)}>
              Its first tick starts one.
            </Empty>
          }
        />
      </Shown>
    </div>
  );
}

const commandOf = (verb: string, { tenantName, packageName, timerName }: TimerView): string =>
  `jobyard timers ${verb} ${shellWord(`${packageName.replace(/\.zip$/, "")}.${timerName}`)} --tenant ${shellWord(tenantName)}`;

function Actions({ timer }: { readonly timer: TimerView }) {
  const [, navigate] = useLocation();
  const { pause, resume, run, forgetRun } = useTimerActions(timer);
  const input = useJsonInput();
  const manage = useAccess("manage", timer.tenantName);
  const submit = useAccess("submit", timer.tenantName);
  return (
    <>
      {timer.enabled ? (
        <DialogButton
          verb="Pause"
          cli={commandOf("pause", timer)}
          refused={manage.reason}
          action={async () => {
            await pause.mutateAsync();
            return "The timer is paused.";
          }}
        >
          Its ticks start no runs until it is resumed, also with new versions of its package. A run that has started
          goes on.
        </DialogButton>
      ) : (
        <DialogButton
          verb="Resume"
          cli={commandOf("resume", timer)}
          refused={manage.reason}
          action={async () => {
            await resume.mutateAsync();
            return "The timer ticks from now on.";
          }}
        >
          It ticks from now on. Ticks that were due while it was paused are not made up for.
        </DialogButton>
      )}
      <DialogButton
        verb="Run now"
        kind="primary"
        cli={`${commandOf("run", timer)}${input.text.trim() === "" ? "" : ` --parameters ${shellWord(input.word)}`}`}
        refused={submit.reason}
        problem={input.problem}
        onOpen={() => {
          forgetRun();
          input.onText("");
        }}
        action={async () => {
          navigate(jobHref(await run.mutateAsync(input.value)));
          return "A run is started.";
        }}
      >
        <p>
          It runs in addition to its schedule, also while it is paused. If a run goes on, this timer&apos;s overlap
          decides: {timer.overlap}.
        </p>
        <JsonField label="Parameters for its code, as JSON; none by default" {...input} rows={4} />
      </DialogButton>
    </>
  );
}
