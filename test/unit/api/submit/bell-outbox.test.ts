import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createBellOutbox, RETRY_MS, WAITING_MAX_COUNT } from "../../../../runtime/api/submit/bell-outbox.ts";
import type { OutgoingBell } from "../../../../runtime/core/ports/job-queue.ts";
import { silentLog } from "../../../support/silent.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const bells = (count: number): readonly OutgoingBell[] => Array<OutgoingBell>(count).fill({} as OutgoingBell);

/** Half the bound: two of it fill the outbox. */
const HALF = bells(WAITING_MAX_COUNT / 2);

/** A queue whose sends end when the test says so. */
function setUp() {
  const sends: { readonly queueName: string; readonly count: number; end(): void; fail(): void }[] = [];
  const errors: Readonly<Record<string, unknown>>[] = [];
  const outbox = createBellOutbox({
    queue: {
      send: (queueName, { length: count }) =>
        new Promise<void>((end, reject) => {
          sends.push({ queueName, count, end, fail: () => reject(new Error("broker away")) });
        }),
    },
    log: { ...silentLog, error: (fields) => void errors.push(fields) },
  });
  const isReady = (): boolean => {
    try {
      outbox.assertReady();
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: "BusUnavailable", retryable: true });
      return false;
    }
  };
  /** Rings, and the broker is away. */
  async function keep(queueName: string, kept: readonly OutgoingBell[]): Promise<void> {
    const ringing = outbox.send(queueName, kept);
    sends.pop()?.fail();
    await ringing;
  }
  const turn = () => vi.advanceTimersByTimeAsync(0);
  const nextPass = () => vi.advanceTimersByTimeAsync(RETRY_MS);
  return { outbox, sends, errors, isReady, keep, turn, nextPass };
}

describe("bells that could not be sent", () => {
  it("count towards the bound, also while they are sent again", async () => {
    const { sends, isReady, keep, turn, nextPass } = setUp();
    await keep("a", HALF);
    expect(isReady()).toBe(true);
    await keep("a", HALF);
    expect(isReady()).toBe(false);
    await nextPass();
    expect(sends).toHaveLength(1);
    expect(isReady()).toBe(false);
    sends.pop()?.end();
    await turn();
    expect(sends).toHaveLength(1);
    expect(isReady()).toBe(true);
  });

  it("make those count that are sent for the first time meanwhile", async () => {
    const { outbox, sends, isReady, keep } = setUp();
    const burst = [1, 2, 3].map(() => outbox.send("a", HALF));
    expect(isReady()).toBe(true);
    await keep("b", bells(1));
    expect(isReady()).toBe(false);
    for (const send of sends) send.end();
    await Promise.all(burst);
    expect(isReady()).toBe(true);
  });

  it("are sent by one pass at a time, whatever fails meanwhile", async () => {
    const { sends, keep, turn, nextPass } = setUp();
    await keep("a", bells(1));
    await nextPass();
    const [slow] = sends;
    await keep("a", bells(2));
    await keep("b", bells(3));
    await nextPass();
    await nextPass();
    expect(sends).toEqual([slow]);
    slow?.fail();
    await turn();
    expect(vi.getTimerCount()).toBe(1);
    await nextPass();
    sends[1]?.end();
    await turn();
    sends[2]?.end();
    await turn();
    sends[3]?.end();
    await turn();
    expect(sends.slice(1).map(({ queueName, count }) => [queueName, count])).toEqual([
      ["a", 2],
      ["b", 3],
      ["a", 1],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("of a queue that fails wait for the next pass; those of other queues are sent, and none blocks the rest", async () => {
    const { sends, keep, turn, nextPass } = setUp();
    await keep("a", bells(1));
    await keep("a", bells(2));
    await keep("b", bells(3));
    await nextPass();
    sends.pop()?.fail();
    await turn();
    expect(sends.map(({ queueName }) => queueName)).toEqual(["b"]);
    sends.pop()?.end();
    await turn();
    expect(sends).toEqual([]);
    await nextPass();
    expect(sends).toHaveLength(1);
    sends.pop()?.end();
    await turn();
    expect(sends).toHaveLength(1);
  });
});

describe("close", () => {
  it("waits for the pass and the first sends, then tries once more", async () => {
    const { outbox, sends, errors, keep, turn, nextPass } = setUp();
    await keep("a", bells(1));
    await nextPass();
    const ringing = outbox.send("b", bells(2));
    let isClosed = false;
    const closing = outbox.close().then(() => (isClosed = true));
    void outbox.close();
    sends.shift()?.fail();
    await turn();
    expect(sends).toHaveLength(1);
    sends.shift()?.fail();
    await ringing;
    await turn();
    expect(isClosed).toBe(false);
    sends.shift()?.end();
    await turn();
    sends.shift()?.end();
    await closing;
    expect(sends).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    expect(errors).toEqual([]);
  });

  it("says how many bells are left when the broker stays away, and leaves no timer", async () => {
    const { outbox, sends, errors, keep, turn } = setUp();
    await keep("a", bells(1));
    await keep("a", bells(2));
    const closing = outbox.close();
    await turn();
    sends.pop()?.fail();
    await closing;
    expect(sends).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    expect(errors).toEqual([{ count: 3 }]);
  });
});
