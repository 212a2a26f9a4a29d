/** How soon a wait sees the end, and how many requests it sends until then, on a clock of the test's own. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { JobServiceError } from "../../../runtime/client/job-service-error.ts";
import type { Transport } from "../../../runtime/client/transport.ts";
import { createWaits, type WaitForJobOptions } from "../../../runtime/client/wait.ts";
import type { BatchView, JobView } from "../../../runtime/core/http/views.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Time of one request, and of an event on its way. */
const HOP_MS = 5;
const HEARTBEAT_MS = 15_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Told {
  readonly atMs: number;
  readonly event: string;
}

/** A service with one job or batch that ends at a time. `events`: what its stream tells; undefined: it has none. */
function service(endsAtMs: number, events: readonly Told[] | undefined) {
  const startedAt = performance.now();
  const passed = (): number => performance.now() - startedAt;
  const requests = { looks: 0, streams: 0 };
  async function look<T>(running: T, ended: T): Promise<T> {
    requests.looks++;
    await sleep(HOP_MS);
    return passed() >= endsAtMs ? ended : running;
  }

  function stream(): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    const timers: NodeJS.Timeout[] = [];
    return new ReadableStream({
      start(controller) {
        const say = (text: string): void => controller.enqueue(encoder.encode(text));
        timers.push(setInterval(() => say(":\n\n"), HEARTBEAT_MS));
        for (const { atMs, event } of events ?? []) {
          const tell = (): void => say(`event: ${event}\ndata: {}\n\n`);
          if (atMs >= passed()) timers.push(setTimeout(tell, atMs + HOP_MS - passed()));
        }
      },
      cancel() {
        for (const timer of timers) clearTimeout(timer);
      },
    });
  }

  const transport = {
    policy: { maxAttempts: 1, firstDelayMs: 1, maxDelayMs: 1, giveUpAfterMs: Infinity },
    async open() {
      requests.streams++;
      await sleep(HOP_MS);
      if (events === undefined) throw new JobServiceError("Forbidden", "No events here.", { status: 403 });
      return new Response(stream());
    },
  } as unknown as Transport;
  const running = { state: "running" } as JobView;
  const counts = { queued: 0, running: 1, succeeded: 0, failed: 0, canceled: 0, total: 1 };
  const waits = createWaits({
    transport,
    monitoring: {
      getJob: () => look(running, { ...running, state: "succeeded" }),
      getBatch: () => look({ counts } as BatchView, { counts: { ...counts, running: 0, succeeded: 1 } } as BatchView),
    },
  });
  return { waits, requests, passed };
}

/** Lets time pass until the wait is over. */
async function over<T>(waiting: Promise<T>): Promise<T> {
  let isOver = false;
  const ended = waiting.finally(() => (isOver = true));
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- set above, in another turn
  while (!isOver) await vi.advanceTimersByTimeAsync(1);
  return ended;
}

async function waitFor(endsAtMs: number, events?: readonly Told[], options?: WaitForJobOptions) {
  const { waits, requests, passed } = service(endsAtMs, events);
  await over(waits.waitForJob("a", options));
  return { ms: passed(), ...requests };
}

const ENDS = (atMs: number): readonly Told[] => [
  { atMs: atMs / 2, event: "jobStarted" },
  { atMs, event: "jobCompleted" },
];

describe("waiting for a job", () => {
  it("sends one request for a job that has ended", async () => {
    expect(await waitFor(0, [])).toMatchObject({ ms: HOP_MS, looks: 1, streams: 0 });
  });

  it.each([40, 60, 90, 500, 3_000])(
    "sees the end of a job after %i ms as soon as its event arrives",
    async (endsAtMs) => {
      const { ms } = await waitFor(endsAtMs, ENDS(endsAtMs));
      expect(ms).toBeLessThanOrEqual(endsAtMs + 2 * HOP_MS + 2);
    },
  );

  it("sees the end soon without events too: a short wait takes no more than three times as long", async () => {
    for (const endsAtMs of [10, 21, 45, 70, 200, 450, 1_100, 2_000]) {
      const { ms } = await waitFor(endsAtMs);
      expect(ms).toBeLessThanOrEqual(Math.max(30, 3 * endsAtMs));
    }
  });

  it("sees an end whose event was lost within a second, or by the next look of a long wait", async () => {
    expect((await waitFor(600, [])).ms).toBeLessThan(1_100);
    expect((await waitFor(5_000, [])).ms).toBeLessThan(17_000);
  });

  it("sends few requests during a long wait, with events and without", async () => {
    const minute = 60_000;
    const told = [...Array.from({ length: 100 }, (_, i) => ({ atMs: 500 * i + 200, event: "jobProgressed" }))];
    const pushed = await waitFor(minute, [...told, ...ENDS(minute)]);
    expect(pushed.streams).toBe(1);
    expect(pushed.looks).toBeLessThanOrEqual(8);
    const polled = await waitFor(minute);
    expect(polled.streams).toBe(1);
    expect(polled.looks).toBeLessThanOrEqual(19);
  });

  it("polls after every event for a caller who shows progress, many events together once", async () => {
    const told = Array.from({ length: 50 }, (_, i) => ({ atMs: 1_000 + i, event: "jobProgressed" }));
    let seen = 0;
    const { looks } = await waitFor(3_000, [...told, ...ENDS(3_000)], { onLook: () => (seen += 1) });
    expect(seen).toBe(looks);
    expect(looks).toBeLessThanOrEqual(7);
    expect(looks).toBeGreaterThanOrEqual(5);
  });
});

describe("waiting for a batch", () => {
  it("polls soon after the end of one of its jobs, and at once after its own", async () => {
    const open = service(300, [{ atMs: 300, event: "jobCompleted" }]);
    await over(open.waits.waitForBatch("b"));
    expect(open.passed()).toBeLessThan(450);
    const closed = service(300, [{ atMs: 300, event: "batchCompleted" }]);
    await over(closed.waits.waitForBatch("b"));
    expect(closed.passed()).toBeLessThan(320);
  });
});
