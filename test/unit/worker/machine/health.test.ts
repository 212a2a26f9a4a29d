import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BUS_AWAY_UNHEALTHY_MS, START_UNHEALTHY_MS } from "../../../../runtime/core/limits.ts";
import {
  type Vitals,
  feedServiceWatchdog,
  isAlive,
  isWell,
  partsNotReady,
} from "../../../../runtime/worker/machine/health.ts";
import { eventually } from "../../../support/eventually.ts";
import { silentLog } from "../../../support/silent.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const NOW = 10 * START_UNHEALTHY_MS;
const receiving = { waiting: true, returnedAt: NOW - 60_000, failingSince: undefined };
const vitals = (fields: Partial<Vitals>): Vitals => ({
  now: NOW,
  startedAt: 0,
  contact: receiving,
  runningCount: 0,
  leaving: false,
  defectiveSince: undefined,
  ...fields,
});
const away = { ...receiving, failingSince: NOW - BUS_AWAY_UNHEALTHY_MS };
const stalled = { ...receiving, returnedAt: NOW - 180_000 };

describe("a worker's health", () => {
  it("a worker is well while it receives or is busy", () => {
    expect(isWell(vitals({}))).toBe(true);
    expect(isWell(vitals({ contact: away, runningCount: 1 }))).toBe(true);
    expect(isWell(vitals({ contact: away, leaving: true }))).toBe(true);
  });

  it("an idle worker that cannot reach the broker is not well", () => {
    expect(isWell(vitals({ contact: { ...away, failingSince: away.failingSince + 1 } }))).toBe(true);
    expect(isWell(vitals({ contact: away }))).toBe(false);
  });

  it("a starting worker is well, unless that takes too long", () => {
    expect(isWell(vitals({ contact: undefined, now: START_UNHEALTHY_MS - 1 }))).toBe(true);
    expect(isWell(vitals({ contact: undefined, now: START_UNHEALTHY_MS }))).toBe(false);
  });
});

describe("what keeps a worker from working", () => {
  it("a worker that receives is ready, also while it is busy", () => {
    expect(partsNotReady(vitals({}))).toEqual([]);
    expect(partsNotReady(vitals({ runningCount: 1 }))).toEqual([]);
  });

  it("each part is named from the moment it fails, before the worker counts as not well", () => {
    const failingSince = NOW - 1;
    const broken = vitals({ contact: { ...receiving, failingSince }, defectiveSince: NOW - 5 });
    expect(partsNotReady(broken)).toEqual([
      { part: "broker", since: failingSince },
      { part: "machine", since: NOW - 5 },
    ]);
    expect(partsNotReady(vitals({ contact: undefined, startedAt: 7 }))).toEqual([{ part: "start", since: 7 }]);
  });
});

describe("a worker's life", () => {
  it("an idle worker whose receives hang is not alive", () => {
    expect(isAlive(vitals({}))).toBe(true);
    expect(isAlive(vitals({ contact: stalled }))).toBe(false);
    expect(isAlive(vitals({ contact: stalled, runningCount: 1 }))).toBe(true);
    expect(isAlive(vitals({ contact: stalled, leaving: true }))).toBe(true);
  });

  it("a worker that does not receive, or gets only errors, is alive", () => {
    expect(isAlive(vitals({ contact: { ...stalled, waiting: false } }))).toBe(true);
    expect(isAlive(vitals({ contact: { ...away, waiting: true } }))).toBe(true);
    expect(isAlive(vitals({ contact: undefined }))).toBe(true);
  });
});

it("the service watchdog gets signs of life while the worker is alive", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "signs");
  await using file = await open(path, "a");
  const count = async (): Promise<number> => (await readFile(path)).length;
  let asked = 0;
  const stop = feedServiceWatchdog({
    settings: { descriptor: file.fd, watchdogMs: 3 },
    isAlive: () => ++asked <= 5,
    log: silentLog,
  });
  await eventually(() => expect(asked).toBeGreaterThan(10));
  stop();
  expect(await count()).toBe(5);
});
