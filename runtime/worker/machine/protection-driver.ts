/**
 * Keeps this machine protected from scale-in while it works: gives the state machine its clock, its work and the answers
 * of Resource Manager, and makes its state the permit that every received message needs.
 *
 * | mode        | a message starts its job                               | else                                            |
 * |-------------|--------------------------------------------------------|-------------------------------------------------|
 * | required    | once the machine is protected                          | goes back when its lock's time is over; nothing is received until the machine is protected |
 * | best-effort | then, or when that failed twice, or half the lock's time is over | –                                      |
 */
import type { ProtectionMode } from "../../core/settings/machine-settings.ts";
import { lockMarginMs, PROTECTION_CHANGES_MAX, PROTECTION_CHANGES_WINDOW_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { InstanceProtection } from "../../core/ports/machine.ts";
import { type Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import type { WorkPermit } from "../attempt/attempt.ts";
import {
  advance,
  isProtected,
  PROTECTION_AT_START,
  wakeAt,
  type Protection,
  type ProtectionInput,
  type ProtectionLimits,
} from "./scale-in-protection.ts";

export interface ProtectionDriverDeps {
  readonly mode: Exclude<ProtectionMode, "off">;
  readonly protection: InstanceProtection;
  readonly idleGraceMs: number;
  /** Lock duration of the pool's queues. */
  readonly lockMs: number;
  /** Azure answers that this instance is being deleted. */
  readonly onGone: () => void;
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

export interface ProtectionDriver {
  readonly permit: WorkPermit;
  readonly isProtected: () => boolean;
  /** Makes no more requests. Waits until a request under way is given up. */
  stop(): Promise<void>;
}

const RETRY_FIRST_MS = 5_000;
const RETRY_LONGEST_MS = 60_000;
/** Failures in a row after which a job may start unprotected, where that is allowed. */
const BEST_EFFORT_FAILURES = 2;

/** Requests protection at once. */
export function startProtection(deps: ProtectionDriverDeps): ProtectionDriver {
  const { mode, protection, idleGraceMs, lockMs, onGone, monotonicNow, log } = deps;
  const limits: ProtectionLimits = {
    idleGraceMs,
    changesMax: PROTECTION_CHANGES_MAX,
    windowMs: PROTECTION_CHANGES_WINDOW_MS,
    retryFirstMs: RETRY_FIRST_MS,
    retryLongestMs: RETRY_LONGEST_MS,
  };
  /** A message is under lock while it waits. After one lock's time another worker should have it. */
  const patienceMs = mode === "required" ? lockMs - lockMarginMs(lockMs) : lockMs / 2;
  const stopping = new AbortController();
  const listeners = new Set<() => void>();
  let state: Protection = PROTECTION_AT_START;
  let holders = 0;
  let timer: NodeJS.Timeout | undefined;
  let requesting: Promise<void> = Promise.resolve();

  function apply(input: ProtectionInput): void {
    if (stopping.signal.aborted) return;
    const before = state.phase;
    const step = advance(state, input, monotonicNow(), limits);
    state = step.state;
    if (step.request !== undefined) requesting = request(step.request);
    clearTimeout(timer);
    const at = wakeAt(state, limits);
    if (at !== undefined) timer = setTimeout(() => apply({ kind: "clock" }), Math.max(0, at - monotonicNow()));
    if (state.phase !== before) log.info({ from: before, to: state.phase }, "scale-in protection");
    for (const listener of [...listeners]) listener();
    if (state.phase === "leaving" && before !== "leaving") onGone();
  }

  async function request(protect: boolean): Promise<void> {
    const answer = await protection.change(protect, stopping.signal);
    apply({ kind: "answered", answer });
  }

  const granted = (): boolean =>
    isProtected(state) ||
    (mode === "best-effort" && state.phase !== "leaving" && state.failures >= BEST_EFFORT_FAILURES);

  function hold(): Disposable {
    if (holders++ === 0) apply({ kind: "work" });
    return {
      [Symbol.dispose]() {
        if (--holders === 0) apply({ kind: "idle" });
      },
    };
  }

  /** Resolves when protection is granted or cannot come any more, or the time is over. */
  async function waited(until: AbortSignal): Promise<void> {
    const decided = new AbortController();
    const check = (): void => {
      if (granted() || state.phase === "leaving") decided.abort();
    };
    listeners.add(check);
    check();
    await sleep(patienceMs, AbortSignal.any([until, stopping.signal, decided.signal]));
    listeners.delete(check);
  }

  apply({ kind: "clock" });

  return {
    isProtected: () => isProtected(state),
    permit: {
      get open() {
        if (state.phase === "leaving" || stopping.signal.aborted) return false;
        return mode === "best-effort" || state.phase === "unprotected" || isProtected(state);
      },
      onChange: (listener) => void listeners.add(listener),
      async acquire(until) {
        const held = hold();
        if (!granted()) await waited(until);
        const outOfPatience = mode === "best-effort" && state.phase !== "leaving";
        if (!until.aborted && !stopping.signal.aborted && (granted() || outOfPatience)) return held;
        held[Symbol.dispose]();
        return undefined;
      },
    },
    async stop() {
      stopping.abort(new Error("The worker stops."));
      clearTimeout(timer);
      for (const listener of [...listeners]) listener();
      await requesting;
    },
  };
}
