/**
 * Removes idempotency keys that have expired, a page of the table at each call. Nobody waits for it: an expired key is
 * free again whether its row is there or not.
 */
import { keysExpireBefore } from "../core/keys.ts";
import type { KeyStore } from "../core/ports/key-store.ts";

export interface SweepKeysDeps {
  readonly keys: Pick<KeyStore, "removeExpired">;
  readonly now: () => Date;
}

/** Keys live for days, so an hour more or less between two passes over the table is nothing. */
const PASS_EVERY_MS = 60 * 60_000;

export interface KeySweep {
  /** Resolves to the number of keys removed. Throws UnavailableError. */
  sweep(): Promise<number>;
}

/** Remembers how far the pass has come; another process that leads begins a new one. */
export function createKeySweep({ keys, now }: SweepKeysDeps): KeySweep {
  let continuationToken: string | undefined;
  let nextPassAt = 0;
  return {
    async sweep() {
      if (now().getTime() < nextPassAt) return 0;
      const result = await keys.removeExpired(keysExpireBefore(now()), continuationToken);
      continuationToken = result.continuationToken;
      if (continuationToken === undefined) nextPassAt = now().getTime() + PASS_EVERY_MS;
      return result.removed;
    },
  };
}
