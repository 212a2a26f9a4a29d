import { describe, expect, it } from "vitest";
import { createBatchCommands } from "../../../runtime/api/batch-commands.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { Batch } from "../../../runtime/core/job/job.ts";
import {
  addCounts,
  countChange,
  NO_COUNTS,
  type JobState,
  type StateCounts,
} from "../../../runtime/core/job/states.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { createMemoryStore } from "../../support/stores/held-jobs.ts";
import { silentEvents } from "../../support/silent.ts";

const JOB_COUNT = 1_700;

/** A batch of jobs in one state, on a storage that takes a tenth of a second for each write. */
function createWorld(state: JobState) {
  const store = createMemoryStore();
  const batch: Stored<Batch> = { value: batchOf(), etag: "1" };
  const ids = Array.from({ length: JOB_COUNT }, () => store.put(jobOf({ state }, batch.value)).value.jobId);
  let elapsedMs = 0;
  const asked: string[] = [];
  let ready = true;
  const rung: string[] = [];
  const counts = (): StateCounts =>
    ids.map((id) => countChange(undefined, store.row(id).state)).reduce(addCounts, NO_COUNTS);
  const commands = createBatchCommands({
    events: silentEvents,
    now: () => new Date(elapsedMs),
    workers: { requestCancel: () => Promise.resolve() },
    batches: { update: () => Promise.resolve({ written: true, etag: "2" }) },
    completion: {
      afterJobEnded: (batchId) => {
        asked.push(batchId);
        return Promise.resolve();
      },
      reopenBatch: () => Promise.resolve(),
    },
    outbox: {
      waitingCount: 0,
      assertReady: () => {
        if (!ready) throw new UnavailableError("BusUnavailable", "away");
      },
      send: (_queue, bells) => {
        rung.push(...bells.map(({ messageId }) => messageId));
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    },
    jobs: {
      counts: () => Promise.resolve(counts()),
      update: (update) => {
        elapsedMs += 100;
        return store.update(update);
      },
      scan: async function* (_batch, wanted) {
        for (const id of ids) {
          const stored = await store.get(id);
          if (stored?.value.state === wanted) yield stored;
        }
      },
    },
  });
  return { commands, batch, counts, asked, rung, setReady: (is: boolean) => void (ready = is) };
}

describe("a command for a batch", () => {
  it("a cancel of a large batch stops at its time limit and continues when repeated", async () => {
    const { commands, batch, counts, asked } = createWorld("queued");
    await commands.cancel(batch);
    expect(counts().queued).toBeGreaterThan(0);
    expect(counts().canceled).toBeGreaterThan(0);
    for (let calls = 0; counts().queued > 0 && calls < 5; calls++) await commands.cancel(batch);
    expect(counts()).toMatchObject({ queued: 0, canceled: JOB_COUNT });
    expect(asked).toContain(batch.value.batchId);
  });

  it("to requeue says that there are more, and counts each job once", async () => {
    const { commands, batch, counts, rung } = createWorld("failed");
    let total = 0;
    let calls = 0;
    for (let more = true; more; calls++) {
      const result = await commands.requeue(batch.value, "failed");
      total += result.requeued;
      more = result.more;
    }
    expect({ total, queued: counts().queued, bells: new Set(rung).size }).toEqual({
      total: JOB_COUNT,
      queued: JOB_COUNT,
      bells: JOB_COUNT,
    });
    expect(calls).toBeGreaterThan(1);
  });

  it("to requeue writes no row while too many bells wait already", async () => {
    const { commands, batch, counts, setReady } = createWorld("failed");
    setReady(false);
    await expect(commands.requeue(batch.value, "failed")).rejects.toThrow(UnavailableError);
    expect(counts().failed).toBe(JOB_COUNT);
  });
});
