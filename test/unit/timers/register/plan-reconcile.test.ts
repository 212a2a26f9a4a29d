import { describe, expect, it } from "vitest";
import type { FoundSubscription } from "../../../../runtime/core/ports/timer-topic.ts";
import type { Timer } from "../../../../runtime/core/timer/timer.ts";
import { subscriptionOf } from "../../../../runtime/core/deployment/topology.ts";
import {
  driftedPackages,
  planSubscriptions,
  type FoundPackage,
} from "../../../../runtime/timers/register/plan-reconcile.ts";
import { timerOf } from "../../../support/builders.ts";

const timer = (fields: Partial<Timer> = {}): Timer =>
  timerOf({ packageName: "pack.zip", packageHash: "one", ...fields });
const found = (fields: Partial<FoundPackage> = {}): FoundPackage => ({
  ...{ tenantName: "acme", packageName: "pack.zip", bytes: 1, sha256: "one", timerCount: 1 },
  uploadedAt: new Date("2026-03-01T12:00:00Z"),
  ...fields,
});
const TENANTS = new Set(["acme"]);
const drifted = (packages: readonly FoundPackage[], timers: readonly Timer[], tenants = TENANTS) =>
  driftedPackages(packages, timers, tenants).map(({ tenantName, packageName }) => `${tenantName}/${packageName}`);

describe("packages", () => {
  it("packages whose timer rows match their version are left alone", () => {
    expect(drifted([found()], [timer()])).toEqual([]);
    expect(drifted([found({ timerCount: 0 })], [])).toEqual([]);
    // Put there by other means: nobody has said that it has timers.
    const { tenantName, packageName, bytes, uploadedAt } = found();
    expect(drifted([{ tenantName, packageName, bytes, uploadedAt }], [])).toEqual([]);
  });

  it("packages with missing, partial or outdated timer rows are registered again", () => {
    expect(drifted([found()], [])).toEqual(["acme/pack.zip"]);
    expect(drifted([found({ timerCount: 2 })], [timer()])).toEqual(["acme/pack.zip"]);
    expect(drifted([found({ sha256: "two" })], [timer()])).toEqual(["acme/pack.zip"]);
    expect(drifted([found({ timerCount: 0 })], [timer()])).toEqual(["acme/pack.zip"]);
    expect(drifted([found()], [timer(), timer({ timerName: "Old" })])).toEqual(["acme/pack.zip"]);
  });

  it("rows of packages that are gone are removed", () => {
    const other = { packageName: "pack.two.zip" };
    expect(drifted([found(other)], [timer(), timer(other)])).toEqual(["acme/pack.zip"]);
  });

  it("packages of a missing tenant get no timers, and tenants are kept apart", () => {
    expect(drifted([found()], [], new Set())).toEqual([]);
    const both = new Set(["acme", "other"]);
    expect(drifted([found(), found({ tenantName: "other" })], [timer()], both)).toEqual(["other/pack.zip"]);
  });

  it("a drift has the same text while nothing changes", () => {
    const driftOf = (packages: readonly FoundPackage[], timers: readonly Timer[]) =>
      driftedPackages(packages, timers, TENANTS)[0]?.drift;
    const three = found({ timerCount: 3 });
    const [a, b] = [timer(), timer({ timerName: "Other" })];
    expect(driftOf([three], [a, b])).toBe(driftOf([three], [b, a]));
    const all = [
      driftOf([three], [a, b]),
      driftOf([three], [a]),
      driftOf([{ ...three, sha256: "two" }], [a, b]),
      driftOf([{ ...three, uploadedAt: new Date(0) }], [a, b]),
      driftOf([three], [a, { ...b, packageHash: "two" }]),
      driftOf([], [a, b]),
    ];
    expect(new Set(all).size).toBe(6);
  });
});

describe("subscriptions", () => {
  const of = (one: Timer, fields: Partial<FoundSubscription> = {}): FoundSubscription => ({
    ...{ name: subscriptionOf(one).name, isOurs: true, queue: subscriptionOf(one).queue },
    ...fields,
  });
  const NONE = new Set<string>();
  const POOLS = ["default"];

  it("missing subscriptions are made, and ours that forward elsewhere are repaired", () => {
    const [missing, right] = [timer({ timerName: "A" }), timer({ timerName: "B" })];
    const [wrong, deployed] = [timer({ timerName: "C" }), timer({ timerName: "D" })];
    const there = [of(right), of(wrong, { queue: "jobs-gpu-normal" }), of(deployed, { isOurs: false, queue: "x" })];
    const { ensure, remove } = planSubscriptions([missing, right, wrong, deployed], there, NONE, POOLS);
    expect(ensure).toEqual([missing, wrong]);
    expect(remove).toEqual([]);
  });

  it("no subscription is made for a pool that no longer exists", () => {
    expect(planSubscriptions([timer({ pool: "gone" })], [], NONE, POOLS).ensure).toEqual([]);
  });

  it("our subscriptions without a timer are removed when two rounds in a row find them", () => {
    const [orphan, deployed] = [timer({ timerName: "Old" }), timer({ timerName: "Theirs" })];
    const there = [of(orphan), of(deployed, { isOurs: false })];
    const first = planSubscriptions([], there, NONE, POOLS);
    expect([first.remove, first.suspects]).toEqual([[], new Set([of(orphan).name])]);
    expect(planSubscriptions([], there, first.suspects, POOLS).remove).toEqual([of(orphan).name]);
    // Its timer was being registered.
    const second = planSubscriptions([orphan], there, first.suspects, POOLS);
    expect([second.remove, second.suspects]).toEqual([[], NONE]);
    expect(planSubscriptions([], there, second.suspects, POOLS).remove).toEqual([]);
  });
});
