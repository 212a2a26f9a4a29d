/** Answers of a service, kept for a short time and shared by those who ask meanwhile. A failure is not kept. */
import type { Clock } from "../../core/clock.ts";

export interface BriefMemory<T> {
  get(key: string, ask: () => Promise<T>): Promise<T>;
  forget(key: string): void;
}

export interface BriefMemoryDeps {
  readonly keptForMs: number;
  /** The oldest goes first. */
  readonly maxCount: number;
  readonly monotonicNow: Clock["monotonicNow"];
}

export function createBriefMemory<T>({ keptForMs, maxCount, monotonicNow }: BriefMemoryDeps): BriefMemory<T> {
  const kept = new Map<string, { readonly at: number; readonly answer: Promise<T> }>();

  /** Entries are in the order of their time. */
  function sweep(): void {
    for (const [key, { at }] of kept) {
      if (monotonicNow() - at < keptForMs && kept.size <= maxCount) return;
      kept.delete(key);
    }
  }

  return {
    get(key, ask) {
      sweep();
      const known = kept.get(key);
      if (known !== undefined) return known.answer;
      const answer = ask();
      kept.set(key, { at: monotonicNow(), answer });
      answer.catch(() => kept.get(key)?.answer === answer && kept.delete(key));
      return answer;
    },
    forget: (key) => void kept.delete(key),
  };
}
