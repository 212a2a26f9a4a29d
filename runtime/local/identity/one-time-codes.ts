/** Unguessable texts that stand for something for a while, in memory: codes and refresh tokens. */
import { randomBytes } from "node:crypto";

export interface OneTimeCodes<T> {
  /** Default code: 256 random bits. */
  issue(value: T, code?: string): string;
  peek(code: string): T | undefined;
  /** Gives the value and forgets the code. */
  take(code: string): T | undefined;
}

export interface OneTimeCodesOptions {
  readonly lifeMs: number;
  readonly now: () => number;
}

/** So many at a time; the oldest is forgotten for one more. */
const CODES_MAX = 1_000;

export function createOneTimeCodes<T>({ lifeMs, now }: OneTimeCodesOptions): OneTimeCodes<T> {
  const codes = new Map<string, { readonly value: T; readonly endsAt: number }>();

  function peek(code: string): T | undefined {
    const entry = codes.get(code);
    return entry !== undefined && now() < entry.endsAt ? entry.value : undefined;
  }

  return {
    issue(value, code = randomBytes(32).toString("base64url")) {
      const [oldest] = codes.keys();
      if (codes.size >= CODES_MAX && oldest !== undefined) codes.delete(oldest);
      codes.set(code, { value, endsAt: now() + lifeMs });
      return code;
    },
    peek,
    take(code) {
      const value = peek(code);
      codes.delete(code);
      return value;
    },
  };
}
