import { describe, expect, it } from "vitest";
import type { Batch } from "../../../runtime/core/job/job.ts";
import { createIndexRepair } from "../../../runtime/sweeper/repair-index.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { eventuallyTrue } from "../../support/eventually.ts";
import { silentLog, silentUnreadable } from "../../support/silent.ts";
import { createMemoryStores } from "../../support/stores/memory-stores.ts";
import { claimAndEnd } from "../../support/stores/row-moves.ts";

const MINUTE_MS = 60_000;

async function lab() {
  const stores = createMemoryStores();
  const { jobs, batches, index } = stores;
  const clock = { ahead: 0 };
  const batch = await batches.create(batchOf({ createdAt: new Date() }));
  const now = (): Date => new Date(Date.now() + clock.ahead);
  const repair = createIndexRepair({ ...stores, unreadable: silentUnreadable, now, log: silentLog });
  const stored = async () => (await batches.get(batch.batchId))!;
  return {
    ...{ jobs, index, clock, batch, repair, stored },
    consider: async () => repair.consider(await stored(), await jobs.snapshot(batch)),
    indexed: async (since: Date | undefined) => {
      for (;;) {
        const { indexedAt } = (await stored()).value;
        if (indexedAt !== undefined && (since === undefined || indexedAt > since)) return indexedAt;
      }
    },
    noted: async (state: "queued" | "failed") =>
      (await index.read({ tenantName: batch.tenantName, state }, { limit: 100 })).map(({ jobId }) => jobId),
    add: async (fields: Partial<Batch> = {}) => {
      const job = jobOf({ submittedAt: now(), tags: ["lost"] }, { ...batch, ...fields });
      await jobs.insert(job);
      return job.jobId;
    },
  };
}

describe("repair of the index", () => {
  it("jobs that nobody has noted are found when the batch is calm, once", async () => {
    const { add, jobs, consider, clock, noted, indexed, index, batch } = await lab();
    const [queued, failed] = [await add(), await add()];
    await claimAndEnd(jobs, failed, "failed");
    expect(await consider()).toBe(true);
    expect(await noted("queued")).toEqual([]);
    clock.ahead = 6 * MINUTE_MS;
    expect(await consider()).toBe(true);
    await indexed(undefined);
    expect(await noted("queued")).toEqual([queued]);
    expect(await noted("failed")).toEqual([failed]);
    const tagged = await index.read({ tenantName: batch.tenantName, tag: "lost" }, { limit: 10 });
    expect(tagged.map(({ jobId }) => jobId).sort()).toEqual([queued, failed].sort());
    expect(await consider()).toBe(false);
  });

  it("a batch that is never calm is looked at once an hour, and only for what changed since", async () => {
    const { add, clock, noted, indexed, index, batch, jobs, repair, stored } = await lab();
    const first = await add();
    await claimAndEnd(jobs, first, "failed");
    /** As if a counter had been written just now. */
    const busy = async (): Promise<boolean> => {
      const changedAt = new Date(Date.now() + clock.ahead);
      return repair.consider(await stored(), { ...(await jobs.snapshot(batch)), changedAt });
    };
    clock.ahead = 59 * MINUTE_MS;
    expect(await busy()).toBe(true);
    expect(await noted("failed")).toEqual([]);
    clock.ahead = 61 * MINUTE_MS;
    await busy();
    const before = await indexed(undefined);
    expect(await noted("failed")).toEqual([first]);
    await index.removeFrom({ tenantName: batch.tenantName, state: "failed" }, [first]);
    clock.ahead = 122 * MINUTE_MS;
    const second = await add();
    await busy();
    await indexed(before);
    expect(await noted("queued")).toEqual([second]);
    // It ended before the last look, so nothing of it can have been lost since.
    expect(await noted("failed")).toEqual([]);
  });

  it("a look that fails or is stopped is made again", async () => {
    const { add, consider, clock, stored, repair, batch } = await lab();
    await add();
    clock.ahead = 6 * MINUTE_MS;
    await consider();
    await repair.stop();
    expect(await consider()).toBe((await stored()).value.indexedAt === undefined);
    const stores = createMemoryStores();
    await stores.batches.create(batch);
    let calls = 0;
    const failing = createIndexRepair({
      ...stores,
      index: { write: () => (calls++ === 0 ? Promise.reject(new Error("down")) : Promise.resolve()) },
      ...{ unreadable: silentUnreadable, log: silentLog, now: () => new Date() },
    });
    const changedAt = new Date(Date.now() - 6 * MINUTE_MS);
    const look = async () => {
      const found = (await stores.batches.get(batch.batchId))!;
      failing.consider(found, { ...(await stores.jobs.snapshot(batch)), changedAt });
      return found.value.indexedAt;
    };
    while ((await look()) === undefined) await eventuallyTrue(() => calls > 0);
    expect(calls).toBeGreaterThan(1);
  });
});
