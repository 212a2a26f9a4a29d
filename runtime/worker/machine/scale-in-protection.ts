/**
 * When this machine requests protection from scale-in, and when a job may start on it: a state machine without a clock,
 * a network or a timer of its own. protection-driver.ts gives it those.
 *
 * | phase          | meaning                                          | leaves by                                                     |
 * |----------------|--------------------------------------------------|---------------------------------------------------------------|
 * | unprotected    | scale-in may take the machine; nothing runs      | work → protecting                                             |
 * | protecting     | protection is requested, until it is there       | done → protected-busy, or -idle without work                  |
 * | protected-busy | jobs may run                                     | idle → protected-idle                                         |
 * | protected-idle | jobs may start; the grace runs                   | work → protected-busy; grace over → unprotecting              |
 * | unprotecting   | the end of protection is requested               | done → unprotected, or protecting if work came; failed and work → protecting |
 * | leaving        | the instance is being deleted                    | –                                                             |
 *
 * From every phase: the answer that the instance is gone → leaving. A worker begins in `protecting`, so that its first
 * job need not wait. One request is under way at a time. Requests are spaced after failures, and capped in any minute.
 */
import type { ChangeAnswer } from "../../core/ports/machine.ts";

export type ProtectionPhase =
  "unprotected" | "protecting" | "protected-busy" | "protected-idle" | "unprotecting" | "leaving";

export interface Protection {
  readonly phase: ProtectionPhase;
  /** Work waits or runs. */
  readonly busy: boolean;
  /** A request is under way. */
  readonly requested: boolean;
  /** Requests for the present goal that failed since the last success. */
  readonly failures: number;
  /** No request before. */
  readonly notBefore: number;
  /** When the last requests were made, oldest first, as many as the cap counts. */
  readonly requests: readonly number[];
  /** Since when nothing is to be done, in protected-idle. */
  readonly idleSince: number;
}

export type ProtectionInput =
  | { readonly kind: "work" }
  | { readonly kind: "idle" }
  | { readonly kind: "answered"; readonly answer: ChangeAnswer }
  | { readonly kind: "clock" };

export interface ProtectionLimits {
  readonly idleGraceMs: number;
  /** Requests in any window. */
  readonly changesMax: number;
  readonly windowMs: number;
  /** Wait after a failure, doubled with each further one. */
  readonly retryFirstMs: number;
  readonly retryLongestMs: number;
}

export interface ProtectionStep {
  readonly state: Protection;
  /** The protection to request now. Undefined: none. */
  readonly request: boolean | undefined;
}

/** As a worker starts: it cannot know what its predecessor on this machine had requested. */
export const PROTECTION_AT_START: Protection = {
  phase: "protecting",
  busy: false,
  requested: false,
  failures: 0,
  notBefore: 0,
  requests: [],
  idleSince: 0,
};

/** `now` never goes back. */
export function advance(
  state: Protection,
  input: ProtectionInput,
  now: number,
  limits: ProtectionLimits,
): ProtectionStep {
  const applied = apply(state, input, now, limits);
  const changing = applied.phase === "protecting" || applied.phase === "unprotecting";
  if (!changing || applied.requested || now < nextRequestAt(applied, limits))
    return { state: applied, request: undefined };
  const requests = [...applied.requests, now].slice(-limits.changesMax);
  return { state: { ...applied, requested: true, requests }, request: applied.phase === "protecting" };
}

/** When the clock alone will change something; undefined: not before another input. */
export function wakeAt(state: Protection, limits: ProtectionLimits): number | undefined {
  switch (state.phase) {
    case "protected-idle":
      return state.idleSince + limits.idleGraceMs;
    case "protecting":
    case "unprotecting":
      return state.requested ? undefined : nextRequestAt(state, limits);
    case "unprotected":
    case "protected-busy":
    case "leaving":
      return undefined;
  }
}

export const isProtected = ({ phase }: Protection): boolean => phase === "protected-busy" || phase === "protected-idle";

function nextRequestAt({ requests, notBefore }: Protection, { changesMax, windowMs }: ProtectionLimits): number {
  const [oldest] = requests;
  return oldest === undefined || requests.length < changesMax ? notBefore : Math.max(notBefore, oldest + windowMs);
}

function apply(state: Protection, input: ProtectionInput, now: number, limits: ProtectionLimits): Protection {
  if (state.phase === "leaving") return { ...state, requested: state.requested && input.kind !== "answered" };
  switch (input.kind) {
    case "work":
      return { ...state, busy: true, ...goalWithWork(state) };
    case "idle":
      return state.phase === "protected-busy"
        ? { ...state, busy: false, phase: "protected-idle", idleSince: now }
        : { ...state, busy: false };
    case "clock":
      return state.phase === "protected-idle" && now - state.idleSince >= limits.idleGraceMs
        ? { ...state, phase: "unprotecting", failures: 0 }
        : state;
    case "answered":
      return answered({ ...state, requested: false }, input.answer, now, limits);
  }
}

function goalWithWork({ phase, requested, failures }: Protection): Pick<Protection, "phase" | "failures"> {
  switch (phase) {
    case "unprotected":
      return { phase: "protecting", failures: 0 };
    case "protected-idle":
      return { phase: "protected-busy", failures };
    case "unprotecting":
      // A request under way must be answered first. Azure could carry out two at a time in either order.
      return requested ? { phase, failures } : { phase: "protecting", failures: 0 };
    case "protecting":
    case "protected-busy":
    case "leaving":
      return { phase, failures };
  }
}

function answered(state: Protection, answer: ChangeAnswer, now: number, limits: ProtectionLimits): Protection {
  const { busy } = state;
  switch (answer.kind) {
    case "gone":
      return { ...state, phase: "leaving" };
    case "done": {
      const settled = { ...state, failures: 0, notBefore: now };
      if (state.phase === "protecting") {
        return { ...settled, phase: busy ? "protected-busy" : "protected-idle", idleSince: now };
      }
      return { ...settled, phase: busy ? "protecting" : "unprotected" };
    }
    case "failed": {
      const doubled = limits.retryFirstMs * 2 ** Math.min(state.failures, 20);
      const waitMs = Math.max(Math.min(doubled, limits.retryLongestMs), answer.retryAfterMs ?? 0);
      const failed = { ...state, failures: state.failures + 1, notBefore: now + waitMs };
      return failed.phase === "unprotecting" && busy ? { ...failed, phase: "protecting", failures: 0 } : failed;
    }
  }
}
