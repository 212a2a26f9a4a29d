import { describe, expect, it } from "vitest";
import { createQuotas } from "../../../runtime/api/quotas.ts";
import { QUOTA_KNOWN_FOR_MS } from "../../../runtime/core/limits.ts";
import type { TenantQuota } from "../../../runtime/core/ports/quota-store.ts";
import { createStoredBytesSweep } from "../../../runtime/sweeper/sweep-stored-bytes.ts";
import { createMemoryQuotas } from "../../support/stores/memory-quotas.ts";

const HOUR_MS = 3_600_000;

async function world(fields: Partial<TenantQuota> | undefined, instanceCount = 1) {
  let clockMs = Date.parse("2030-01-31T23:00:00Z");
  let readCount = 0;
  const store = createMemoryQuotas();
  const quotas = {
    ...store,
    get(tenantName: string) {
      readCount++;
      return store.get(tenantName);
    },
  };
  const now = () => new Date(clockMs);
  const usual = { tenantName: "acme", jobsPerDay: undefined, storedBytes: undefined, setAt: now(), setBy: "ada" };
  const unused = { day: "", jobsTaken: 0, storedNow: undefined, storedAt: undefined };
  if (fields !== undefined) await store.put({ ...usual, ...unused, ...fields }, undefined);
  const instances = Array.from({ length: instanceCount }, () =>
    createQuotas({ quotas, now, monotonicNow: () => clockMs }),
  );
  /** How many of so many submits at one time, spread over the instances, are accepted. */
  const accepted = async (count: number) => {
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) => instances[i % instanceCount]!.admit("acme")),
    );
    return answers.filter((refusal) => refusal === undefined).length;
  };
  return { store, now, instances, accepted, later: (ms: number) => void (clockMs += ms), reads: () => readCount };
}

describe("jobs a day", () => {
  it.each([
    [0, 1],
    [1, 3],
    [7, 1],
    [250, 4],
    [1_234, 3],
  ])("never more than %d over %d instances, and all of them are used up to a share of each", async (jobsPerDay, n) => {
    const { accepted, store, later } = await world({ jobsPerDay }, n);
    let total = 0;
    for (let round = 0; round < 4; round++) {
      total += await accepted(jobsPerDay);
      later(QUOTA_KNOWN_FOR_MS);
    }
    expect(total).toBe(jobsPerDay);
    expect((await store.get("acme"))?.value.jobsTaken).toBe(jobsPerDay);
  });

  it("are refused with the quota, what is used and when there is room, until the day (UTC) ends", async () => {
    const { accepted, instances, later } = await world({ jobsPerDay: 2 });
    expect(await accepted(3)).toBe(2);
    const refusal = await instances[0]!.admit("acme");
    expect(refusal).toMatchObject({ code: "QuotaExceeded", retryable: false, retryAfterS: 3_600 });
    expect(refusal?.message).toMatch(/2 jobs .* 2030-01-31\. .* 2030-02-01T00:00:00\.000Z/);
    later(HOUR_MS);
    expect(await accepted(3)).toBe(2);
  });

  it("that were given back can be used again", async () => {
    const { accepted, instances } = await world({ jobsPerDay: 2 });
    expect(await accepted(1)).toBe(1);
    instances[0]!.giveBack("acme");
    expect(await accepted(3)).toBe(2);
  });

  it("cost a write for a hundredth of them, and without a quota a read in ten seconds", async () => {
    const few = await world({ jobsPerDay: 100_000 });
    expect(await few.accepted(2_000)).toBe(2_000);
    expect(few.reads()).toBeLessThanOrEqual(4);
    const none = await world(undefined);
    expect(await none.accepted(2_000)).toBe(2_000);
    expect(none.reads()).toBe(1);
  });
});

it("stored bytes are counted by the sweeper once an hour, and over the quota nothing more is accepted", async () => {
  const { store, instances, now, later } = await world({ storedBytes: 5_000_000_000 });
  const counted: string[] = [];
  let stored = 5_000_000_000;
  const countStored = (tenantName: string) => {
    counted.push(tenantName);
    return Promise.resolve(stored);
  };
  const sweep = createStoredBytesSweep({ quotas: store, countStored, now });
  await sweep();
  expect(await instances[0]!.admit("acme")).toBeUndefined();
  stored++;
  await sweep();
  expect(counted).toHaveLength(1);
  later(HOUR_MS);
  await sweep();
  expect(await instances[0]!.admit("acme")).toMatchObject({ code: "QuotaExceeded" });
  expect(await instances[0]!.storage("acme")).toMatchObject({ code: "QuotaExceeded" });
});
