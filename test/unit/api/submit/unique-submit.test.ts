/** Unique keys against every order of two submits, each of which may die at any step. */
import { describe, expect, it } from "vitest";
import { LOCAL_CALLER } from "../../../../runtime/api/auth/caller.ts";
import type { OnConflict } from "../../../../runtime/core/job/unique.ts";
import { UNIQUE_PENDING_MS } from "../../../../runtime/core/limits.ts";
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
import { breadth } from "../../../support/breadth.ts";
import { inEveryOrder } from "../../../support/faults/interleave.ts";

const requestWith = (onConflict: OnConflict, key = "customer-7") => requestOf({ unique: { key, onConflict } });

const waiting = (world: World) => world.jobIds.map((id) => world.row(id)).filter(({ state }) => state === "queued");
const hasBell = (world: World, jobId: string): boolean => world.bells.includes(`${jobId}:1`);

/** The sweeper sends the bells that are missing; it alone does so after a crash. */
async function sweep(world: World): Promise<void> {
  world.later(UNIQUE_PENDING_MS);
  for (const { jobId } of waiting(world)) {
    if (hasBell(world, jobId)) continue;
    const stored = await world.store.get(jobId);
    if (await world.api().unique.place(stored!)) world.bells.push(`${jobId}:1`);
  }
}

/** What could start: it waits, and its bell was sent. */
const startable = (world: World) => waiting(world).filter(({ jobId }) => hasBell(world, jobId));

async function start(world: World, jobId: string) {
  const { etag } = (await world.store.get(jobId))!;
  await world.store.update({ jobId, etag, from: "queued", to: "running", changes: {} });
}

async function end(world: World, jobId: string) {
  const { etag } = (await world.store.get(jobId))!;
  await world.store.update({ jobId, etag, from: "running", to: "succeeded", changes: {} });
}

const MODES = ["refuse", "first", "replace"] as const;

describe.each(MODES)("submits with the same key and %s", (onConflict) => {
  it("leave one job in every order of their steps, whatever dies", async () => {
    let orders = 0;
    const request = requestWith(onConflict);
    for (const death of await deathsIn(request, submit)) {
      const worlds: World[] = [];
      orders += await inEveryOrder(
        () => {
          const world = createWorld();
          worlds.push(world);
          const outcomes: Submitted[] = [];
          const act = (mortal: boolean) => async (gate: Gate) => {
            outcomes.push(await submit(world.api({ gate, ...(mortal && { death }) }), request));
          };
          return {
            actors: [act(true), act(false)],
            end: () => {
              expect(startable(world).length).toBeLessThanOrEqual(1);
              for (const outcome of outcomes) {
                const isRefused = !outcome.ok && !isDead(outcome);
                if (isRefused) expect(outcome).toMatchObject({ error: { code: "JobNotUnique" } });
                if (isRefused) expect(onConflict).toBe("refuse");
              }
              // Who was told that its job waits is told the truth, unless a later one has replaced it.
              const accepted = outcomes.flatMap((one) => (one.ok ? [one.value.jobId] : []));
              if (onConflict !== "replace" && accepted.length > 0) {
                expect(accepted.some((jobId) => world.row(jobId).state === "queued")).toBe(true);
              }
            },
          };
        },
        { breaks: breadth(1, 2) },
      );
      for (const world of worlds) {
        await sweep(world);
        expect(waiting(world).length).toBeLessThanOrEqual(1);
        expect(startable(world)).toEqual(waiting(world));
        // Nothing leaks: a later submit gets the key, or meets the job that has it.
        const [live] = waiting(world);
        const later = await submit(world.api(), requestWith("first"));
        expect(later).toMatchObject({ ok: true, value: { replayed: live !== undefined } });
        expect(waiting(world)).toHaveLength(1);
      }
    }
    expect(orders).toBeGreaterThan(breadth(50, 200));
  });

  it("that died at any step is free for another submit, soon and for good", async () => {
    for (const death of await deathsIn(requestWith(onConflict), submit)) {
      const world = createWorld();
      await submit(world.api({ death }), requestWith(onConflict));
      await sweep(world);
      const next = await submit(world.api(), requestWith("replace"));
      expect(next).toMatchObject({ ok: true, value: { replayed: false } });
      expect(startable(world).map(({ jobId }) => jobId)).toEqual([next.ok && next.value.jobId]);
    }
  });
});

describe("while a job with the key has not ended, another", () => {
  it("is refused, and the error names the job", async () => {
    const world = createWorld();
    await submit(world.api(), requestWith("refuse"));
    for (const state of ["queued", "running"]) {
      const refused = await submit(world.api(), requestWith("refuse"));
      expect(refused).toMatchObject({ error: { code: "JobNotUnique" } });
      expect(String((refused as { readonly error: Error }).error)).toContain(world.jobIds[0]);
      if (state === "queued") await start(world, world.jobIds[0]!);
    }
    await end(world, world.jobIds[0]!);
    expect(await submit(world.api(), requestWith("refuse"))).toMatchObject({ ok: true, value: { replayed: false } });
  });

  it("is answered with it", async () => {
    const world = createWorld();
    await submit(world.api(), requestWith("refuse"));
    await start(world, world.jobIds[0]!);
    const again = await submit(world.api(), requestWith("first"));
    expect(again).toMatchObject({ value: { jobId: world.jobIds[0], replayed: true } });
    expect(world.jobIds).toHaveLength(1);
  });

  it("replaces it while it waits, and leaves it alone once it runs", async () => {
    const world = createWorld();
    await submit(world.api(), requestWith("replace"));
    await submit(world.api(), requestWith("replace"));
    const [first, second] = world.jobIds as [string, string];
    expect([world.row(first).state, world.row(second).state]).toEqual(["canceled", "queued"]);
    await start(world, second);
    await submit(world.api(), requestWith("replace"));
    await submit(world.api(), requestWith("replace"));
    expect(world.jobIds.map((id) => world.row(id).state)).toEqual(["canceled", "running", "canceled", "queued"]);
    expect(world.row(second).cancelWanted).toBe(false);
  });

  it("of another key, type or package is accepted", async () => {
    const world = createWorld();
    const { job } = requestWith("refuse");
    const others = [{}, { unique: { key: "customer-8", onConflict: "refuse" as const } }, { jobType: "Other" }];
    for (const fields of [...others, { jobProcessorPackageName: "other.zip" }]) {
      expect(await submit(world.api(), requestOf({ ...job, ...fields }))).toMatchObject({ ok: true });
    }
  });

  it("of the same request of many is treated in their order", async () => {
    const world = createWorld();
    const jobs = ["a", "b", "c"].map((jobName) => requestOf({ jobName, unique: { key: "k", onConflict: "replace" } }));
    await world.api().submitMany(LOCAL_CALLER, jobs);
    expect(waiting(world).map(({ jobName }) => jobName)).toEqual(["c"]);
    const one = await submitAsOneOfMany(world.api(), requestOf({ unique: { key: "k", onConflict: "refuse" } }));
    expect(one).toMatchObject({ error: { code: "JobNotUnique" } });
  });
});

it("a repeat with an idempotency key answers the first job, also when it has ended or was replaced", async () => {
  const world = createWorld();
  const keyed = { ...requestWith("refuse"), idempotencyKey: "once" };
  await submit(world.api(), keyed);
  expect(await submit(world.api(), keyed)).toMatchObject({ value: { jobId: world.jobIds[0], replayed: true } });
  await submit(world.api(), requestWith("replace"));
  expect(await submit(world.api(), keyed)).toMatchObject({ value: { jobId: world.jobIds[0], replayed: true } });
  expect(world.row(world.jobIds[0]!).state).toBe("canceled");
});
