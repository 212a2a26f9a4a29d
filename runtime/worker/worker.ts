/**
 * A worker: as many attempts at a time as it has slots, taken from the queues of its pool. Around them it hands back what
 * an earlier run of it held, writes its heartbeat, which also brings wishes to cancel and to drain, and notices when its
 * receivers are stuck.
 *
 * | state    | meaning                                             | leaves by                             |
 * |----------|-----------------------------------------------------|---------------------------------------|
 * | running  | receives whenever a slot is free and work permitted | `drain()`                             |
 * | draining | receives nothing; attempts go on up to `drainMs`    | last attempt over → stopped           |
 * | stopped  | nothing of this worker runs                         | –                                     |
 */
import { join } from "node:path";
import type { Priority, Share } from "../core/job/priority.ts";
import type { WorkerState } from "../core/job/worker-record.ts";
import type { JobQueue, ReceivedMessage } from "../core/ports/job-queue.ts";
import type { WorkerStore } from "../core/ports/worker-store.ts";
import { ALWAYS_PERMITTED, type AttemptDeps, type WorkPermit, runAttempt } from "./attempt/attempt.ts";
import type { WorkerFault } from "./attempt/machine-fault.ts";
import { createHeldClaims, openClaimJournal } from "./claim-journal.ts";
import { startHeartbeat } from "./heartbeat.ts";
import { type Contact, type Intake, createIntake } from "./intake.ts";
import { startReceiveWatchdog } from "./receive-watchdog.ts";
import { recoverOwnJobs } from "./recovery.ts";
import { NO_PAUSES, type PauseBoard } from "../lifecycle/pause-board.ts";
import type { Metrics } from "../telemetry/metrics.ts";

export interface Worker {
  readonly runningCount: number;
  /** How receiving goes. */
  contact(): Contact;
  /**
   * Stops receiving; resolves when the last attempt is over. Attempts that are not over after `drainMs` are stopped and
   * handed back, which costs the job no attempt. Their logs say `fault`, if the worker ends because of one. A second call
   * can only shorten the time.
   */
  drain(drainMs: number, fault?: WorkerFault): Promise<void>;
}

export interface WorkerDeps extends Omit<AttemptDeps, "held" | "permit" | "pauses"> {
  readonly workers: Pick<WorkerStore, "beat">;
  readonly queue: JobQueue;
  readonly share: Share;
  readonly pool: string;
  /** Default: nothing is paused. */
  readonly pauses?: Pick<PauseBoard, "current" | "onChange"> | undefined;
  /** Attempts at a time. */
  readonly slots: number;
  /** Version of the code, shown with the worker. */
  readonly version: string;
  /** This worker's own folder; the same after a restart. */
  readonly directory: string;
  /** Default: work may always start. */
  readonly permit?: WorkPermit | undefined;
  /** Whether its machine is protected from scale-in, for those who look. Default: it does not say. */
  readonly isProtected?: (() => boolean) | undefined;
  /** Between two beats, which also bring wishes to cancel. Default HEARTBEAT_MS. */
  readonly heartbeatMs?: number | undefined;
  /** Its row says that this worker must drain and end. */
  readonly onDrainWanted: () => void;
  /** It cannot go on and must be started anew. Its jobs are handed back by its next run, or by their locks. */
  readonly onGiveUp: (reason: string) => void;
  readonly metrics: Pick<Metrics, "lockRenewals" | "receiversReplaced" | "workerSlots" | "workerSlotsUsed">;
}

/** Receives as soon as it resolves. */
export async function startWorker(deps: WorkerDeps): Promise<Worker> {
  const { queue, pool, slots, share, log, now, monotonicNow, workerId, bootId, version, metrics, onGiveUp } = deps;
  const stopping = new AbortController();
  let state: WorkerState = "running";
  let finished: Promise<void> | undefined;

  const journal = openClaimJournal(join(deps.directory, "claims"), bootId);
  const held = createHeldClaims(journal, log);
  const recovering = recoverOwnJobs({ ...deps, journal, now }, stopping.signal).catch((error: unknown) => {
    if (!stopping.signal.aborted)
      log.error({ err: error }, "own jobs could not be handed back; their locks will do it");
  });
  const heartbeat = await startHeartbeat({
    workers: deps.workers,
    everyMs: deps.heartbeatMs,
    lockMs: deps.lockMs,
    identity: { pool, workerId, bootId, version, slots, startedAt: now() },
    state: () => state,
    claims: () => held.ids(),
    isProtected: deps.isProtected,
    onCancel: (intent) => held.cancel(intent),
    onDrain: deps.onDrainWanted,
    onReplaced: () => onGiveUp(`Another process runs as worker ${workerId}.`),
    now,
    log,
  });
  const { pauses = NO_PAUSES } = deps;
  const isPaused = (priority: Priority): boolean => pauses.current().ofQueue(pool, priority) !== undefined;
  const intake = createIntake({ queue, pool, share, isPaused, lockMs: deps.lockMs, monotonicNow, log });
  pauses.onChange(() => intake.holdsChanged());
  const attempts = runAttempts({ ...deps, permit: deps.permit ?? ALWAYS_PERMITTED, held, intake, slots });
  const stopWatchdog = startReceiveWatchdog({ queue, intake, pool, monotonicNow, giveUp: onGiveUp, metrics, log });
  const ofPool = { pool };
  const stopCounting = [
    metrics.workerSlots.watch(() => [{ value: slots, attributes: ofPool }]),
    metrics.workerSlotsUsed.watch(() => [{ value: attempts.runningCount, attributes: ofPool }]),
  ];

  return {
    get runningCount() {
      return attempts.runningCount;
    },
    contact: () => intake.contact(),
    async drain(drainMs, fault) {
      state = "draining";
      stopWatchdog();
      await attempts.drain(drainMs, fault);
      await (finished ??= finish());
    },
  };

  async function finish(): Promise<void> {
    stopping.abort(new Error("The worker stops."));
    await recovering;
    state = "stopped";
    for (const stop of stopCounting) stop();
    await heartbeat.stop();
    journal.close();
  }
}

interface AttemptsDeps extends AttemptDeps {
  readonly intake: Intake;
  readonly permit: WorkPermit;
  readonly slots: number;
}

/** Receives and runs until it is drained. Starts at once. */
function runAttempts(deps: AttemptsDeps): Pick<Worker, "runningCount" | "drain"> {
  const { intake, permit, slots, log } = deps;
  const attempts = new Set<Promise<void>>();
  const outOfTime = new AbortController();
  let draining = false;
  let wake: () => void = () => undefined;
  permit.onChange(() => wake());

  async function receive(): Promise<void> {
    while (!draining) {
      if (attempts.size >= slots || !permit.open) {
        intake.idle();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const messages = await intake.next(slots - attempts.size);
      if (messages.length === 0) return;
      messages.forEach(run);
    }
  }

  function run(message: ReceivedMessage): void {
    const attempt = runAttempt(message, deps, outOfTime.signal).finally(() => {
      attempts.delete(attempt);
      wake();
    });
    attempts.add(attempt);
  }

  const receiving = receive().catch((error: unknown) => {
    log.error({ err: error }, "receiving ended");
    throw error;
  });
  // `drain` reports the failure. Until then it must not count as unhandled.
  receiving.catch(() => undefined);

  return {
    get runningCount() {
      return attempts.size;
    },
    async drain(drainMs, fault) {
      draining = true;
      wake();
      const timer = setTimeout(() => outOfTime.abort(fault), drainMs);
      try {
        await intake.close();
        await receiving;
        await Promise.all(attempts);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
