/** Timers over answers that are lost; what the port promises is in ports/timer-store.test.ts. */
import { describe, expect, it } from "vitest";
import { createTimerStore } from "../../../runtime/azure/index.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import { batchIdOf, newTimerRun, type Timer } from "../../../runtime/core/timer/timer.ts";
import { timerOf } from "../../support/builders.ts";
import { startStorageProxy } from "../../support/stores/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const newStore = (): TimerStore => createTimerStore({ storage: testStorage() });

async function inserted(fields: Partial<Timer> = {}): Promise<Stored<Timer>> {
  const timer = timerOf({ tenantName: freshTenant(), ...fields });
  expect(await newStore().write(timer, undefined)).toMatchObject({ written: true });
  return (await newStore().get(timer))!;
}

describe("a timer", () => {
  it("whose write loses its answer is shown with that write in it", async () => {
    await using network = await startStorageProxy();
    const store = createTimerStore({ storage: testStorage(network.connectionString) });
    const { value, etag } = await inserted();
    network.decide = ({ method }) => (method === "GET" ? "pass" : "lose");
    const changed = { ...value, pausedAt: new Date(7_000), pausedBy: "ada" };
    expect(await store.write(changed, etag)).toMatchObject({ written: false, current: { value: changed } });
  });

  it("whose removal loses its answer counts as removed", async () => {
    await using network = await startStorageProxy();
    const store = createTimerStore({ storage: testStorage(network.connectionString) });
    const { value, etag } = await inserted();
    network.decide = ({ method }) => (method === "GET" ? "pass" : "lose");
    expect(await store.remove(value, etag)).toEqual({ removed: true });
  });
});

describe("what a timer does", () => {
  const batchId = (): string => batchIdOf(timerOf({ tenantName: freshTenant() }));

  it("is written on its version only, once, and a lost answer shows the row", async () => {
    await using network = await startStorageProxy();
    const store = createTimerStore({ storage: testStorage(network.connectionString) });
    const run = newTimerRun(batchId());
    let faults = 1;
    network.decide = ({ method }) => (method === "POST" && faults-- > 0 ? "lose" : "pass");
    const lost = await store.writeRun(run, undefined);
    expect(lost).toMatchObject({ written: false, current: { value: run } });
    expect(await store.writeRun({ ...run, fence: 1 }, undefined)).toMatchObject({ written: false });
    const etag = lost.written ? "" : lost.current!.etag;
    expect(await store.writeRun({ ...run, fence: 1 }, etag)).toMatchObject({ written: true });
    expect(await store.writeRun({ ...run, fence: 2 }, etag)).toMatchObject({
      written: false,
      current: { value: { fence: 1 } },
    });
  });
});
