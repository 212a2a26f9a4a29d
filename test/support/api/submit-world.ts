/** Submits against tables and a broker in memory, by APIs that each may die at any step. */
import { createJobWriter } from "../../../runtime/api/submit/write-job.ts";
import { NO_PAUSES } from "../../../runtime/lifecycle/pause-board.ts";
import { createFindBatch } from "../../../runtime/api/submit/find-batch.ts";
import { joinCalls } from "../../../runtime/core/join-calls.ts";
import { LOCAL_CALLER } from "../../../runtime/api/auth/caller.ts";
import { createReservations } from "../../../runtime/api/submit/reservations.ts";
import { createSubmitJob, type SubmitRequest } from "../../../runtime/api/submit/submit-job.ts";
import { type Outcome, createSubmitMany, outcomeOf } from "../../../runtime/api/submit/submit-many.ts";
import { isSystemError, UnavailableError } from "../../../runtime/core/errors.ts";
import { createIdSource } from "../../../runtime/core/job/ids.ts";
import type { KeyRecord } from "../../../runtime/core/job/keys.ts";
import { UNIQUE_PENDING_MS } from "../../../runtime/core/limits.ts";
import type { OutgoingBell } from "../../../runtime/core/ports/job-queue.ts";
import { DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { createUniqueJobs } from "../../../runtime/lifecycle/unique-jobs.ts";
import { createMemoryStore } from "../stores/held-jobs.ts";
import { createMemoryBatches } from "../stores/memory-batches.ts";
import { createMemoryKeys } from "../stores/memory-keys.ts";
import { createMemoryUniqueKeys } from "../stores/memory-unique-keys.ts";
import { atOnce, MemoryTable } from "../stores/memory-table.ts";
import { jobRequestOf } from "./submit-requests.ts";
import { silentEvents } from "../silent.ts";

const NOON = Date.parse("2030-01-01T12:00:00Z");

/** Where an API dies: at its nth step, and whether that step still happened. */
interface Death {
  readonly step: number;
  readonly happens: boolean;
}

/** Waits for its turn before each step; what it throws is what the step meets. */
export type Gate = () => Promise<void>;

/** Tables and broker, shared by APIs that each may die at any step. */
export function createWorld() {
  const store = createMemoryStore();
  const keys = createMemoryKeys(new MemoryTable(atOnce));
  const uniqueKeys = createMemoryUniqueKeys(new MemoryTable(atOnce));
  const batches = createMemoryBatches(new MemoryTable(atOnce));
  const ids = createIdSource({ now: () => new Date(NOON), random32: () => 1 });
  const bells: string[] = [];
  const parameters = new Map<string, string>();
  const jobIds: string[] = [];
  /** What keys were found to stand for. */
  const reserved: KeyRecord[] = [];
  const counted = { batchReads: 0 };
  let now = NOON;

  function api({ gate = () => Promise.resolve(), death }: { gate?: Gate; death?: Death | undefined } = {}) {
    let steps = 0;
    async function step<T>(action: () => Promise<T>): Promise<T> {
      await gate();
      steps++;
      const dies = death !== undefined && steps >= death.step;
      if (dies && !(steps === death.step && death.happens)) throw new UnavailableError("StorageUnavailable", "dead");
      const result = await action();
      if (dies) throw new UnavailableError("StorageUnavailable", "dead");
      return result;
    }
    const mine = {
      batches: {
        get: joinCalls((batchId: string) => {
          counted.batchReads++;
          return step(() => batches.get(batchId));
        }),
        create: (batch: Parameters<typeof batches.create>[0]) => step(() => batches.create(batch)),
      },
      keys: {
        find: (...given: Parameters<typeof keys.find>) => step(() => keys.find(...given)),
        reserve: (...given: Parameters<typeof keys.reserve>) =>
          step(async () => {
            const records = await keys.reserve(...given);
            reserved.push(...records);
            return records;
          }),
      },
      jobs: {
        get: (jobId: string) => step(() => store.get(jobId)),
        update: (update: Parameters<typeof store.update>[0]) => step(() => store.update(update)),
        insert: (job: Parameters<typeof store.insert>[0]) =>
          step(async () => {
            const result = await store.insert(job);
            if (result.written) jobIds.push(job.jobId);
            return result;
          }),
      },
      files: {
        putParameters: (jobId: string, json: string) => step(() => Promise.resolve(void parameters.set(jobId, json))),
      },
      outbox: {
        waitingCount: 0,
        assertReady: () => undefined,
        send: (_queue: string, rung: readonly OutgoingBell[]) =>
          step(() => Promise.resolve(void bells.push(...rung.map(({ messageId }) => messageId)))),
        close: () => Promise.resolve(),
      },
      completion: {
        afterJobEnded: () => Promise.resolve(),
        reopenBatch: () => Promise.resolve(),
      },
      uniqueKeys: {
        get: (...given: Parameters<typeof uniqueKeys.get>) => step(() => uniqueKeys.get(...given)),
        put: (...given: Parameters<typeof uniqueKeys.put>) => step(() => uniqueKeys.put(...given)),
      },
      // Who waits once finds a submit that is under way so late that it seems dead.
      sleep: () => step(() => Promise.resolve(void (now += UNIQUE_PENDING_MS))),
      workers: { requestCancel: () => Promise.resolve() },
      lookup: { batch: () => Promise.reject(new Error("No batch is named.")) },
      pools: [DEFAULT_POOL],
      pauseBoard: NO_PAUSES,
      knownJobs: { judge: () => () => Promise.resolve(undefined), limitsOf: () => Promise.resolve(undefined) },
      events: silentEvents,
      now: () => new Date(now),
      ids,
    };
    const reservations = createReservations(mine);
    const findBatch = createFindBatch({ ...mine, reservations });
    const unique = createUniqueJobs(mine);
    const deps = { ...mine, findBatch, reservations, writer: createJobWriter({ ...mine, unique }) };
    return { unique, findBatch, submitJob: createSubmitJob(deps), submitMany: createSubmitMany(deps) };
  }

  const row = (jobId: string) => store.row(jobId);
  const later = (ms: number): void => void (now += ms);
  return { api, bells, counted, jobIds, parameters, reserved, row, store, later };
}

export type World = ReturnType<typeof createWorld>;
export type Submitted = Outcome<{ readonly jobId: string; readonly replayed: boolean }>;

export const requestOf = (fields: Partial<SubmitRequest["job"]> = {}, idempotencyKey?: string): SubmitRequest => ({
  job: { ...jobRequestOf("acme"), ...fields },
  batchId: undefined,
  idempotencyKey,
});

export type Submit = (api: ReturnType<World["api"]>, request: SubmitRequest) => Promise<Submitted>;

export const submit: Submit = (api, request) => outcomeOf(() => api.submitJob(LOCAL_CALLER, request));

export const submitAsOneOfMany: Submit = async (api, request) => {
  const [outcome] = await api.submitMany(LOCAL_CALLER, [request]);
  return outcome!;
};

export const isDead = (outcome: Submitted): boolean =>
  !outcome.ok && isSystemError(outcome.error) && outcome.error.code === "StorageUnavailable";

/** All steps a lone submit takes, counted by running it. */
async function stepsOf(request: SubmitRequest, submit: Submit): Promise<number> {
  let steps = 0;
  const gate = () => {
    steps++;
    return Promise.resolve();
  };
  await submit(createWorld().api({ gate }), request);
  return steps;
}

/** No death, and one at each step, before and after it happened. */
export async function deathsIn(request: SubmitRequest, submit: Submit): Promise<readonly (Death | undefined)[]> {
  const steps = Array.from({ length: await stepsOf(request, submit) }, (_, i) => i + 1);
  return [undefined, ...steps.flatMap((step) => [true, false].map((happens) => ({ step, happens })))];
}
