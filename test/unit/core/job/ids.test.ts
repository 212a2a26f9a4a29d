import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bellMessageId } from "../../../../runtime/core/job/bell.ts";
import {
  createIdSource,
  defaultBatchId,
  parseBatchId,
  parseJobId,
  TENANT_NAME_PATTERN,
} from "../../../../runtime/core/job/ids.ts";

const tenantName = fc.stringMatching(/^[a-z0-9-]{1,15}$/).filter((name) => TENANT_NAME_PATTERN.test(name));
const random32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

/** A source whose clock and randomness the test decides. */
function sourceOf(times: readonly number[], randoms: readonly number[]) {
  let t = 0;
  let r = 0;
  return createIdSource({
    now: () => new Date(times[Math.min(t++, times.length - 1)]!),
    random32: () => randoms[r++ % randoms.length]!,
  });
}

describe("ids", () => {
  it("ids name the tenant, batch and partition of a job", () => {
    fc.assert(
      fc.property(
        tenantName,
        fc.integer({ min: 1, max: 32 }),
        fc.array(random32, { minLength: 1 }),
        (tenant, shards, randoms) => {
          const ids = sourceOf([1_790_000_000_000], randoms);
          const batchId = ids.batchId(tenant);
          const jobId = ids.jobId(batchId, shards);
          const parts = parseJobId(jobId)!;
          expect(parseBatchId(batchId)).toEqual({ tenantName: tenant });
          expect(parts).toMatchObject({ batchId, tenantName: tenant });
          expect(parts.shard).toBeLessThan(shards);
          expect(jobId.startsWith(`${parts.partition}.`)).toBe(true);
        },
      ),
    );
  });

  it("job ids sort in the order they were made, batch ids in reverse, even when the clock steps back", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1.7e12, max: 1.9e12 }), { minLength: 2, maxLength: 50 }),
        fc.array(random32, { minLength: 1 }),
        (times, randoms) => {
          const jobIds = sourceOf(times, randoms);
          const made = times.map(() => jobIds.jobId("t.b", 1));
          expect(made).toEqual([...new Set(made)].sort());
          const batchIds = sourceOf(times, randoms);
          const batches = times.map(() => batchIds.batchId("t"));
          expect(batches).toEqual([...new Set(batches)].sort().reverse());
        },
      ),
    );
  });

  it("consecutive job ids spread over all shards of their batch", () => {
    const ids = sourceOf([1.8e12], [7]);
    const shards = new Set(
      Array.from({ length: 16 }, () => parseJobId(ids.jobId("acme.0000000000aaaaaaaa", 16))?.shard),
    );
    expect(shards.size).toBe(16);
  });

  it("a job id and its ring fit into the 128 characters of a MessageId", () => {
    const ids = createIdSource({ now: () => new Date(1.9e12), random32: () => 2 ** 32 - 1 });
    const jobId = ids.jobId(ids.batchId("a23456789012345"), 16);
    expect(bellMessageId(jobId, Number.MAX_SAFE_INTEGER).length).toBeLessThanOrEqual(128);
  });

  it("the id of a tenant's default batch is the same all day, and sorts newest first among days", () => {
    const day = Date.UTC(2026, 2, 1);
    expect(defaultBatchId("acme", day)).toBe(defaultBatchId("acme", day + 86_399_999));
    expect(defaultBatchId("acme", day + 86_400_000) < defaultBatchId("acme", day)).toBe(true);
    const later = Array.from({ length: 100 }, (_, number) => defaultBatchId("acme", day, number));
    expect(later[0]).toBe(defaultBatchId("acme", day));
    expect(new Set(later.map((id) => id.length)).size).toBe(1);
    expect(new Set(later).size).toBe(100);
    for (const id of later) expect(parseBatchId(id)).toEqual({ tenantName: "acme" });
    expect(parseBatchId(defaultBatchId("acme", day))).toEqual({ tenantName: "acme" });
  });

  it.each(["", "acme", "acme.", "../x", "Acme.0000000000aaaaaaaa", "acme.0000000000aaaaaaai", "-a.0000000000aaaaaaaa"])(
    "refuses %j as batch id",
    (text) => {
      expect(parseBatchId(text)).toBeUndefined();
    },
  );

  it("parseJobId refuses any text that is not exactly a job id", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseJobId(text)).toBeUndefined();
      }),
    );
    const ids = sourceOf([1.8e12], [7]);
    const jobId = ids.jobId(ids.batchId("acme"), 1);
    for (const wrong of [`${jobId}x`, ` ${jobId}`, `${jobId}\n`, jobId.toUpperCase(), jobId.slice(0, -1)]) {
      expect(parseJobId(wrong)).toBeUndefined();
    }
  });
});
