/**
 * Time that passes only while nothing else happens, for tests of what waits: locks of seconds cost nothing, and no busy
 * machine ends one. It takes the place of the clocks and timers of this process, so one test at a time may use it.
 */
import { setImmediate as turn } from "node:timers/promises";
import { vi } from "vitest";

const FAKED = ["Date", "performance", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] as const;

/**
 * What goes on outside of timers: files, and turns of the event loop that were asked for. It does not know of sockets:
 * what is run over one must not wait for it.
 */
const isWorking = (): boolean => process.getActiveResourcesInfo().some((name) => /Req|^Immediate$/.test(name));

/** Runs `work`. Each wait ends as soon as nothing else is left to do. Returns how many timers are left behind. */
export async function inVirtualTime<T>(
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly timersLeft: number }> {
  vi.useFakeTimers({ toFake: [...FAKED] });
  try {
    let isOver = false;
    const result = work().finally(() => (isOver = true));
    const passing = (async () => {
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- set above, in another turn
      while (!isOver) {
        await turn();
        if (!isWorking()) vi.advanceTimersToNextTimer();
      }
    })();
    const value = await result;
    await passing;
    return { value, timersLeft: vi.getTimerCount() };
  } finally {
    vi.useRealTimers();
  }
}
