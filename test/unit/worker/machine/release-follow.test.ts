import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseReleasePointer } from "../../../../runtime/core/ports/release-reader.ts";
import {
  decideRelease,
  followReleases,
  ownPatienceMs,
  type ReleaseFacts,
} from "../../../../runtime/worker/machine/release-follow.ts";
import { silentLog } from "../../../support/silent.ts";

const pointerTo = (version: string) => ({ version, blob: `worker/${version}.tgz`, sha256: "0".repeat(64) });
const decide = (fields: Partial<ReleaseFacts>) =>
  decideRelease({
    ownVersion: "1",
    pointer: pointerTo("2"),
    differentSince: undefined,
    slots: 4,
    runningCount: 0,
    now: 1_000,
    patienceMs: 900,
    ...fields,
  });

describe("a worker that follows releases", () => {
  it("a worker goes on while the pointer names its own version", () => {
    expect(decide({ pointer: pointerTo("1"), differentSince: 5 })).toEqual({ leave: false, differentSince: undefined });
  });

  it("an idle worker leaves for any other version", () => {
    expect(decide({})).toEqual({ leave: true, differentSince: 1_000 });
    expect(decide({ pointer: pointerTo("0") }).leave).toBe(true);
  });

  it("a worker with one slot leaves while its job runs", () => {
    expect(decide({ slots: 1, runningCount: 1 }).leave).toBe(true);
  });

  it("a worker with several slots waits for its jobs, but not for ever", () => {
    expect(decide({ runningCount: 1 })).toEqual({ leave: false, differentSince: 1_000 });
    expect(decide({ runningCount: 1, differentSince: 101 }).leave).toBe(false);
    expect(decide({ runningCount: 1, differentSince: 100 }).leave).toBe(true);
  });

  it("each worker's patience is between one and two times the setting", () => {
    expect([0, 0.5, 0.999].map((chance) => ownPatienceMs(1_000, chance))).toEqual([1_000, 1_500, 1_999]);
    expect(ownPatienceMs(0, 0.7)).toBe(0);
  });

  it("a missing answer is no reason to leave and none to stay", () => {
    expect(decide({ pointer: undefined })).toEqual({ leave: false, differentSince: undefined });
    expect(decide({ pointer: undefined, differentSince: 100 })).toEqual({ leave: false, differentSince: 100 });
  });
});

describe("a worker with several slots, between two reads of the pointer", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function follow({ runningCount, version = "2" }: { runningCount: number; version?: string }) {
    const state = { runningCount, readCount: 0, leftCount: 0, isAway: false };
    const stop = followReleases({
      releases: {
        current() {
          state.readCount++;
          return state.isAway ? Promise.reject(new Error("away")) : Promise.resolve(pointerTo(version));
        },
      },
      ...{ ownVersion: "1", slots: 4, pollMs: 30_000, patienceMs: 600_000, log: silentLog },
      runningCount: () => state.runningCount,
      departure: {
        leave() {
          state.leftCount++;
        },
      },
      monotonicNow: () => performance.now(),
      random: () => 0.5,
    });
    return { state, stop };
  }

  it("leaves in the first second in which nothing runs, and reads no more often", async () => {
    const { state, stop } = follow({ runningCount: 2 });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(state).toMatchObject({ readCount: 1, leftCount: 0 });
    state.runningCount = 0;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(state).toMatchObject({ readCount: 1, leftCount: 1 });
    await stop();
  });

  it("leaves for the version it has read while no other answer comes", async () => {
    const { state, stop } = follow({ runningCount: 2 });
    await vi.advanceTimersByTimeAsync(0);
    state.isAway = true;
    await vi.advanceTimersByTimeAsync(65_000);
    expect(state).toMatchObject({ readCount: 3, leftCount: 0 });
    state.runningCount = 0;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(state.leftCount).toBe(1);
    await stop();
  });

  it("reads at its distance while the pointer names its own version", async () => {
    const { state, stop } = follow({ runningCount: 0, version: "1" });
    await vi.advanceTimersByTimeAsync(95_000);
    expect(state).toMatchObject({ readCount: 4, leftCount: 0 });
    await stop();
  });
});

describe("a release pointer", () => {
  it("a release pointer has version, blob and hash", () => {
    expect(parseReleasePointer(JSON.stringify(pointerTo("7")))).toEqual(pointerTo("7"));
    for (const text of ["", "{", "[]", "{}", '{"version":"7"}', JSON.stringify({ ...pointerTo("7"), sha256: "0" })]) {
      expect(parseReleasePointer(text)).toBeUndefined();
    }
  });
});
