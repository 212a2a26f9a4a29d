/** The contract of core/ports/unique-key-store.ts. */
import { describe, expect, it } from "vitest";
import type { UniqueHold, UniqueKey } from "../../../runtime/core/ports/unique-key-store.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const AT = new Date("2026-03-01T08:00:00.125Z");
const keyOf = (fields: Partial<UniqueKey> = {}): UniqueKey => ({
  ...{
    tenantName: freshTenant(),
    jobProcessorPackageName: "sync.zip",
    jobType: "Sync ü/#?",
    uniqueKey: "customer/7?#",
  },
  ...fields,
});
const holdOf = (fields: Partial<UniqueHold> = {}): UniqueHold => ({
  jobId: "job-1",
  placed: false,
  heldAt: AT,
  ...fields,
});

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { uniqueKeys } = start()();

  it("a hold is read as it was written, and only one of two writers changes a version", async () => {
    const key = keyOf();
    expect(await uniqueKeys.get(key)).toBeUndefined();
    expect(await uniqueKeys.put(key, holdOf(), undefined)).toBe(true);
    expect(await uniqueKeys.put(key, holdOf({ jobId: "job-2" }), undefined)).toBe(false);
    const first = await uniqueKeys.get(key);
    expect(first?.value).toEqual(holdOf());
    expect(await uniqueKeys.put(key, holdOf({ placed: true }), first?.etag)).toBe(true);
    expect(await uniqueKeys.put(key, holdOf({ jobId: "job-3" }), first?.etag)).toBe(false);
    expect((await uniqueKeys.get(key))?.value).toEqual(holdOf({ placed: true }));
  });

  it("keys of other tenants, packages and types are others, also where their texts run together", async () => {
    const key = keyOf({ jobType: "A", uniqueKey: "b" });
    await uniqueKeys.put(key, holdOf(), undefined);
    const others: UniqueKey[] = [
      { ...key, tenantName: freshTenant() },
      { ...key, jobProcessorPackageName: "other.zip" },
      { ...key, jobType: "AB", uniqueKey: "" },
      { ...key, uniqueKey: "B" },
    ];
    for (const other of others) expect(await uniqueKeys.get(other)).toBeUndefined();
  });

  it("removes holds from before that are over, and no others", async () => {
    const [over, held, young] = [keyOf(), keyOf(), keyOf()];
    await uniqueKeys.put(over, holdOf({ jobId: "ended" }), undefined);
    await uniqueKeys.put(held, holdOf({ jobId: "runs" }), undefined);
    await uniqueKeys.put(young, holdOf({ jobId: "ended", heldAt: new Date(AT.getTime() + 1) }), undefined);
    let continuationToken: string | undefined;
    // Other tests' holds lie in the same table.
    const isOver = ({ jobId }: UniqueHold): Promise<boolean> => Promise.resolve(jobId === "ended");
    let removed = 0;
    do {
      const page = await uniqueKeys.removeOver(new Date(AT.getTime() + 1), isOver, continuationToken);
      removed += page.removed;
      ({ continuationToken } = page);
    } while (continuationToken !== undefined);
    expect(removed).toBeGreaterThanOrEqual(1);
    expect(await uniqueKeys.get(over)).toBeUndefined();
    expect((await uniqueKeys.get(held))?.value.jobId).toBe("runs");
    expect((await uniqueKeys.get(young))?.value.jobId).toBe("ended");
  });

  it("a hold that was taken over after it was looked at is not removed", async () => {
    const key = keyOf();
    await uniqueKeys.put(key, holdOf({ jobId: "taken" }), undefined);
    const isOver = async ({ jobId }: UniqueHold): Promise<boolean> => {
      if (jobId !== "taken") return false;
      const stored = await uniqueKeys.get(key);
      await uniqueKeys.put(key, holdOf({ jobId: "new", heldAt: AT }), stored?.etag);
      return true;
    };
    await uniqueKeys.removeOver(new Date(AT.getTime() + 1), isOver, undefined);
    expect((await uniqueKeys.get(key))?.value.jobId).toBe("new");
  });
});
