/**
 * From a tick to the row of the run it stands for; or to a settled message, because the tick has no timer, is recorded
 * already, or came too late. Every receiver of the same tick comes to the same row.
 */
import { type MissedTicks, type TickRules, judgeTick, recordTicks } from "../../core/timer/judgement.ts";
import { believedRun } from "../../core/timer/believed.ts";
import { InvariantError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { subjectOfTick } from "../../core/job/message.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import { parseSchedule } from "../../core/schedule/schedule.ts";
import type { Tick } from "../../core/timer/tick.ts";
import { batchIdOf, newTimerRun, scheduleHashOf, type Timer, type TimerRun } from "../../core/timer/timer.ts";
import { sameRun } from "../../core/timer/gate.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { newTimerJob, TIMER_SUBMITTER, wakeTimerBatch } from "./timer-jobs.ts";
import type { Clock } from "../../core/clock.ts";

export interface AdmitDeps {
  readonly jobs: Pick<JobStore, "get" | "insert">;
  readonly batches: Pick<BatchStore, "create" | "get" | "update">;
  readonly timers: Pick<TimerStore, "get" | "run" | "writeRun">;
  readonly events: JobEvents;
  /** This worker's: a run belongs to the pool its tick was sent to. */
  readonly pool: string;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/** Whether the run's row is there; else the message is settled. May be repeated. Throws UnavailableError. */
export async function admitTick(
  tick: Tick,
  delivery: Pick<ReceivedMessage, "complete">,
  deps: AdmitDeps,
): Promise<boolean> {
  const { jobs, timers, log } = deps;
  const { jobId } = subjectOfTick(tick);
  if ((await jobs.get(jobId)) !== undefined) return true;
  const timer = (await timers.get(tick))?.value;
  const reason = timer === undefined ? "it is not registered" : whyNotRun(tick, timer);
  if (timer === undefined || reason !== undefined) {
    log.info({ reason }, "the tick is not run");
    await delivery.complete();
    return false;
  }
  const rules: TickRules = { ...timer, schedule: parseSchedule(timer) };
  const at = new Date(tick.scheduledAt);
  for (;;) {
    const stored = await timers.run(batchIdOf(timer));
    const now = deps.now();
    const run = believedRun(stored?.value ?? newTimerRun(batchIdOf(timer)), at, now);
    const judgement = judgeTick(run, rules, at, now);
    switch (judgement.verdict) {
      case "recorded":
        log.info({}, "the tick is recorded already");
        await delivery.complete();
        return false;
      case "missed":
        if (!(await recordMissed({ timer, run, stored, missed: judgement.missed, rules }, deps))) continue;
        log.warn({ missed: judgement.missed.count }, "ticks came too late");
        await delivery.complete();
        return false;
      case "run":
        await insertRun(timer, jobId, at, judgement.missed, deps);
        return true;
    }
  }
}

function whyNotRun(tick: Tick, timer: Timer): string | undefined {
  if (tick.scheduleHash !== scheduleHashOf(timer)) return "its schedule has changed";
  return timer.pausedAt === undefined ? undefined : "it is paused";
}

interface MissedFacts {
  readonly timer: Timer;
  readonly run: TimerRun;
  readonly stored: Stored<TimerRun> | undefined;
  readonly missed: MissedTicks;
  readonly rules: TickRules;
}

/** False: another process wrote the row. */
async function recordMissed(facts: MissedFacts, { timers, events }: AdmitDeps): Promise<boolean> {
  const { timer, run, stored, missed, rules } = facts;
  const { missedCount, lastMissedAt, ...coverage } = recordTicks(run, rules, undefined, missed);
  const recorded: TimerRun = {
    ...run,
    ...coverage,
    missedCount: run.missedCount + missedCount,
    lastMissedAt: lastMissedAt ?? run.lastMissedAt,
  };
  const result = await timers.writeRun(recorded, stored?.etag);
  const isRecorded = result.written || sameRun(result.current?.value, recorded);
  if (isRecorded) events.measures.ticks(timer, "missed", missedCount);
  return isRecorded;
}

async function insertRun(
  timer: Timer,
  jobId: string,
  scheduledAt: Date,
  missed: MissedTicks | undefined,
  { jobs, batches, events, pool, now }: AdmitDeps,
): Promise<void> {
  const submittedAt = now();
  await wakeTimerBatch(batches, timer, submittedAt);
  const trigger = {
    trigger: "schedule" as const,
    scheduledAt,
    missedCount: missed?.count ?? 0,
    ...(missed && { firstMissedAt: missed.first, lastMissedAt: missed.last }),
  };
  const job = newTimerJob(timer, { jobId, trigger, pool, submittedAt, submittedBy: TIMER_SUBMITTER });
  const result = await jobs.insert(job);
  if (result.written) {
    events.queued(job);
    events.measures.submitted(job);
  } else if (result.current === undefined) throw new InvariantError(`Row ${jobId} was refused and is not there.`);
}
