/** The contract of core/ports/timer-store.ts. */
import { describe, expect, it } from "vitest";
import { InvariantError } from "../../../runtime/core/errors.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import { batchIdOf, newTimerRun, type Timer, type TimerRun } from "../../../runtime/core/timer/timer.ts";
import { timerOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

describe.each(BACKINGS)("over $name", ({ start }) => {
  const open = start();
  const newStore = (): TimerStore => open().timers;

  async function inserted(fields: Partial<Timer> = {}): Promise<Stored<Timer>> {
    const timer = timerOf({ tenantName: freshTenant(), ...fields });
    expect(await newStore().write(timer, undefined)).toMatchObject({ written: true });
    return (await newStore().get(timer))!;
  }

  const namesOf = (timers: readonly Timer[]): readonly string[] =>
    timers.map(({ packageName, timerName }) => `${packageName} ${timerName}`);

  describe("a timer", () => {
    it.each([
      {},
      { misfire: "skip", overlap: "queue", pausedAt: new Date("2030-01-01T00:00:00.123Z"), pausedBy: "ada" },
      {
        cron: "0 0 3 * * *",
        override: { declaredCron: "0 * * * * *", declaredTimeZone: "UTC", setAt: new Date(5_000), setBy: "ada" },
      },
      {
        misfire: { all: 7 },
        overlap: "allow",
        packageName: "My.Nightly.zip",
        timerName: "Tidy_Up-2",
        runOnDeploy: true,
      },
    ] as const)("a timer is read as it was written: %j", async (fields) => {
      const timer = timerOf({ tenantName: freshTenant(), ...fields });
      const result = await newStore().write(timer, undefined);
      expect(await newStore().get(timer)).toEqual({ value: timer, etag: result.written ? result.etag : "" });
    });

    it("reading a timer by an unknown or invalid name finds nothing", async () => {
      const { value } = await inserted();
      expect(await newStore().get({ ...value, timerName: "Other" })).toBeUndefined();
      expect(await newStore().get({ ...value, packageName: "a/b.zip" })).toBeUndefined();
      expect(await newStore().get({ ...value, timerName: "a.b" })).toBeUndefined();
    });

    it("a timer is written only with its current version, and a refusal returns the current row", async () => {
      const { value, etag } = await inserted();
      const store = newStore();
      expect(await store.write({ ...value, overlap: "queue" }, etag)).toMatchObject({ written: true });
      expect(await store.write({ ...value, overlap: "allow" }, etag)).toMatchObject({
        written: false,
        current: { value: { overlap: "queue" } },
      });
      expect(await store.write(value, undefined)).toMatchObject({
        written: false,
        current: { value: { overlap: "queue" } },
      });
      expect((await store.get(value))?.value.overlap).toBe("queue");
    });

    it("a timer is removed only with its current version, and its run stays", async () => {
      const { value, etag } = await inserted();
      const store = newStore();
      const run = { ...newTimerRun(batchIdOf(value)), fence: 4 };
      await store.writeRun(run, undefined);
      expect(await store.remove(value, "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\"")).toEqual({ removed: false });
      expect(await store.remove(value, etag)).toEqual({ removed: true });
      expect(await store.get(value)).toBeUndefined();
      expect((await store.run(run.batchId))?.value).toEqual(run);
      expect(await store.remove(value, etag)).toEqual({ removed: true });
    });
  });

  describe("the timers of a tenant", () => {
    it("the timers of a tenant are listed by package and name in pages, without runs and other tenants' timers", async () => {
      const tenantName = freshTenant();
      const store = newStore();
      for (const [packageName, timerName] of [
        ["b.zip", "Two"],
        ["a.zip", "One"],
        ["a.b.zip", "One"],
        ["a.zip", "Zero"],
      ] as const) {
        const { value } = await inserted({ tenantName, packageName, timerName });
        await store.writeRun(newTimerRun(batchIdOf(value)), undefined);
      }
      await inserted();
      const found: Timer[] = [];
      let continuationToken: string | undefined;
      do {
        const page = await store.list(tenantName, { pageSize: 3, continuationToken });
        found.push(...page.items);
        ({ continuationToken } = page);
      } while (continuationToken !== undefined);
      expect(namesOf(found)).toEqual(["a.zip One", "a.zip Zero", "a.b.zip One", "b.zip Two"]);
      const ofPackage = async (name: string) =>
        namesOf((await store.ofPackage(tenantName, name)).map((one) => one.value));
      expect(await ofPackage("a.zip")).toEqual(["a.zip One", "a.zip Zero"]);
      expect(await ofPackage("a.b.zip")).toEqual(["a.b.zip One"]);
      expect(await ofPackage("c.zip")).toEqual([]);
    });

    it("the list of all timers has the timers of every tenant", async () => {
      const mine = [await inserted(), await inserted()].map(({ value }) => value);
      const all: Timer[] = [];
      for await (const { value } of newStore().all()) all.push(value);
      expect(all).toEqual(expect.arrayContaining(mine));
    });

    it("the list of timers refuses a token of another list", async () => {
      const list = newStore().list("acme", { pageSize: 1, continuationToken: "x" });
      await expect(list).rejects.toMatchObject({ code: "InvalidRequest" });
    });
  });

  describe("what a timer does", () => {
    const batchId = (): string => batchIdOf(timerOf({ tenantName: freshTenant() }));

    it("the run of a timer is read as it was written, also when its lists become shorter", async () => {
      const store = newStore();
      const run: TimerRun = {
        batchId: batchId(),
        currentJobId: "job",
        fence: 12,
        waitingJobIds: ["one", "two"],
        coveredUpTo: new Date("2030-01-01T00:00:00.001Z"),
        overtakenTicks: [new Date("2029-12-31T23:00:00Z")],
        lastScheduledAt: new Date("2030-01-01T00:00:00.001Z"),
        skippedCount: 1,
        lastSkippedAt: new Date(1_000),
        missedCount: 2,
        lastMissedAt: new Date(2_000),
        missedTicks: [new Date(1_000), new Date(2_000)],
      };
      const first = await store.writeRun(run, undefined);
      expect(await store.run(run.batchId)).toEqual({ value: run, etag: first.written ? first.etag : "" });
      const calm = { ...newTimerRun(run.batchId), fence: 13 };
      expect(await store.writeRun(calm, first.written ? first.etag : "")).toMatchObject({ written: true });
      expect((await store.run(run.batchId))?.value).toEqual(calm);
    });

    it("the run of a timer is absent before its first job and for an invalid batch id", async () => {
      expect(await newStore().run(batchId())).toBeUndefined();
      expect(await newStore().run("../x")).toBeUndefined();
    });

    it("the run of a timer is written only with its current version, and a refusal returns the current row", async () => {
      const store = newStore();
      const run = newTimerRun(batchId());
      const first = await store.writeRun(run, undefined);
      const etag = first.written ? first.etag : "";
      expect(await store.writeRun({ ...run, fence: 1 }, undefined)).toEqual({
        written: false,
        current: { value: run, etag },
      });
      expect(await store.writeRun({ ...run, fence: 1 }, etag)).toMatchObject({ written: true });
      expect(await store.writeRun({ ...run, fence: 2 }, etag)).toMatchObject({
        written: false,
        current: { value: { fence: 1 } },
      });
      expect(await store.writeRun(newTimerRun(batchId()), etag)).toEqual({ written: false, current: undefined });
    });

    it("the run of a timer can hold the maximum number of waiting jobs and ticks", async () => {
      const run = {
        ...newTimerRun(batchId()),
        waitingJobIds: Array.from({ length: 1_000 }, (_, i) => `acme.zz${"0".repeat(16)}.00.${i}`),
        missedTicks: Array.from({ length: 1_000 }, (_, i) => new Date(i)),
      };
      await newStore().writeRun(run, undefined);
      expect((await newStore().run(run.batchId))?.value).toEqual(run);
    });

    it("the run of a timer is refused for an invalid batch id", async () => {
      await expect(newStore().writeRun(newTimerRun("../x"), undefined)).rejects.toThrow(InvariantError);
    });
  });

  describe("a timer's name", () => {
    it("writing and removing a timer with an invalid name is refused", async () => {
      for (const name of [
        { packageName: "a/b.zip" },
        { packageName: "none" },
        { timerName: "a.b" },
        { timerName: "a~b" },
      ]) {
        const timer = timerOf({ tenantName: freshTenant(), ...name });
        await expect(newStore().write(timer, undefined)).rejects.toThrow(InvariantError);
        await expect(newStore().remove(timer, "x")).rejects.toThrow(InvariantError);
      }
    });
  });

  describe("a page of timers", () => {
    it("the list of timers continues when the timer of its token was removed", async () => {
      const tenantName = freshTenant();
      for (const timerName of ["A", "B", "C"]) await inserted({ tenantName, timerName });
      const { items, continuationToken } = await newStore().list(tenantName, { pageSize: 2 });
      for (const timer of items) await newStore().remove(timer, (await newStore().get(timer))!.etag);
      const rest = await newStore().list(tenantName, { pageSize: 2, continuationToken });
      expect([...items, ...rest.items].map(({ timerName }) => timerName)).toEqual(["A", "B", "C"]);
      expect(rest.continuationToken).toBeUndefined();
    });
  });
});
