import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startProtection, type ProtectionDriver } from "../../../../runtime/worker/machine/protection-driver.ts";
import type { ChangeAnswer } from "../../../../runtime/core/ports/machine.ts";
import { silentLog } from "../../../support/silent.ts";

const LOCK_MS = 60_000;
const DONE: ChangeAnswer = { kind: "done" };
const CONFLICT: ChangeAnswer = { kind: "failed", why: "conflict", retryAfterMs: undefined };
const forever = new AbortController().signal;

/** A driver over a Resource Manager that answers when the test says so. */
function started(mode: "required" | "best-effort") {
  const asked: { protect: boolean; at: number; answer: (answer: ChangeAnswer) => void }[] = [];
  let goneCount = 0;
  const driver: ProtectionDriver = startProtection({
    mode,
    protection: {
      change: (protect, signal) =>
        new Promise((resolve) => {
          asked.push({ protect, at: Date.now(), answer: resolve });
          signal.addEventListener("abort", () =>
            resolve({ kind: "failed", why: "unanswered", retryAfterMs: undefined }),
          );
        }),
    },
    idleGraceMs: 300_000,
    lockMs: LOCK_MS,
    onGone: () => goneCount++,
    monotonicNow: () => Date.now(),
    log: silentLog,
  });
  const answer = async (one: ChangeAnswer): Promise<void> => {
    asked.at(-1)!.answer(one);
    await vi.advanceTimersByTimeAsync(0);
  };
  return {
    ...driver,
    asked,
    answer,
    get goneCount() {
      return goneCount;
    },
  };
}

/** What a message's wait has come to so far. */
function waiting(driver: Pick<ProtectionDriver, "permit">, until = forever) {
  const wait: { outcome: "waits" | "starts" | "goes back"; held: Disposable | undefined } = {
    outcome: "waits",
    held: undefined,
  };
  void driver.permit.acquire(until).then((held) => {
    wait.held = held;
    wait.outcome = held === undefined ? "goes back" : "starts";
  });
  return wait;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the permit of a worker that must be protected", () => {
  it("a worker that must be protected receives nothing before it is", async () => {
    const driver = started("required");
    expect(driver.asked).toMatchObject([{ protect: true }]);
    expect(driver.permit.open).toBe(false);
    await driver.answer(DONE);
    expect(driver.permit.open).toBe(true);
    await driver.stop();
  });

  it("a message waits for protection for one lock's time and then goes back", async () => {
    const driver = started("required");
    await driver.answer(DONE);
    await vi.advanceTimersByTimeAsync(300_000);
    await driver.answer(DONE);
    expect(driver.permit.open).toBe(true);

    const first = waiting(driver);
    expect(driver.asked.at(-1)).toMatchObject({ protect: true });
    await vi.advanceTimersByTimeAsync(49_999);
    expect(first.outcome).toBe("waits");
    await vi.advanceTimersByTimeAsync(1);
    expect(first.outcome).toBe("goes back");
    expect(driver.permit.open).toBe(false);

    await driver.answer(DONE);
    expect(driver.permit.open).toBe(true);
    await driver.stop();
  });

  it("work starts as soon as protection is there, and keeps it", async () => {
    const driver = started("required");
    const [first, second] = [waiting(driver), waiting(driver)];
    await driver.answer(CONFLICT);
    expect(first.outcome).toBe("waits");
    await vi.advanceTimersByTimeAsync(5_000);
    await driver.answer(DONE);
    expect([first.outcome, second.outcome]).toEqual(["starts", "starts"]);

    first.held![Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(driver.asked).toHaveLength(2);
    second.held![Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(300_000);
    expect(driver.asked.at(-1)).toMatchObject({ protect: false });
    await driver.stop();
  });

  it("pauses shorter than the grace cost no request", async () => {
    const driver = started("required");
    await driver.answer(DONE);
    for (let job = 0; job < 20; job++) {
      const one = waiting(driver);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(one.outcome).toBe("starts");
      one.held![Symbol.dispose]();
      await vi.advanceTimersByTimeAsync(250_000);
    }
    expect(driver.asked).toHaveLength(1);
    await driver.stop();
  });

  it("a deleted instance is reported once, and nothing starts there", async () => {
    const driver = started("required");
    const wait = waiting(driver);
    await driver.answer({ kind: "gone" });
    expect(wait.outcome).toBe("goes back");
    expect(driver.goneCount).toBe(1);
    expect(driver.permit.open).toBe(false);
    expect(await driver.permit.acquire(forever)).toBeUndefined();
    await driver.stop();
  });

  it("waiting for protection ends with the message's lock or the worker", async () => {
    const driver = started("required");
    const lock = new AbortController();
    const [one, other] = [waiting(driver, lock.signal), waiting(driver)];
    lock.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect([one.outcome, other.outcome]).toEqual(["goes back", "waits"]);
    await driver.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect(other.outcome).toBe("goes back");
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the permit of a worker that tries to be protected", () => {
  it("best-effort protection waits for half a lock's time while Azure is silent", async () => {
    const driver = started("best-effort");
    expect(driver.permit.open).toBe(true);
    const wait = waiting(driver);
    await vi.advanceTimersByTimeAsync(29_999);
    expect(wait.outcome).toBe("waits");
    await vi.advanceTimersByTimeAsync(1);
    expect(wait.outcome).toBe("starts");
    await driver.stop();
  });

  it("best-effort protection starts jobs at once while requests keep failing", async () => {
    const driver = started("best-effort");
    await driver.answer(CONFLICT);
    const wait = waiting(driver);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(wait.outcome).toBe("waits");
    await driver.answer(CONFLICT);
    expect(wait.outcome).toBe("starts");
    expect(waiting(driver)).toBeDefined();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(driver.asked).toHaveLength(3);
    await driver.stop();
  });

  it("best-effort protection starts nothing on a deleted instance", async () => {
    const driver = started("best-effort");
    await driver.answer({ kind: "gone" });
    expect(await driver.permit.acquire(forever)).toBeUndefined();
    await driver.stop();
  });
});
