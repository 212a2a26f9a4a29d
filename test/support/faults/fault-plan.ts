/**
 * Which call of which port fails, and how. A run without a fault records the calls that were made; each of them can then
 * be struck in a run of its own. What a kind of fault means for one port is said by the wrapper of that port.
 */
import { UnavailableError } from "../../../runtime/core/errors.ts";

/**
 * - `fail-before`: nothing is done, the service does not answer (503, a broken connection).
 * - `fail-after`: it is done, and the caller sees a timeout.
 * - `lose-answer`: it is done, and the store reports the row as read afterwards.
 * - `move-row`: another, harmless write comes first, so that a conditional one is refused (412).
 * - `cancel`: the same, and the write is a wish to cancel.
 * - `slow`: it is done after longer than the time between two renewals.
 * - `late`: it is done after the lock of its caller has ended.
 * - `lose-lock`: the broker has ended the lock.
 * - `outage`: this call and all others of the same process fail for a while.
 */
export type FaultKind =
  "fail-before" | "fail-after" | "lose-answer" | "move-row" | "cancel" | "slow" | "late" | "lose-lock" | "outage";

export interface Fault {
  readonly operation: string;
  /** From 1: of the calls of this operation. */
  readonly occurrence: number;
  readonly kind: FaultKind;
}

export interface SeenOperation {
  readonly operation: string;
  readonly count: number;
  readonly kinds: readonly FaultKind[];
}

/** How a port's call is carried out under those faults that only its wrapper can make. */
export type Ways<T> = { readonly [K in FaultKind]?: (later: Later) => Promise<T> };

/** Something that goes on after the call has answered; the plan waits for it at the end. */
type Later = (work: () => Promise<unknown>) => void;

/** One call of a process: its operation, what could strike it, and how it is carried out. */
export type PortCall = <T>(
  operation: string,
  kinds: readonly FaultKind[],
  perform: () => Promise<T>,
  ways?: Ways<T>,
) => Promise<T>;

export const READ: readonly FaultKind[] = ["fail-before", "slow", "outage"];
export const WRITE: readonly FaultKind[] = ["fail-before", "fail-after", "slow", "late", "outage"];

export interface FaultPlan {
  /** Everything that was called, in the order of first calls. */
  readonly seen: readonly SeenOperation[];
  readonly hasStruck: boolean;
  callsOf(process: string): PortCall;
  /** From now on nothing of that process gets through. */
  sever(process: string): void;
  isSevered(process: string): boolean;
  /** Resolves when no call is under way any more. */
  settled(): Promise<void>;
}

export function createFaultPlan(fault: Fault | undefined, { lockMs }: { readonly lockMs: number }): FaultPlan {
  const seen = new Map<string, { count: number; kinds: readonly FaultKind[] }>();
  const severed = new Set<string>();
  const outages = new Map<string, number>();
  const pending = new Set<Promise<unknown>>();
  let hasStruck = false;

  const away = (): never => {
    throw new UnavailableError("StorageUnavailable", "The service does not answer.");
  };
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  function track<T>(work: Promise<T>): Promise<T> {
    const settled = work.catch(() => undefined).finally(() => pending.delete(settled));
    pending.add(settled);
    return work;
  }

  async function struck<T>(kind: FaultKind, process: string, perform: () => Promise<T>): Promise<T> {
    switch (kind) {
      case "fail-before":
        return away();
      case "fail-after":
        await perform();
        return away();
      case "slow":
        await wait(lockMs / 2);
        return perform();
      case "late":
        await wait(lockMs * 1.5);
        return perform();
      case "outage":
        outages.set(process, performance.now() + lockMs * 0.6);
        return away();
      case "lose-answer":
      case "move-row":
      case "cancel":
      case "lose-lock":
        throw new Error(`No wrapper says what ${kind} means here.`);
    }
  }

  async function call<T>(
    process: string,
    name: string,
    kinds: readonly FaultKind[],
    perform: () => Promise<T>,
    ways: Ways<T>,
  ) {
    if (severed.has(process) || performance.now() < (outages.get(process) ?? 0)) return away();
    const operation = `${process} ${name}`;
    const entry = seen.get(operation) ?? { count: 0, kinds: [...kinds, ...(Object.keys(ways) as FaultKind[])] };
    entry.count++;
    seen.set(operation, entry);
    if (fault?.operation !== operation || fault.occurrence !== entry.count) return perform();
    hasStruck = true;
    const way = ways[fault.kind];
    return way === undefined ? struck(fault.kind, process, perform) : way((work) => void track(work()));
  }

  return {
    get seen() {
      return [...seen].map(([operation, { count, kinds }]) => ({ operation, count, kinds }));
    },
    get hasStruck() {
      return hasStruck;
    },
    callsOf:
      (process) =>
      (name, kinds, perform, ways = {}) =>
        track(call(process, name, kinds, perform, ways)),
    sever: (process) => severed.add(process),
    isSevered: (process) => severed.has(process),
    async settled() {
      while (pending.size > 0) await Promise.all(pending);
    },
  };
}
