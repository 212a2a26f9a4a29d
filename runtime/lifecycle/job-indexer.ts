/**
 * Notes in the index what happens to jobs, in the background: no job waits for it. What a process writes within a moment
 * goes in common transactions, and a job that is started and ends within it is noted once. Changes that are lost here, with
 * the process or because too many wait, are found by the sweeper (sweeper/repair-index.ts).
 */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { IndexMove, JobIndex } from "../core/ports/job-index.ts";
import type { JobStore, JobUpdate, WriteResult } from "../core/ports/job-store.ts";
import { sleep } from "../core/sleep.ts";

/** A move whose writer does not know the job. */
export type NotedMove = Omit<IndexMove, "facts"> & Partial<Pick<IndexMove, "facts">>;

export interface JobIndexer {
  /** Returns at once. */
  note(move: NotedMove): void;
  /** Writes what waits, without waiting for more. */
  flush(): Promise<void>;
  /** Writes what waits, but not long. */
  close(): Promise<void>;
  readonly waitingCount: number;
}

export interface JobIndexerDeps {
  readonly index: Pick<JobIndex, "write">;
  readonly jobs: Pick<JobStore, "get">;
  /** How long a change waits for others. A worker uses WORKER_LINGER_MS. */
  readonly lingerMs: number;
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
  /** Default WAITING_MAX. */
  readonly waitingMax?: number;
}

/** The API has noted a new job long before a worker notes its end. */
export const WORKER_LINGER_MS = 1_000;
/** A minute of work of a busy process. */
const WAITING_MAX = 50_000;
/** Moves of one write: some full transactions. */
const TAKEN_AT_ONCE = 1_000;
const PAUSE_AFTER_FAILURE_MS = 2_000;
const CLOSE_AFTER_MS = 5_000;

interface Waiting {
  readonly move: NotedMove;
  readonly since: number;
}

export function createJobIndexer(deps: JobIndexerDeps): JobIndexer {
  const { index, jobs, lingerMs, monotonicNow, log, waitingMax = WAITING_MAX } = deps;
  const waiting = new Map<string, Waiting>();
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let lost = 0;

  function schedule(): void {
    if (timer !== undefined || writing !== undefined || waiting.size === 0 || closing.signal.aborted) return;
    timer = setTimeout(() => {
      timer = undefined;
      void run(monotonicNow() - lingerMs);
    }, lingerMs);
  }

  function take(notedBefore: number): readonly Waiting[] {
    const taken: Waiting[] = [];
    for (const [jobId, one] of waiting) {
      if (one.since > notedBefore) continue;
      taken.push(one);
      waiting.delete(jobId);
      if (taken.length === TAKEN_AT_ONCE) break;
    }
    return taken;
  }

  function run(notedBefore: number): Promise<void> {
    writing ??= drain(notedBefore).finally(() => {
      writing = undefined;
      schedule();
    });
    return writing;
  }

  async function drain(notedBefore: number): Promise<void> {
    for (let taken = take(notedBefore); taken.length > 0; taken = take(notedBefore)) {
      try {
        await index.write(await known(taken.map(({ move }) => move)));
      } catch (error) {
        log.warn({ error: messageOf(error), waiting: waiting.size + taken.length }, "the index could not be written");
        for (const { move, since } of taken) {
          const later = waiting.get(move.jobId)?.move;
          waiting.set(move.jobId, { move: later === undefined ? move : combined(move, later), since });
        }
        await sleep(PAUSE_AFTER_FAILURE_MS, closing.signal);
        return;
      }
    }
    if (lost > 0)
      log.warn({ changes: lost }, "changes of jobs were not noted in the index; the sweeper will find them");
    lost = 0;
  }

  async function known(moves: readonly NotedMove[]): Promise<readonly IndexMove[]> {
    const found = await Promise.all(
      moves.map(async (move): Promise<readonly IndexMove[]> => {
        const facts = move.facts ?? (await jobs.get(move.jobId))?.value;
        return facts === undefined ? [] : [{ ...move, facts }];
      }),
    );
    return found.flat();
  }

  async function flush(): Promise<void> {
    // The first may be a write that began before.
    for (let rounds = 0; rounds < 2; rounds++) await run(Infinity);
  }

  return {
    note(move) {
      const earlier = waiting.get(move.jobId)?.move;
      if (earlier === undefined && waiting.size >= waitingMax) {
        lost += 1;
        return;
      }
      // Behind the others: it has changed just now.
      waiting.delete(move.jobId);
      waiting.set(move.jobId, {
        move: earlier === undefined ? move : combined(earlier, move),
        since: monotonicNow(),
      });
      schedule();
    },
    flush,
    async close() {
      closing.abort();
      clearTimeout(timer);
      const ended = new AbortController();
      await Promise.race([flush(), sleep(CLOSE_AFTER_MS, ended.signal)]);
      ended.abort();
    },
    get waitingCount() {
      return waiting.size;
    },
  };
}

/** Two moves as one. */
function combined(earlier: NotedMove, later: NotedMove): NotedMove {
  const facts = later.facts ?? earlier.facts;
  const tagsBefore = earlier.tagsBefore ?? later.tagsBefore;
  return { ...later, from: earlier.from, ...(facts && { facts }), ...(tagsBefore && { tagsBefore }) };
}

/** The store of jobs; what is written through it is noted. */
export function indexedJobs(jobs: JobStore, { note }: Pick<JobIndexer, "note">): JobStore {
  /** A write whose answer was lost may have landed. */
  const isMade = (result: WriteResult, { to }: Pick<JobUpdate, "to">): boolean =>
    result.written || result.current?.value.state === to;

  return {
    ...jobs,
    async insert(job) {
      const result = await jobs.insert(job);
      if (result.written)
        note({ jobId: job.jobId, facts: factsOf(job), from: undefined, to: job.state, runAt: job.runAt });
      return result;
    },
    async update(update) {
      const result = await jobs.update(update);
      const { jobId, from, to, changes, facts } = update;
      const isNoteworthy = from !== to || "tags" in changes || ("runAt" in changes && to === "queued");
      if (isNoteworthy && isMade(result, update)) {
        const moved = { jobId, from, to, runAt: changes.runAt };
        if ("tags" in changes && facts !== undefined) {
          // Its entry is replaced, and a delayed job stays delayed.
          const runAt = "runAt" in changes ? changes.runAt : facts.runAt;
          note({
            ...moved,
            runAt,
            facts: { jobType: facts.jobType, tags: changes.tags },
            tagsBefore: facts.tags ?? [],
          });
        } else note({ ...moved, ...(facts && { facts: factsOf(facts) }) });
      }
      return result;
    },
  };
}

/** Nothing else of a job is kept until it is noted. */
const factsOf = ({ jobType, tags }: NonNullable<NotedMove["facts"]>) => ({ jobType, tags });
