/** The contract of core/ports/quota-store.ts, and of the limits of jobs at once, which lie with the pauses. */
import { describe, expect, it } from "vitest";
import { createCountStored } from "../../../runtime/azure/index.ts";
import { CONTAINERS } from "../../../runtime/core/deployment/storage-layout.ts";
import type { TenantQuota } from "../../../runtime/core/ports/quota-store.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const AT = new Date("2026-03-01T08:00:00.125Z");
const quotaOf = (fields: Partial<TenantQuota> = {}): TenantQuota => ({
  ...{ tenantName: freshTenant(), jobsPerDay: 5, storedBytes: 5_000_000_000, setAt: AT, setBy: "ada" },
  ...{ day: "2026-03-01", jobsTaken: 3, storedNow: 4_999_999_999, storedAt: AT },
  ...fields,
});
const FULL = { quota: "jobsPerDay", day: "2026-03-01", at: AT, limit: 5, used: 5, isMade: false } as const;

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { quotas, pauses } = start()();

  it("quotas are read as they were written, and fields that are taken back are gone", async () => {
    const quota = quotaOf({ full: [FULL] });
    expect(await quotas.get(quota.tenantName)).toBeUndefined();
    expect(await quotas.put(quota, undefined)).toBe(true);
    const stored = await quotas.get(quota.tenantName);
    expect(stored?.value).toEqual(quota);
    const bare = { ...quota, jobsPerDay: undefined, storedBytes: undefined, storedNow: undefined, storedAt: undefined };
    expect(await quotas.put({ ...bare, full: undefined }, stored?.etag)).toBe(true);
    expect((await quotas.get(quota.tenantName))?.value).toEqual({ ...bare, full: undefined });
  });

  it("only one of two writers changes a version", async () => {
    const quota = quotaOf();
    expect(await quotas.put(quota, undefined)).toBe(true);
    expect(await quotas.put(quota, undefined)).toBe(false);
    const etag = (await quotas.get(quota.tenantName))?.etag;
    expect(await quotas.put({ ...quota, jobsTaken: 4 }, etag)).toBe(true);
    expect(await quotas.put({ ...quota, jobsTaken: 9 }, etag)).toBe(false);
    expect((await quotas.get(quota.tenantName))?.value.jobsTaken).toBe(4);
  });

  it("quotas of all tenants are found, and removed one by one", async () => {
    const made = [quotaOf(), quotaOf()];
    for (const quota of made) await quotas.put(quota, undefined);
    const names = async (): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const { value } of quotas.all()) found.push(value.tenantName);
      return found;
    };
    expect(await names()).toEqual(expect.arrayContaining(made.map(({ tenantName }) => tenantName)));
    await quotas.remove(made[0]!.tenantName);
    await quotas.remove(made[0]!.tenantName);
    expect(await names()).not.toContain(made[0]!.tenantName);
    expect(await names()).toContain(made[1]!.tenantName);
  });

  it("a limit of jobs at once is found with the pauses, replaced, and removed", async () => {
    const tenantName = freshTenant();
    const own = async () => {
      const { pauses: paused, runningLimits } = await pauses.list();
      const ofTenant = paused.filter(({ subject }) => "tenantName" in subject && subject.tenantName === tenantName);
      return { paused: ofTenant.length, limits: runningLimits.filter((one) => one.tenantName === tenantName) };
    };
    const limit = { tenantName, max: 3, setAt: AT, setBy: "ada" };
    await pauses.putRunningLimit(limit);
    await pauses.put({ subject: { kind: "tenant", tenantName }, pausedAt: AT, pausedBy: "ada", reason: undefined });
    expect(await own()).toEqual({ paused: 1, limits: [limit] });
    await pauses.putRunningLimit({ ...limit, max: 4 });
    expect(await own()).toEqual({ paused: 1, limits: [{ ...limit, max: 4 }] });
    await pauses.removeRunningLimit(tenantName);
    await pauses.removeRunningLimit(tenantName);
    expect(await own()).toEqual({ paused: 1, limits: [] });
  });
});

it("what a tenant has stored is the sum of its blobs in all containers, and of no other tenant's", async () => {
  const storage = testStorage();
  const countStored = createCountStored({ storage });
  const tenantName = freshTenant();
  expect(await countStored(tenantName)).toBe(0);
  const upload = async (container: string, path: string, bytes: number): Promise<void> => {
    const blob = storage.blobs.getContainerClient(container).getBlockBlobClient(path);
    await blob.upload(Buffer.alloc(bytes), bytes);
  };
  await upload(CONTAINERS.packages, `${tenantName}/test.zip`, 1);
  await upload(CONTAINERS.input, `${tenantName}/job/parameters.json`, 20);
  await upload(CONTAINERS.logs, `${tenantName}/job/claim.log`, 300);
  await upload(CONTAINERS.output, `${tenantName}/job/claim/folder/file`, 4_000);
  await upload(CONTAINERS.output, `${tenantName}x/job/claim/file`, 50_000);
  expect(await countStored(tenantName)).toBe(4_321);
});
