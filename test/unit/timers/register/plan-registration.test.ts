import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeclaredTimer } from "../../../../runtime/core/timer/declared.ts";
import type { Stored } from "../../../../runtime/core/ports/stored.ts";
import { scheduleHashOf, type Timer } from "../../../../runtime/core/timer/timer.ts";
import { planRegistration, type RegistrationPlan } from "../../../../runtime/timers/register/plan-registration.ts";

const NOW = new Date("2026-03-01T12:00:00Z");
const BEFORE = new Date("2026-02-01T00:00:00Z");
const SENT = new Date("2026-03-01T12:09:00Z");

const declared = (fields: Partial<DeclaredTimer> = {}): DeclaredTimer => ({
  ...{ tenantName: "acme", packageName: "pack.zip", timerName: "Export", cron: "0 * * * * *", timeZone: "UTC" },
  ...{ misfire: "once", overlap: "skip", graceMs: 60_000, runOnDeploy: false, pool: "default", priority: "normal" },
  ...fields,
});
const stored = (fields: Partial<Timer> = {}): Stored<Timer> => ({
  etag: "v1",
  value: {
    ...declared(),
    ...{ packageHash: "one", registeredAt: BEFORE, activeFrom: BEFORE, scheduledUpTo: SENT },
    ...{ pausedAt: undefined, pausedBy: undefined, override: undefined },
    ...fields,
  },
});
const plan = (wanted: readonly DeclaredTimer[], rows: readonly Stored<Timer>[], packageHash = "one") =>
  planRegistration({ declared: wanted, stored: rows, packageHash, now: NOW });

describe("a timer", () => {
  it("a new timer begins now and catches up no earlier ticks", () => {
    const { timers, removals } = plan([declared()], []);
    expect(timers).toEqual([
      {
        write: { etag: undefined },
        timer: {
          ...declared(),
          ...{ packageHash: "one", registeredAt: NOW, activeFrom: NOW, scheduledUpTo: NOW },
          ...{ pausedAt: undefined, pausedBy: undefined, override: undefined },
        },
      },
    ]);
    expect(removals).toEqual([]);
  });

  it("a timer that is registered as declared is not written", () => {
    const row = stored();
    expect(plan([declared()], [row])).toEqual({ timers: [{ timer: row.value, write: undefined }], removals: [] });
  });

  it("a timer with a schedule of its tenant keeps it and notes the declared one", () => {
    const override = { declaredCron: "0 * * * * *", declaredTimeZone: "UTC", setAt: BEFORE, setBy: "ann" };
    const row = stored({ cron: "0 0 3 * * *", timeZone: "Europe/Vienna", override });
    expect(plan([declared()], [row]).timers).toEqual([{ timer: row.value, write: undefined }]);
    const another = declared({ cron: "0 0 5 * * *", overlap: "queue" });
    expect(plan([another], [row], "two").timers).toEqual([
      {
        write: { etag: "v1" },
        timer: {
          ...row.value,
          ...{ overlap: "queue", packageHash: "two", override: { ...override, declaredCron: "0 0 5 * * *" } },
        },
      },
    ]);
  });

  it("a row with times that only a wrong clock can have written is repaired", () => {
    const far = new Date(NOW.getTime() + 3 * 3_600_000);
    const sentFar = stored({ scheduledUpTo: far });
    expect(plan([declared()], [sentFar]).timers).toEqual([
      { write: { etag: "v1" }, timer: { ...sentFar.value, scheduledUpTo: BEFORE } },
    ]);
    const activeFar = stored({ activeFrom: far, scheduledUpTo: far });
    expect(plan([declared()], [activeFar]).timers).toEqual([
      { write: { etag: "v1" }, timer: { ...activeFar.value, activeFrom: NOW, scheduledUpTo: NOW } },
    ]);
  });

  it.each<Partial<DeclaredTimer>>([{ cron: "0 0 * * * *" }, { timeZone: "Europe/Vienna" }])(
    "with another schedule (%j) begins anew, and stays paused",
    (change) => {
      const row = stored({ pausedAt: BEFORE, pausedBy: "ann" });
      expect(plan([declared(change)], [row]).timers).toEqual([
        { write: { etag: "v1" }, timer: { ...row.value, ...change, activeFrom: NOW, scheduledUpTo: NOW } },
      ]);
    },
  );

  it.each<Partial<DeclaredTimer>>([
    { misfire: "skip" },
    { misfire: { all: 3 } },
    { overlap: "queue" },
    { graceMs: 1 },
    { runOnDeploy: true },
    { pool: "gpu" },
    { priority: "high" },
  ])("with other settings (%j) goes on where it was", (change) => {
    const row = stored({ pausedAt: BEFORE, pausedBy: "ann" });
    expect(plan([declared(change)], [row]).timers).toEqual([
      { write: { etag: "v1" }, timer: { ...row.value, ...change } },
    ]);
  });

  it("a timer of a new version names the version and goes on where it was", () => {
    const row = stored();
    expect(plan([declared()], [row], "two").timers).toEqual([
      { write: { etag: "v1" }, timer: { ...row.value, packageHash: "two" } },
    ]);
  });

  it("a timer that is no longer declared is removed, and another spelling is another timer", () => {
    const row = stored();
    expect(plan([], [row])).toEqual({ timers: [], removals: [row] });
    for (const timerName of ["Import", "export"]) {
      const { timers, removals } = plan([declared({ timerName })], [row]);
      expect(timers).toMatchObject([{ write: { etag: undefined }, timer: { timerName, activeFrom: NOW } }]);
      expect(removals).toEqual([row]);
    }
  });
});

describe("any plan", () => {
  const settings = fc.record({
    timerName: fc.constantFrom("A", "B", "C", "D"),
    cron: fc.constantFrom("0 * * * * *", "0 0 * * * *"),
    timeZone: fc.constantFrom("UTC", "Europe/Vienna"),
    misfire: fc.constantFrom("once" as const, "skip" as const, { all: 2 }),
    overlap: fc.constantFrom("skip" as const, "queue" as const, "allow" as const),
    runOnDeploy: fc.boolean(),
    pool: fc.constantFrom("default", "gpu"),
  });
  const unique = <T extends { timerName: string }>(of: fc.Arbitrary<T>) =>
    fc.uniqueArray(of, { selector: ({ timerName }) => timerName });
  const rows = unique(
    fc.tuple(settings, fc.boolean(), fc.constantFrom("one", "two")).map(([given, paused, packageHash]) => ({
      ...given,
      packageHash,
      pausedAt: paused ? BEFORE : undefined,
    })),
  );

  /** As the store would be after the plan was carried out. */
  const carriedOut = ({ timers }: RegistrationPlan): readonly Stored<Timer>[] =>
    timers.map(({ timer, write }) => ({ value: timer, etag: write === undefined ? "v1" : "v2" }));

  it("any plan leaves exactly the declared timers, moves no unchanged schedule and is idempotent", () => {
    fc.assert(
      fc.property(unique(settings), rows, (wanted, known) => {
        const before = known.map((fields) => stored(fields));
        const all = wanted.map((fields) => declared(fields));
        const first = plan(all, before);
        expect(first.timers.map(({ timer }) => timer)).toMatchObject(all);
        for (const { timer, write } of first.timers) {
          const row = before.find(({ value }) => value.timerName === timer.timerName);
          expect(write?.etag).toBe(write === undefined ? undefined : row?.etag);
          const goesOn = row !== undefined && scheduleHashOf(row.value) === scheduleHashOf(timer);
          expect([timer.activeFrom, timer.scheduledUpTo]).toEqual(goesOn ? [BEFORE, SENT] : [NOW, NOW]);
          expect(timer.pausedAt).toBe(row?.value.pausedAt);
          expect(timer.packageHash).toBe("one");
        }
        const names = new Set(all.map(({ timerName }) => timerName));
        expect(first.removals).toEqual(before.filter(({ value }) => !names.has(value.timerName)));
        const second = plan(all, carriedOut(first));
        expect(second.timers.filter(({ write }) => write !== undefined)).toEqual([]);
        expect(second.removals).toEqual([]);
      }),
    );
  });
});
