import { describe, expect, it } from "vitest";
import { createJobWriter } from "../../../../runtime/api/submit/write-job.ts";
import { createFindBatch } from "../../../../runtime/api/submit/find-batch.ts";
import { joinCalls } from "../../../../runtime/core/join-calls.ts";
import { LOCAL_CALLER } from "../../../../runtime/api/auth/caller.ts";
import { createReservations } from "../../../../runtime/api/submit/reservations.ts";
import { createSubmitJob, type SubmitRequest } from "../../../../runtime/api/submit/submit-job.ts";
import { type Outcome, createSubmitMany, outcomeOf } from "../../../../runtime/api/submit/submit-many.ts";
import { isSystemError, UnavailableError } from "../../../../runtime/core/errors.ts";
import { createIdSource } from "../../../../runtime/core/job/ids.ts";
import type { KeyRecord } from "../../../../runtime/core/job/keys.ts";
import type { OutgoingBell } from "../../../../runtime/core/ports/job-queue.ts";
import { DEFAULT_POOL } from "../../../../runtime/core/deployment/topology.ts";
import { inEveryOrder } from "../../../support/faults/interleave.ts";
import { createMemoryStore } from "../../../support/stores/held-jobs.ts";
import { createMemoryBatches } from "../../../support/stores/memory-batches.ts";
import { createMemoryKeys } from "../../../support/stores/memory-keys.ts";
import { atOnce, MemoryTable } from "../../../support/stores/memory-table.ts";
import { jobRequestOf } from "../../../support/api/submit-requests.ts";
import { silentEvents } from "../../../support/silent.ts";

const DAY_MS = 24 * 60 * 60_000;
const NOON = Date.parse("2030-01-01T12:00:00Z");

/** Where an API dies: at its nth step, and whether that step still happened. */
interface Death {
  readonly step: number;
  readonly happens: boolean;
}

/** Waits for its turn before each step; what it throws is what the step meets. */
type Gate = () => Promise<void>;

/** Tables and broker, shared by APIs that each may die at any step. */
function createWorld() {
  const store = createMemoryStore();
  const keys = createMemoryKeys(new MemoryTable(atOnce));
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
      workers: { requestCancel: () => Promise.resolve() },
      lookup: { batch: () => Promise.reject(new Error("No batch is named.")) },
      pools: [DEFAULT_POOL],
      knownJobs: { judge: () => () => Promise.resolve(undefined), limitsOf: () => Promise.resolve(undefined) },
      events: silentEvents,
      now: () => new Date(now),
      ids,
    };
    const reservations = createReservations(mine);
    const findBatch = createFindBatch({ ...mine, reservations });
    const deps = { ...mine, findBatch, reservations, writer: createJobWriter(mine) };
    return { findBatch, submitJob: createSubmitJob(deps), submitMany: createSubmitMany(deps) };
  }

  const row = (jobId: string) => store.row(jobId);
  return { api, bells, counted, jobIds, parameters, reserved, row, later: (ms: number) => void (now += ms) };
}

type World = ReturnType<typeof createWorld>;
type Submitted = Outcome<{ readonly jobId: string; readonly replayed: boolean }>;

const requestOf = (fields: Partial<SubmitRequest["job"]> = {}, idempotencyKey?: string): SubmitRequest => ({
  job: { ...jobRequestOf("acme"), ...fields },
  batchId: undefined,
  idempotencyKey,
});

type Submit = (api: ReturnType<World["api"]>, request: SubmitRequest) => Promise<Submitted>;

const submit: Submit = (api, request) => outcomeOf(() => api.submitJob(LOCAL_CALLER, request));

const submitAsOneOfMany: Submit = async (api, request) => {
  const [outcome] = await api.submitMany(LOCAL_CALLER, [request]);
  return outcome!;
};

const isDead = (outcome: Submitted): boolean =>
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
async function deathsIn(request: SubmitRequest, submit: Submit): Promise<readonly (Death | undefined)[]> {
  const steps = Array.from({ length: await stepsOf(request, submit) }, (_, i) => i + 1);
  return [undefined, ...steps.flatMap((step) => [true, false].map((happens) => ({ step, happens })))];
}

function checkOneJob({ jobIds, bells, reserved }: World, outcomes: readonly Submitted[]): void {
  expect(jobIds).toHaveLength(1);
  const [jobId] = jobIds;
  for (const outcome of outcomes) {
    if (outcome.ok) expect(outcome.value.jobId).toBe(jobId);
    else expect(isDead(outcome)).toBe(true);
  }
  expect(new Set(bells)).toEqual(new Set([`${jobId!}:1`]));
  for (const { kind, id } of reserved) if (kind === "job-id") expect(id).toBe(jobId);
}

const LARGE = "x".repeat(20_000);

describe.each([
  ["a submit with an idempotency key", requestOf({ parameters: LARGE }, "k"), submit],
  ["a submit with an id of its submitter", requestOf({ clientJobId: "c" }), submit],
  ["a submit with both", requestOf({ clientJobId: "c" }, "k"), submit],
  ["a submit of many with both", requestOf({ clientJobId: "c" }, "k"), submitAsOneOfMany],
])("%s", (_what, request, submit) => {
  it("that dies at any step is completed by a repeat, which a second one finds", async () => {
    const deaths = await deathsIn(request, submit);
    expect(deaths.length).toBeGreaterThan(8);
    for (const death of deaths) {
      const world = createWorld();
      const outcomes = [await submit(world.api({ death }), request)];
      world.later(DAY_MS);
      outcomes.push(await submit(world.api(), request), await submit(world.api(), request));
      checkOneJob(world, outcomes);
      expect(outcomes.map((outcome) => outcome.ok)).toEqual([death === undefined, true, true]);
      expect(outcomes[2]).toMatchObject({ value: { replayed: true } });
      if (request.job.parameters === LARGE) expect(world.parameters.get(world.jobIds[0]!)).toBe(`"${LARGE}"`);
    }
  });

  it("that meets its repeat, while either may die, becomes one job in every order of their steps", async () => {
    let orders = 0;
    for (const death of await deathsIn(request, submit)) {
      orders += await inEveryOrder(
        () => {
          const world = createWorld();
          const outcomes: Submitted[] = [];
          const act = (mortal: boolean) => async (gate: Gate) => {
            outcomes.push(await submit(world.api({ gate, ...(mortal && { death }) }), request));
          };
          return {
            actors: [act(true), act(false)],
            end: () => {
              checkOneJob(world, outcomes);
            },
          };
        },
        { breaks: 2 },
      );
    }
    expect(orders).toBeGreaterThan(200);
  });

  it("that meets another body becomes one job, and the other is refused", async () => {
    await inEveryOrder(
      () => {
        const world = createWorld();
        const bodies = [request, { ...request, job: { ...request.job, jobName: "other" } }];
        const outcomes: Submitted[] = [];
        return {
          actors: bodies.map((body, index) => async (gate: Gate) => {
            outcomes[index] = await submit(world.api({ gate }), body);
          }),
          end: () => {
            expect(world.jobIds).toHaveLength(1);
            const won = outcomes.findIndex(({ ok }) => ok);
            expect(outcomes[won]).toMatchObject({ value: { jobId: world.jobIds[0], replayed: false } });
            expect(world.row(world.jobIds[0]!).jobName).toBe(bodies[won]!.job.jobName);
            const code = request.idempotencyKey === undefined ? "JobIdTaken" : "IdempotencyKeyReused";
            expect(outcomes[1 - won]).toMatchObject({ ok: false, error: { code } });
          },
        };
      },
      { breaks: 3 },
    );
  });
});

describe("an idempotency key", () => {
  it("is free again after seven days", async () => {
    const world = createWorld();
    const request = requestOf({}, "k");
    await submit(world.api(), request);
    world.later(7 * DAY_MS);
    expect(await submit(world.api(), request)).toMatchObject({ value: { replayed: true } });
    world.later(1);
    expect(await submit(world.api(), request)).toMatchObject({ value: { replayed: false } });
    expect(world.jobIds).toHaveLength(2);
  });

  it("leaves the id of a job alone for ever, and a refused request takes none", async () => {
    const world = createWorld();
    await submit(world.api(), requestOf({ clientJobId: "a" }, "k"));
    const refused = await submit(world.api(), requestOf({ clientJobId: "b" }, "k"));
    expect(refused).toMatchObject({ error: { code: "IdempotencyKeyReused" } });
    expect(await submit(world.api(), requestOf({ clientJobId: "b", jobName: "free" }))).toMatchObject({ ok: true });
    world.later(400 * DAY_MS);
    const again = await submit(world.api(), requestOf({ clientJobId: "a" }, "another"));
    expect(again).toMatchObject({ value: { jobId: world.jobIds[0], replayed: true } });
  });

  it("creates one batch, whatever dies", async () => {
    for (let step = 1; step <= 2; step++) {
      for (const happens of [true, false]) {
        const world = createWorld();
        const body = { tenantName: "acme", batchName: "B" };
        await expect(
          world.api({ death: { step, happens } }).findBatch.create(LOCAL_CALLER, body, "k"),
        ).rejects.toThrow();
        const first = await world.api().findBatch.create(LOCAL_CALLER, body, "k");
        const again = await world.api().findBatch.create(LOCAL_CALLER, body, "k");
        expect(again).toMatchObject({ batch: { batchId: first.batch.batchId }, replayed: true });
      }
    }
  });
});

describe("reads of the batch", () => {
  it("a lone submit reads its batch twice: whether it is open, and what became of it meanwhile", async () => {
    const world = createWorld();
    const api = world.api();
    await submit(api, requestOf());
    // The first one also looked for the batch of the day and created it.
    world.counted.batchReads = 0;
    await submit(api, requestOf());
    expect(world.counted.batchReads).toBe(2);
  });

  it("a hundred submits at one time share theirs", async () => {
    const world = createWorld();
    const api = world.api();
    await submit(api, requestOf());
    world.counted.batchReads = 0;
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => submit(api, requestOf())));
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(new Set(world.jobIds).size).toBe(101);
    expect(world.counted.batchReads).toBeLessThanOrEqual(6);
  });
});
