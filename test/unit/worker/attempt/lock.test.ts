import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LockLostError, UnavailableError } from "../../../../runtime/core/errors.ts";
import { lockMarginMs } from "../../../../runtime/core/limits.ts";
import { keepLock } from "../../../../runtime/worker/attempt/lock.ts";
import { silentMetrics } from "../../../support/silent.ts";

const LOCK_MS = 60_000;
const END_OF_WORK_MS = LOCK_MS - lockMarginMs(LOCK_MS);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const clocks = {
  now: () => new Date(),
  monotonicNow: () => performance.now(),
  lockMs: LOCK_MS,
  pool: "p",
  metrics: silentMetrics,
};
const lockWith = (renew: () => Promise<number>, lockedForMs = LOCK_MS) =>
  keepLock({ renew, lockedUntil: Date.now() + lockedForMs }, clocks);

const renewed = (): Promise<number> => Promise.resolve(Date.now() + LOCK_MS);
const unavailable = (): Promise<number> => Promise.reject(new UnavailableError("BusUnavailable", "away"));

describe("the lock of a message", () => {
  it("a lock is renewed at a third of its time while the work lasts", async () => {
    const renew = vi.fn(renewed);
    const lock = lockWith(renew);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(lock.signal.aborted).toBe(false);
    expect(renew).toHaveBeenCalledTimes(3_600_000 / (LOCK_MS / 3));
    lock.stop();
    await vi.advanceTimersByTimeAsync(LOCK_MS);
    expect(renew).toHaveBeenCalledTimes(3_600_000 / (LOCK_MS / 3));
    expect(vi.getTimerCount()).toBe(0);
  });

  it("a lock is given up shortly before its end when no renewal succeeds", async () => {
    const renew = vi.fn(unavailable);
    const lock = lockWith(renew);
    await vi.advanceTimersByTimeAsync(END_OF_WORK_MS - 1);
    expect(lock.signal.aborted).toBe(false);
    expect(renew.mock.calls.length).toBeGreaterThan(10);
    await vi.advanceTimersByTimeAsync(1);
    expect(lock.signal.reason).toBeInstanceOf(LockLostError);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("a lock is given up at once when the broker says that it is lost", async () => {
    const lock = lockWith(() => Promise.reject(new LockLostError("gone")));
    await vi.advanceTimersByTimeAsync(LOCK_MS / 3);
    expect(lock.signal.aborted).toBe(true);
  });

  it("a lock survives an outage that ends in time", async () => {
    let away = true;
    const lock = lockWith(() => (away ? unavailable() : renewed()));
    await vi.advanceTimersByTimeAsync(END_OF_WORK_MS - 2_000);
    away = false;
    await vi.advanceTimersByTimeAsync(LOCK_MS * 3);
    expect(lock.signal.aborted).toBe(false);
    lock.stop();
  });

  it("a lock counts from before the renewal was requested", async () => {
    let answer: ((until: number) => void) | undefined;
    const lock = lockWith(() => new Promise((resolve) => (answer = resolve)));
    const askedAt = LOCK_MS / 3;
    await vi.advanceTimersByTimeAsync(askedAt + 15_000);
    answer?.(0);
    await vi.advanceTimersByTimeAsync(0);
    expect(lock.remainingMs()).toBe(END_OF_WORK_MS - 15_000);
    lock.stop();
  });

  it("a lock is given up although a renewal hangs", async () => {
    const lock = lockWith(() => new Promise(() => undefined));
    await vi.advanceTimersByTimeAsync(END_OF_WORK_MS);
    expect(lock.signal.aborted).toBe(true);
  });

  it("a lock never lasts longer than the queue's locks, even if the clock is behind", async () => {
    const lock = lockWith(unavailable, LOCK_MS + 3_600_000);
    await vi.advanceTimersByTimeAsync(END_OF_WORK_MS);
    expect(lock.signal.aborted).toBe(true);
  });

  it("a lock that is almost over lets nothing start unless it is renewed", async () => {
    const nearlyOver = lockMarginMs(LOCK_MS) + 1_000;
    const lost = lockWith(unavailable, nearlyOver);
    await expect(lost.ensure(5_000)).rejects.toBeInstanceOf(LockLostError);
    lost.stop();
    const kept = lockWith(renewed, nearlyOver);
    await kept.ensure(5_000);
    expect(kept.remainingMs()).toBe(END_OF_WORK_MS);
    kept.stop();
  });
});
