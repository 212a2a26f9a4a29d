import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { TIMER_DIGITS, timerBatchId } from "../../../runtime/core/job/ids.ts";
import type { Job } from "../../../runtime/core/job/job.ts";
import type { JobStore, JobUpdate } from "../../../runtime/core/ports/job-store.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import type { CancelIntent } from "../../../runtime/core/job/worker-record.ts";
import { cancelJob } from "../../../runtime/lifecycle/cancel-job.ts";
import { requeueJobs } from "../../../runtime/lifecycle/requeue-job.ts";
import { rescheduleJobs } from "../../../runtime/lifecycle/reschedule-job.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { inEveryOrder, type Scene } from "../../support/faults/interleave.ts";
import { createMemoryStore } from "../../support/stores/held-jobs.ts";
import { silentEvents } from "../../support/silent.ts";

type Gate = () => Promise<void>;

/** One job, everybody who acts on it, and what they did in order. */
function createWorld(fields: Partial<Job> = {}, batch = batchOf()) {
  const store = createMemoryStore();
  const job = store.put(jobOf(fields, batch)).value;
  const { jobId } = job;
  const intents: CancelIntent[] = [];
  const did: string[] = [];

  function connect(gate: Gate = () => Promise.resolve()) {
    const jobs: Pick<JobStore, "get" | "update"> = {
      get: async (id) => {
        await gate();
        return store.get(id);
      },
      update: async (update) => {
        await gate();
        const result = await store.update(update);
        if (result.written) did.push(`${update.from} → ${update.to}`);
        return result;
      },
    };
    const stored = async () => (await jobs.get(jobId))!;
    const act = async (changesOf: (now: Job) => Pick<JobUpdate, "to" | "changes"> | undefined): Promise<boolean> => {
      const { value, etag } = await stored();
      const wanted = changesOf(value);
      return wanted !== undefined && (await jobs.update({ jobId, etag, from: value.state, ...wanted })).written;
    };
    return {
      cancel: async () =>
        cancelJob(await stored(), {
          jobs,
          events: silentEvents,
          now: () => new Date(0),
          workers: {
            requestCancel: async (_pool, _workerId, intent) => {
              await gate();
              intents.push(intent);
            },
          },
        }),
      requeue: async () =>
        requeueJobs([await stored()], {
          jobs,
          events: silentEvents,
          completion: {
            reopenBatch: async () => {
              await gate();
              did.push("reopen");
            },
          },
          sendBells: async (_queue, bells) => {
            await gate();
            did.push(...bells.map(({ messageId }) => messageId.replace(jobId, "bell")));
          },
        }),
      reschedule: async (runAt = LATER) =>
        rescheduleJobs([await stored()], runAt, {
          jobs,
          events: silentEvents,
          async placeUnique() {
            await gate();
            did.push("place");
            return true;
          },
          async placeLeft() {
            await gate();
            did.push("wake");
          },
          async sendBells(_queue, bells) {
            await gate();
            did.push(...bells.map(({ messageId }) => messageId.replace(jobId, "bell")));
          },
        }),
      claim: () =>
        act(({ state }) =>
          state === "queued"
            ? { to: "running", changes: { claim: { ...CLAIM, id: `claim of ${did.length}` } } }
            : undefined,
        ),
      succeed: () => act(({ state }) => (state === "running" ? { to: "succeeded", changes: {} } : undefined)),
    };
  }

  return { store, intents, did, connect, row: () => store.row(jobId) };
}

const LATER = new Date("2030-01-31T08:00:00Z");
const CLAIM = {
  id: "claim-1",
  workerId: "worker-1",
  bootId: "boot",
  queue: "jobs-default-normal",
  sequenceNumber: "1",
  since: new Date(0),
};

describe("cancel", () => {
  it("a cancel whose answer was lost reports what the row says", async () => {
    for (const state of ["queued", "running"] as const) {
      const world = createWorld({ state, claim: state === "running" ? CLAIM : undefined });
      world.store.fault = () => "lose-answer";
      expect((await world.connect().cancel()).outcome).toBe(state === "queued" ? "canceled" : "requested");
    }
  });

  it("a cancel gives up with a retryable error when the row moves each time", async () => {
    const world = createWorld({ state: "running", claim: CLAIM });
    world.store.fault = () => void world.store.put(world.row());
    await expect(world.connect().cancel()).rejects.toThrow(UnavailableError);
  });

  it("a cancel beside a claim, an end and a requeue has one outcome in every order", async () => {
    const orders = await inEveryOrder(
      (): Scene => {
        const world = createWorld();
        let outcome = "";
        return {
          actors: [
            async (gate) => {
              outcome = (await world.connect(gate).cancel()).outcome;
            },
            async (gate) => {
              const worker = world.connect(gate);
              if (await worker.claim()) await worker.succeed();
            },
            (gate) => world.connect(gate).requeue(),
          ],
          end() {
            const { state, cancelWanted } = world.row();
            const requeued = world.did.some((step) => step.endsWith("→ queued"));
            if (outcome === "too-late") expect(world.did).toContain("running → succeeded");
            if (outcome === "requested") expect(world.intents).toHaveLength(1);
            if (outcome === "canceled") expect(world.did.some((step) => step.endsWith("→ canceled"))).toBe(true);
            if (outcome === "requested" && !requeued) expect(cancelWanted || state === "succeeded").toBe(true);
            if (!requeued) expect(isTerminal(state) || cancelWanted).toBe(true);
          },
        };
      },
      { breaks: 6 },
    );
    expect(orders).toBeGreaterThan(100);
  });
});

describe("requeue", () => {
  it("a requeue writes the row, then reopens the batch, then sends the bell", async () => {
    const world = createWorld({ state: "failed", ring: 3 });
    const [result] = await world.connect().requeue();
    expect(result?.outcome).toBe("requeued");
    expect(world.did).toEqual(["failed → queued", "reopen", "bell:4"]);
  });

  it("a requeue repeated after a crash before the bell reopens the batch and sends the bell", async () => {
    const world = createWorld({ state: "queued", ring: 4, reopen: true });
    const [result] = await world.connect().requeue();
    expect(result?.outcome).toBe("bell-resent");
    expect(world.did).toEqual(["reopen", "bell:4"]);
  });

  it("a requeue of a job that waits for its retry only sends the bell for that time", async () => {
    const world = createWorld({ state: "queued", ring: 2 });
    await world.connect().requeue();
    expect(world.did).toEqual(["bell:2"]);
  });

  it("a requeue sends the other bells when one row cannot be written", async () => {
    const store = createMemoryStore();
    const rows = [1, 2, 3].map(() => store.put(jobOf({ state: "failed" })));
    store.fault = ({ jobId }) =>
      jobId === rows[1]!.value.jobId ? new UnavailableError("StorageUnavailable", "away") : undefined;
    const rung: string[] = [];
    const requeued = requeueJobs(rows, {
      jobs: store,
      events: silentEvents,
      completion: { reopenBatch: () => Promise.resolve() },
      sendBells: (_queue, bells) => {
        rung.push(...bells.map(({ bell }) => bell.jobId));
        return Promise.resolve();
      },
    });
    await expect(requeued).rejects.toThrow(UnavailableError);
    expect(rung.sort()).toEqual([rows[0]!, rows[2]!].map(({ value }) => value.jobId).sort());
  });

  it("two requeues at once increase the ring once and send that bell only, in every order", async () => {
    const orders = await inEveryOrder(
      (): Scene => {
        const world = createWorld({ state: "canceled" });
        return {
          actors: [0, 1].map(() => (gate: Gate) => world.connect(gate).requeue()),
          end() {
            expect(world.row()).toMatchObject({ state: "queued", ring: 2 });
            expect(world.did.filter((step) => step.includes("→"))).toHaveLength(1);
            expect(new Set(world.did.filter((step) => step.startsWith("bell")))).toEqual(new Set(["bell:2"]));
            // The batch is open again before any bell is rung.
            expect(world.did.indexOf("reopen")).toBeLessThan(world.did.indexOf("bell:2"));
          },
        };
      },
      { breaks: 20 },
    );
    expect(orders).toBeGreaterThan(50);
  });
});

describe("reschedule", () => {
  it("a reschedule places the unique key, writes the row, wakes those that wait, then sends the bell", async () => {
    const world = createWorld();
    const [result] = await world.connect().reschedule();
    expect(result?.outcome).toBe("rescheduled");
    expect(world.did).toEqual(["place", "queued → queued", "wake", "bell:2"]);
    expect(world.row()).toMatchObject({ state: "queued", ring: 2, runAt: LATER });
  });

  it("a reschedule repeated after a crash before the bell writes nothing and sends the bell", async () => {
    const world = createWorld({ ring: 2, runAt: LATER });
    const [result] = await world.connect().reschedule();
    expect(result?.outcome).toBe("rescheduled");
    expect(world.did).toEqual(["wake", "bell:2"]);
  });

  it("a reschedule whose answer was lost raises the ring once", async () => {
    const world = createWorld();
    world.store.fault = () => "lose-answer";
    expect((await world.connect().reschedule())[0]?.outcome).toBe("rescheduled");
    expect(world.row()).toMatchObject({ ring: 2, runAt: LATER });
  });

  it("a reschedule leaves alone what runs, has ended, or belongs to a timer", async () => {
    for (const state of ["running", "succeeded", "failed", "canceled"] as const) {
      const world = createWorld({ state });
      expect((await world.connect().reschedule())[0]?.outcome).toBe("not-queued");
      expect(world.did).toEqual([]);
    }
    const timer = createWorld({}, batchOf({ batchId: timerBatchId("acme", "0".repeat(TIMER_DIGITS)) }));
    expect((await timer.connect().reschedule())[0]?.outcome).toBe("of-timer");
  });

  it("a reschedule of a job whose unique key another one has taken does not start it", async () => {
    const store = createMemoryStore();
    const row = store.put(jobOf({ uniqueKey: "a" }));
    const rung: string[] = [];
    const { jobId } = row.value;
    const [result] = await rescheduleJobs([row], LATER, {
      jobs: store,
      events: silentEvents,
      async placeUnique({ etag }) {
        await store.update({ jobId, etag, from: "queued", to: "canceled", changes: {} });
        return false;
      },
      sendBells(_queue, bells) {
        rung.push(...bells.map(({ messageId }) => messageId));
        return Promise.resolve();
      },
    });
    expect(result).toMatchObject({ outcome: "not-queued", job: { state: "canceled" } });
    expect(rung).toEqual([]);
  });

  it("a reschedule beside a claim and a cancel moves the job before its start or not at all, in every order", async () => {
    const orders = await inEveryOrder(
      (): Scene => {
        const world = createWorld();
        let outcome: string | undefined;
        return {
          actors: [
            async (gate) => {
              outcome = (await world.connect(gate).reschedule())[0]?.outcome;
            },
            (gate) => world.connect(gate).claim(),
            (gate) => world.connect(gate).cancel(),
          ],
          end() {
            const at = world.did.indexOf("queued → queued");
            const ended = world.did.findIndex((step) => step === "queued → running" || step === "queued → canceled");
            expect(outcome).toBe(at === -1 ? "not-queued" : "rescheduled");
            if (at >= 0 && ended >= 0) expect(at).toBeLessThan(ended);
            expect(world.did.includes("bell:2")).toBe(at >= 0);
          },
        };
      },
      { breaks: 6 },
    );
    expect(orders).toBeGreaterThan(50);
  });
});
