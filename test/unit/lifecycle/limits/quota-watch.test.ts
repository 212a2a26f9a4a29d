import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { NEW_LINE, tenantLine } from "../../../../runtime/core/admission/limit.ts";
import { type PauseSet, createPauseSet } from "../../../../runtime/core/admission/pause.ts";
import { startQuotaWatch } from "../../../../runtime/lifecycle/limits/quota-watch.ts";
import { eventually } from "../../../support/eventually.ts";
import { batchOf, jobOf } from "../../../support/builders.ts";
import { silentLog } from "../../../support/silent.ts";
import { createMemoryStores } from "../../../support/stores/memory-stores.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const AFTER_MS = 3_000;
const holding = (max: number | undefined): PauseSet =>
  createPauseSet({
    pauses: [],
    runningLimits: max === undefined ? [] : [{ tenantName: "acme", max, setAt: new Date(0), setBy: "ada" }],
  });

it.each([
  ["grows", 2],
  ["is gone", undefined],
])("when a quota %s, the batches of those that wait are noted as soon as every worker knows it", async (_, next) => {
  const stores = createMemoryStores();
  const waits = await stores.batches.create(batchOf());
  const runs = await stores.batches.create(batchOf());
  for (const [at, batch] of [runs, waits, waits].entries()) {
    const name = tenantLine("acme");
    const { head } = await stores.lines.read(name, 0);
    const place = { ticket: at + 1, jobId: jobOf({}, batch).jobId, ring: 1, waits: at > 0 };
    await stores.lines.write(name, { head: { ...NEW_LINE, nextTicket: at + 2 }, etag: head?.etag, join: place });
  }
  let current = holding(undefined);
  let changed = (): void => undefined;
  const board = { current: () => current, onChange: (listener: () => void) => void (changed = listener) };
  const watch = startQuotaWatch({ ...stores, board, log: silentLog, afterMs: AFTER_MS });
  const become = (max: number | undefined): void => {
    current = holding(max);
    changed();
  };
  const noted = async () => new Set((await stores.waiting.list()).map(({ value }) => value.batchId));

  become(2);
  become(1);
  await vi.advanceTimersByTimeAsync(AFTER_MS);
  expect(await noted()).toEqual(new Set());
  become(next);
  await vi.advanceTimersByTimeAsync(AFTER_MS - 1);
  expect(await noted()).toEqual(new Set());
  await vi.advanceTimersByTimeAsync(1);
  await eventually(async () => expect(await noted()).toEqual(new Set([waits.batchId])));
  watch.stop();
});
