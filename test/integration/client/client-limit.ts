/**
 * The time limit of a client's requests, which passes when a test says so and at no other time: a test of what never
 * answers waits for nothing, and no busy machine makes a slow answer one that is missing.
 */
import { vi } from "vitest";

/** A day: no other timer has it. For the client's option `answerWithinMs`. */
export const LIMIT_MS = 86_400_000;

/** Until it is disposed of, `pass` ends the limits of all requests that are under way. */
export function holdLimits(): { readonly pass: () => void; [Symbol.dispose](): void } {
  const waiting = new Set<() => void>();
  const { setTimeout } = globalThis;
  const spy = vi.spyOn(globalThis, "setTimeout").mockImplementation((work: () => void, ms?: number) => {
    if (ms === LIMIT_MS) waiting.add(work);
    // The client takes it off when an answer comes.
    return setTimeout(work, ms);
  });
  return {
    pass() {
      for (const work of waiting) work();
      waiting.clear();
    },
    [Symbol.dispose]: () => spy.mockRestore(),
  };
}
