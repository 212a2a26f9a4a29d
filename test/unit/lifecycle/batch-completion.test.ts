import { describe, expect, it } from "vitest";
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { CounterSnapshot, JobStore } from "../../../runtime/core/ports/job-store.ts";
import { addCounts, countChange, isTerminal, NO_COUNTS, type JobState } from "../../../runtime/core/job/states.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { batchOf } from "../../support/builders.ts";
import { inEveryOrder, type Scene } from "../../support/faults/interleave.ts";
import { silentEvents } from "../../support/silent.ts";

type Gate = () => Promise<void>;

/**
 * A batch and its jobs, each with a counter row of its own, where every access is a step of its own. It watches the
 * one thing that must hold: a batch is completed only on a version during which all jobs had ended at some moment.
 */
function createWorld(states: readonly JobState[], fields: Partial<Batch> = {}, { sumOnce = false } = {}) {
  const jobs = [...states];
  const counters = states.map((state) => ({ counts: countChange(undefined, state), version: 0 }));
  let batch: Batch = batchOf({ state: "closed", ...fields });
  let version = 0;
  const allEnded = (): boolean => jobs.every(isTerminal);
  let wasAllEnded = allEnded();
  const breaches: string[] = [];
  const completions: number[] = [];
  let reads = 0;

  function move(index: number, to: JobState): void {
    const counter = counters[index]!;
    counter.counts = addCounts(counter.counts, countChange(jobs[index], to));
    counter.version++;
    jobs[index] = to;
    wasAllEnded ||= allEnded();
  }

  function connect(gate: Gate) {
    const batches: Pick<BatchStore, "get" | "update"> = {
      async get() {
        await gate();
        reads++;
        return { value: batch, etag: String(version) };
      },
      async update(_batchId, etag, changes) {
        await gate();
        if (etag !== String(version)) return { written: false, current: { value: batch, etag: String(version) } };
        if (changes.completedGeneration !== undefined) {
          completions.push(changes.completedGeneration);
          if (!wasAllEnded) breaches.push(`completed generation ${changes.completedGeneration}, never all ended`);
        }
        batch = { ...batch, ...changes };
        version++;
        wasAllEnded = allEnded();
        return { written: true, etag: String(version) };
      },
    };
    let summed: CounterSnapshot | undefined;
    const snapshot: JobStore["snapshot"] = async () => {
      if (summed !== undefined && sumOnce) return summed;
      let counts = NO_COUNTS;
      const versions: number[] = [];
      for (const counter of counters) {
        await gate();
        counts = addCounts(counts, counter.counts);
        versions.push(counter.version);
      }
      summed = { counts, failures: 0, version: versions.join(), changedAt: undefined };
      return summed;
    };
    const completion = createBatchCompletion({
      batches,
      jobs: { snapshot },
      events: silentEvents,
      now: () => new Date(0),
    });
    const ask = (): Promise<void> => completion.afterJobEnded(batch.batchId);
    return {
      ask,
      /** A job that runs in this process. */
      start(index: number) {
        const running = completion.jobStarted(batch.batchId);
        return {
          end: (to: JobState = "succeeded"): Promise<void> => {
            if (jobs[index] !== to) move(index, to);
            return running.ended();
          },
          leave: () => running[Symbol.asyncDispose](),
        };
      },
      end: async (index: number, to: JobState = "succeeded"): Promise<void> => {
        await gate();
        move(index, to);
        await ask();
      },
      requeue: async (index: number): Promise<void> => {
        await gate();
        move(index, "queued");
        await completion.reopenBatch(batch.batchId);
      },
    };
  }

  return {
    connect,
    breaches,
    completions,
    get batch() {
      return batch;
    },
    /** How often the batch's row was read. */
    get reads() {
      return reads;
    },
    get isComplete() {
      return batch.completedGeneration === batch.generation;
    },
    allEnded,
  };
}

describe("a batch", () => {
  const at = (states: readonly JobState[], fields?: Partial<Batch>) => {
    const world = createWorld(states, fields);
    return { world, ...world.connect(() => Promise.resolve()) };
  };

  it("a closed batch completes when its last job ends", async () => {
    const { world, end } = at(["succeeded", "running", "failed"]);
    await end(1);
    expect(world.batch).toMatchObject({ generation: 1, completedGeneration: 1, completedAt: new Date(0) });
  });

  it("a batch that is closed without jobs completes at once", async () => {
    const { world, ask } = at([]);
    await ask();
    expect(world.isComplete).toBe(true);
  });

  it.each([
    ["is open", ["succeeded"], { state: "open" }],
    ["has a queued job", ["succeeded", "queued"], {}],
    ["has a running job", ["running"], { state: "canceled" }],
  ] as const)("is not complete while it %s", async (_what, states, fields) => {
    const { world, ask } = at(states, fields);
    await ask();
    expect(world.completions).toEqual([]);
  });

  it("a batch completes once, however many checks run", async () => {
    const { world, ask } = at(["failed"]);
    for (let i = 0; i < 3; i++) await ask();
    expect(world.completions).toEqual([1]);
  });

  it("a requeue begins one new generation of a complete batch", async () => {
    const { world, ask, end, requeue } = at(["failed", "canceled"]);
    await ask();
    await requeue(0);
    await requeue(1);
    expect(world.batch).toMatchObject({ generation: 2, completedGeneration: 1, completedAt: undefined });
    await end(0);
    await end(1);
    expect(world.completions).toEqual([1, 2]);
  });

  it("a requeue wakes a batch at rest", async () => {
    const { world, requeue } = at(["failed"], { completedGeneration: 1, atRest: true });
    await requeue(0);
    expect(world.batch.atRest).toBe(false);
  });
});

describe("jobs of one batch that run in one process", () => {
  const threeRunning = () => {
    const world = createWorld(["running", "running", "running"]);
    let failures = 0;
    const process = world.connect(() => (failures-- > 0 ? Promise.reject(new Error("away")) : Promise.resolve()));
    const [one, two, three] = [process.start(0), process.start(1), process.start(2)] as const;
    return { world, process, one, two, three, fail: (times: number) => void (failures = times) };
  };

  it("ask once, when the last of them has ended", async () => {
    const { world, one, two, three } = threeRunning();
    await one.end();
    await two.end("failed");
    expect(world.reads).toBe(0);
    await three.end();
    expect(world.reads).toBe(1);
    expect(world.completions).toEqual([1]);
  });

  it("ask once when they end at the same moment", async () => {
    const { world, one, two, three } = threeRunning();
    await Promise.all([one.end(), two.end(), three.end()]);
    expect(world.completions).toEqual([1]);
  });

  it("ask when the last of them is gone without an end of its own", async () => {
    const { world, one, two, three, process } = threeRunning();
    await one.end();
    await two.end();
    await three.leave();
    expect(world.reads).toBe(1);
    // Its next holder ends it.
    await process.start(2).end();
    expect(world.completions).toEqual([1]);
  });

  it("ask nothing when none of them has ended", async () => {
    const { world, one, two, three } = threeRunning();
    for (const job of [one, two, three]) await job.leave();
    expect(world.reads).toBe(0);
  });

  it("ask again when the first try failed", async () => {
    const { world, one, two, three, fail } = threeRunning();
    await one.end();
    await two.end();
    fail(1);
    await expect(three.end()).rejects.toThrow("away");
    await three.end();
    await three.leave();
    expect(world.completions).toEqual([1]);
    expect(world.reads).toBe(1);
  });
});

describe("in every order", () => {
  /** The race of R12: the sums are taken around a requeue of one job and the end of the other. */
  const race =
    (onEnd: (world: ReturnType<typeof createWorld>) => void, options?: { sumOnce: boolean }) => (): Scene => {
      const world = createWorld(["failed", "running"], {}, options);
      return {
        actors: [
          (gate) => world.connect(gate).ask(),
          (gate) => world.connect(gate).end(1),
          (gate) => world.connect(gate).requeue(0),
        ],
        end: () => onEnd(world),
      };
    };

  it("a requeue and an end beside the sums never complete a batch whose jobs had not all ended", async () => {
    const scene = race((world) => {
      expect(world.breaches).toEqual([]);
      // The requeued job has not run: whatever was completed before is open again.
      expect(world.isComplete).toBe(false);
    });
    expect(await inEveryOrder(scene, { breaks: 4 })).toBeGreaterThan(1_000);
  });

  it("a single sum of the counters completes a batch too early in the same scene", async () => {
    const breaches: string[] = [];
    const scene = race((world) => breaches.push(...world.breaches), { sumOnce: true });
    await inEveryOrder(scene, { breaks: 4 });
    expect(breaches).not.toEqual([]);
  });

  it("a requeue that runs to its end beside another end leaves the batch complete", async () => {
    const scene = (): Scene => {
      const world = createWorld(["failed", "running"]);
      return {
        actors: [
          (gate) => world.connect(gate).end(1),
          async (gate) => {
            const { requeue, end } = world.connect(gate);
            await requeue(0);
            await end(0);
          },
        ],
        end() {
          expect(world.breaches).toEqual([]);
          expect(world.isComplete).toBe(true);
          expect(new Set(world.completions).size).toBe(world.completions.length);
        },
      };
    };
    expect(await inEveryOrder(scene, { breaks: 5 })).toBeGreaterThan(1_000);
  });

  it("exactly one of two jobs that end together completes the batch", async () => {
    const scene = (): Scene => {
      const world = createWorld(["running", "running"]);
      return {
        actors: [(gate) => world.connect(gate).end(0), (gate) => world.connect(gate).end(1, "failed")],
        end: () => expect(world.completions).toEqual([1]),
      };
    };
    await inEveryOrder(scene, { breaks: 100 });
  });
});
