/**
 * Sends the bell of the next waiting run when a run of a timer has ended, and tells the sweeper which runs need none: the
 * I/O around `nextRunOf` (R18, R19).
 */
import { jobQueueName } from "../../core/deployment/topology.ts";
import { isTimerBatch } from "../../core/job/ids.ts";
import { type JobQueue, outgoingBell } from "../../core/ports/job-queue.ts";
import type { Job } from "../../core/job/job.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import { isRungForLater, type Known, type NextRunDecision, nextRunOf } from "../../core/timer/gate.ts";
import type { TimerRun } from "../../core/timer/timer.ts";

export interface NextTimerRunDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly timers: Pick<TimerStore, "run">;
  readonly queue: Pick<JobQueue, "send">;
  /** The only pool whose queues this process may send to. Default: all. The sweeper sends the bells of other pools. */
  readonly pool?: string | undefined;
}

/** Throws UnavailableError. */
export async function startNextTimerRun(
  batchId: string,
  { jobs, timers, queue, pool }: NextTimerRunDeps,
): Promise<void> {
  let run = await timers.run(batchId);
  while (run !== undefined) {
    const rows = createRowCache(jobs);
    const decision = await decided(run.value, rows);
    switch (decision.action) {
      case "nothing":
        return;
      case "read-again": {
        const { etag } = run;
        run = await timers.run(batchId);
        if (run?.etag === etag) return;
        break;
      }
      case "ring": {
        const row = rows.row(decision.jobId);
        if (row === undefined || (pool !== undefined && row.value.pool !== pool)) return;
        const bell = outgoingBell(row);
        // R19: the broker may remember the one whose message was completed when the run began to wait.
        const fresh = { ...bell, messageId: `${bell.messageId}:${crypto.randomUUID()}` };
        await queue.send(jobQueueName(row.value.pool, row.value.priority), [fresh]);
        return;
      }
    }
  }
}

/**
 * Whether a queued job is a run that waits for another one of its timer. Its message was completed when it began to wait,
 * and a bell would only find that it waits still. Throws UnavailableError.
 */
export async function waitsForAnotherRun(
  { jobId, batchId }: Pick<Job, "jobId" | "batchId">,
  { jobs, timers }: Pick<NextTimerRunDeps, "jobs" | "timers">,
): Promise<boolean> {
  const run = isTimerBatch(batchId) ? (await timers.run(batchId))?.value : undefined;
  if (run === undefined || !run.waitingJobIds.includes(jobId)) return false;
  return isRungForLater(jobId, await decided(run, createRowCache(jobs)));
}

type Decided = Exclude<NextRunDecision, { readonly action: "look" }>;

/** Reads the rows that the decision needs, and no others. */
async function decided(run: TimerRun, rows: RowCache): Promise<Decided> {
  for (;;) {
    const decision = nextRunOf(run, rows.known);
    if (decision.action !== "look") return decision;
    await rows.read(decision.jobIds);
  }
}

/** The rows that a timer's row names, each read once, after the timer's row was read (R16). */
export interface RowCache {
  readonly known: Known;
  /** Throws UnavailableError. */
  read(jobIds: readonly string[]): Promise<void>;
  /** A row that was read. */
  row(jobId: string): Stored<Job> | undefined;
}

/** A new one is needed whenever the timer's row is read again. */
export function createRowCache(jobs: Pick<JobStore, "get">): RowCache {
  const rows = new Map<string, Stored<Job> | undefined>();
  return {
    known: (jobId) => (rows.has(jobId) ? (rows.get(jobId)?.value.state ?? "absent") : undefined),
    async read(jobIds) {
      await Promise.all(jobIds.map(async (jobId) => rows.set(jobId, await jobs.get(jobId))));
    },
    row: (jobId) => rows.get(jobId),
  };
}
