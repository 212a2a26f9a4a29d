/**
 * At most one job of a type with the same unique key is queued or running. The row of the key names the job that holds it.
 * Whether that job has ended is judged by the job's own row, so a key cannot stay taken after a crash.
 *
 * | key row names                     | a submit of job J                                                         |
 * |-----------------------------------|---------------------------------------------------------------------------|
 * | nothing                           | R40: inserts a hold for J, not placed                                     |
 * | J                                 | goes on: it is an earlier try of the same submit                          |
 * | K, queued or running              | R41: is refused, answers K, or cancels K while that is queued             |
 * | K, ended                          | R42: takes the key on the version of the row that it has read             |
 * | K without a row, held just now    | K is being submitted: is refused, or waits                                |
 * | K without a row, held for longer  | R42: its submitter died. Takes the key                                    |
 *
 * R43: after the row of J is inserted and before its bell is sent, the hold is placed, on its version. If another job has
 * taken the key meanwhile, that write is refused, and J is canceled: no bell was sent, so it has not started. Whoever else
 * sends the first bell of such a job, the sweeper or the refill, places the hold in the same way. So clocks decide only how soon a key
 * that a crash left is free, and never whether two jobs run.
 */
import { ConflictError, UnavailableError } from "../core/errors.ts";
import type { Job } from "../core/job/job.ts";
import { isTerminal } from "../core/job/states.ts";
import type { OnConflict } from "../core/job/unique.ts";
import { UNIQUE_PENDING_MS } from "../core/limits.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { UniqueKey, UniqueKeyStore } from "../core/ports/unique-key-store.ts";
import type { BatchCompletion } from "./batch-completion.ts";
import { cancelQueued } from "./cancel-job.ts";
import type { JobEvents } from "./job-events.ts";
import type { Clock } from "../core/clock.ts";

export interface UniqueJobsDeps {
  readonly uniqueKeys: Pick<UniqueKeyStore, "get" | "put">;
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly completion: Pick<BatchCompletion, "afterJobEnded">;
  readonly events: JobEvents;
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly now: Clock["now"];
}

export interface UniqueJobs {
  /**
   * Takes the key for a job before its row is inserted. Resolves to the job that has it, with `first`; undefined: the key is
   * taken for this job. Without a job it takes nothing: it answers or refuses as another submit would be. Throws ConflictError
   * "JobNotUnique", UnavailableError.
   */
  hold(key: UniqueKey, jobId: string | undefined, onConflict: OnConflict): Promise<Stored<Job> | undefined>;
  /** Before the first bell of a job. False: another job has the key, and this one was canceled. */
  place(stored: Stored<Job>): Promise<boolean>;
}

/** A submit takes some tens of milliseconds between its hold and its row. */
const PAUSE_MS = 50;
const TRIES = 60;

export function createUniqueJobs(deps: UniqueJobsDeps): UniqueJobs {
  const { uniqueKeys, jobs, completion, sleep, now } = deps;

  async function confirm(key: UniqueKey, jobId: string): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const current = await uniqueKeys.get(key);
      if (current?.value.jobId !== jobId) return false;
      if (current.value.placed) return true;
      if (await uniqueKeys.put(key, { ...current.value, placed: true }, current.etag)) return true;
    }
    throw busy();
  }

  async function cancelWaiting(stored: Stored<Job>): Promise<void> {
    if (await cancelQueued(stored, deps)) await completion.afterJobEnded(stored.value.batchId);
  }

  return {
    async hold(key, jobId, onConflict) {
      for (let tries = 0; tries < TRIES; tries++) {
        const current = await uniqueKeys.get(key);
        if (current !== undefined && current.value.jobId === jobId) return undefined;
        if (current !== undefined) {
          const { jobId: holderId, heldAt } = current.value;
          const holder = await jobs.get(holderId);
          const isPending = holder === undefined && now().getTime() - heldAt.getTime() < UNIQUE_PENDING_MS;
          const isLive = holder !== undefined && !isTerminal(holder.value.state);
          if ((isPending || isLive) && onConflict === "refuse") throw notUnique(key, holderId);
          if (isPending) {
            await sleep(PAUSE_MS);
            continue;
          }
          // Its submitter may have died before it placed the hold. What is answered must be what runs.
          if (isLive && onConflict === "first") {
            if (await confirm(key, holderId)) return holder;
            continue;
          }
          // One that has started goes on.
          if (isLive) await cancelWaiting(holder);
        }
        if (jobId === undefined) break;
        if (await uniqueKeys.put(key, { jobId, placed: false, heldAt: now() }, current?.etag)) return undefined;
      }
      throw busy();
    },

    async place(stored) {
      const key = uniqueKeyOf(stored.value);
      // Its first bell was sent when its ring was 1: it was placed then.
      if (key === undefined || stored.value.ring > 1 || (await confirm(key, stored.value.jobId))) return true;
      await cancelWaiting(stored);
      return false;
    },
  };
}

/** Undefined: the job has none. */
const uniqueKeyOf = ({ uniqueKey, ...job }: Job): UniqueKey | undefined =>
  uniqueKey === undefined ? undefined : { ...job, uniqueKey };

const notUnique = ({ jobType, uniqueKey }: UniqueKey, jobId: string): ConflictError =>
  new ConflictError(
    "JobNotUnique",
    `Job ${jobId} of type ${jobType} has the unique key ${uniqueKey} and has not ended.`,
  );

const busy = (): UnavailableError =>
  new UnavailableError("StorageUnavailable", "Other jobs with the same unique key are being submitted. Retry later.", {
    retryAfterS: 1,
  });
