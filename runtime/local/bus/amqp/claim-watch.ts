/** Ends a link when the token behind it has expired and none has taken its place, as Azure does. */
import type { Claims } from "../access/claims.ts";
import type { Right } from "../access/rights.ts";

export interface ClaimWatch {
  readonly claims: Claims;
  readonly path: string;
  readonly right: Right | undefined;
  /** Until when the claim holds that the link was opened with, in epoch milliseconds. */
  readonly until: number;
  readonly now: () => number;
  /** Called once, with the refusal. */
  readonly onLost: (error: unknown) => void;
}

/** setTimeout takes at most this; a later instant is simply looked at again then. */
const LONGEST_TIMEOUT_MS = 2_000_000_000;

/** @returns what stops the watch. */
export function watchClaim({ claims, path, right, until, now, onLost }: ClaimWatch): () => void {
  let timer: NodeJS.Timeout | undefined;
  const arm = (at: number): void => {
    if (at === Infinity) return;
    timer = setTimeout(() => look(at), Math.min(Math.max(0, Math.ceil(at - now())), LONGEST_TIMEOUT_MS));
  };
  const look = (at: number): void => {
    if (now() < at) {
      arm(at);
      return;
    }
    try {
      arm(claims.demand(path, right));
    } catch (error) {
      onLost(error);
    }
  };
  arm(until);
  return () => clearTimeout(timer);
}
