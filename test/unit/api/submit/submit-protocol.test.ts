import { describe, expect, it } from "vitest";
import { LOCAL_CALLER } from "../../../../runtime/api/auth/caller.ts";
import {
  type Gate,
  type Submitted,
  type World,
  createWorld,
  deathsIn,
  isDead,
  requestOf,
  submit,
  submitAsOneOfMany,
} from "../../../support/api/submit-world.ts";
import { inEveryOrder } from "../../../support/faults/interleave.ts";

const DAY_MS = 24 * 60 * 60_000;

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
