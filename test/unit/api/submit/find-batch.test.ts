import { describe, expect, it } from "vitest";
import { LOCAL_CALLER } from "../../../../runtime/api/auth/caller.ts";
import { createFindBatch, type FindBatchDeps } from "../../../../runtime/api/submit/find-batch.ts";
import type { Batch } from "../../../../runtime/core/job/job.ts";
import { DEFAULT_BATCHES_PER_DAY_MAX } from "../../../../runtime/core/limits.ts";

const never = (): never => {
  throw new Error("not asked");
};

/** Batches in memory, and the number of reads. */
function place() {
  const rows = new Map<string, Batch>();
  const seen = { reads: 0 };
  const clock = { at: new Date("2026-03-01T12:00:00Z") };
  const deps = {
    batches: {
      create: (batch: Batch) => (rows.set(batch.batchId, batch), Promise.resolve(batch)),
      get: (batchId: string) => {
        seen.reads++;
        const value = rows.get(batchId);
        return Promise.resolve(value && { value, etag: "" });
      },
    },
    lookup: { batch: never },
    reservations: { reserveOne: never },
    ids: { batchId: never, jobId: never },
    now: () => clock.at,
    pools: ["default"],
    pauseBoard: { current: () => ({ erasureOf: () => undefined }) },
  } as unknown as FindBatchDeps;
  const batches = createFindBatch(deps);
  const next = async (tenantName = "acme"): Promise<Batch> => {
    seen.reads = 0;
    return batches.daily(LOCAL_CALLER, tenantName);
  };
  const close = (batch: Batch): void => void rows.set(batch.batchId, { ...batch, state: "closed" });
  return { next, close, seen, clock };
}

describe("the batch of the day", () => {
  it("is found with a read or two, however many of the day are closed; the next day begins anew", async () => {
    const { next, close, seen, clock } = place();
    const first = await next();
    for (let closed = 1; closed < DEFAULT_BATCHES_PER_DAY_MAX; closed++) {
      close(await next());
      const { batchName } = await next();
      expect([batchName, seen.reads]).toEqual([`Jobs of 2026-03-01, ${closed + 1}`, 2]);
    }
    const last = await next();
    expect(seen.reads).toBe(1);
    close(last);
    expect((await next()).batchId).toBe(last.batchId);
    expect((await next("other")).batchName).toBe(first.batchName);
    clock.at = new Date("2026-03-02T00:00:00Z");
    expect((await next()).batchName).toBe("Jobs of 2026-03-02");
  });
});
