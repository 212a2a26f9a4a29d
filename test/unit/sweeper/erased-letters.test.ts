import { expect, it } from "vitest";
import { newErasure } from "../../../runtime/core/job/erasure.ts";
import { jobTime } from "../../../runtime/core/job/ids.ts";
import { retentionOf } from "../../../runtime/core/job/retention.ts";
import { createForgetSweep } from "../../../runtime/sweeper/forget/forget-sweep.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { silentLog, silentUnreadable } from "../../support/silent.ts";
import { createMemoryStores } from "../../support/stores/memory-stores.ts";

it("dead letters of jobs that were erased with their tenant are due, but not those of a later tenant of the name", async () => {
  const stores = createMemoryStores();
  const idOf = (tenantName: string): string => jobOf({}, batchOf({ tenantName })).jobId;
  const ofAcme = idOf("acme");
  // Ids of one process never go back in time, whatever its clock did in an earlier test.
  const endedAt = new Date(jobTime(ofAcme).getTime() + 1);
  const now = new Date();
  const erasure = newErasure("acme", now, "ada");
  await stores.erasures.put({ ...erasure, state: "done", endedAt }, undefined);
  await stores.erasures.put({ ...erasure, tenantName: "acme-eu" }, undefined);
  const sweeping = () =>
    createForgetSweep({
      ...stores,
      defaultRetention: retentionOf({ rowDays: 90, logDays: 30, fileDays: 90, deadLetterDays: 30 }),
      ...{ unreadable: silentUnreadable, now: () => now, log: silentLog },
    });
  const sweep = sweeping();
  expect(sweep.isLetterDue(ofAcme, now)).toBe(false);
  await sweep.sweep();
  expect(sweep.isLetterDue(ofAcme, now)).toBe(true);
  expect(sweep.isLetterDue(idOf("acme-eu"), now)).toBe(false);
  expect(sweep.isLetterDue(idOf("acme-eu"), new Date(now.getTime() - 31 * 86_400_000))).toBe(true);
  const acme = (await stores.erasures.get("acme"))!;
  await stores.erasures.put({ ...acme.value, endedAt: new Date(0) }, acme.etag);
  const later = sweeping();
  await later.sweep();
  expect(later.isLetterDue(ofAcme, now)).toBe(false);
});
