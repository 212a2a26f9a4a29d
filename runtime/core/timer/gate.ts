/**
 * Who may run: what the timer's row and the rows it names mean for a run that wants to start (R14 to R17, R20), and for
 * those that wait when one has ended (R18). Decisions without I/O: where a row must be known first, the answer is to look.
 *
 * The timer is held by the job its row names, until that job has ended. Nothing expires and nothing is given back.
 */
import type { Overlap } from "../package/manifest.ts";
import { isTerminal, type JobState } from "../job/states.ts";
import type { TimerRun } from "./timer.ts";

/** The state of a job's row; `absent`: there is no row any more. */
export type KnownState = JobState | "absent";

/** What is known of rows, read after the timer's row was. Undefined: not read. */
export type Known = (jobId: string) => KnownState | undefined;

type Turns = Pick<TimerRun, "currentJobId" | "waitingJobIds">;

export interface GateRequest {
  readonly jobId: string;
  readonly overlap: Overlap;
  /** So many may wait before one like this is left out. */
  readonly waitingMax: number;
  /** Who is kept when more than that would wait. */
  readonly keeps: "earliest" | "latest";
}

export type GateDecision =
  /** Read these rows, then ask again. */
  | { readonly action: "look"; readonly jobIds: readonly string[] }
  /** Write this, then claim. */
  | { readonly action: "pass"; readonly turns: Turns }
  /**
   * Write this, then look at the holder again (R17): it may have ended before it could see who waits. `dropped`: those
   * that waited and have to end unstarted, because later ones are kept.
   */
  | { readonly action: "wait"; readonly turns: Turns; readonly dropped: readonly string[] }
  /** It waits already. */
  | { readonly action: "stay" }
  /** Another run is alive or goes first, and there is no room to wait: this one is skipped. */
  | { readonly action: "leave-out"; readonly holderJobId: string };

export function decideGate(run: Turns, { jobId, overlap, waitingMax, keeps }: GateRequest, known: Known): GateDecision {
  const { currentJobId: holderJobId, waitingJobIds } = run;
  const others = waitingJobIds.filter((id) => id !== jobId);
  // Also when it holds the timer already: only a new version refuses a writer that saw an older one (R15).
  const pass: GateDecision = { action: "pass", turns: { currentJobId: jobId, waitingJobIds: others } };
  if (overlap === "allow" || holderJobId === undefined || holderJobId === jobId) return pass;
  const holder = known(holderJobId);
  if (holder === undefined) return { action: "look", jobIds: [holderJobId] };
  const isFree = isOver(holder);
  if (isFree) {
    // R20: runs start in the order of their ticks. The process that ended the last run rings for the first that waits.
    const earlier = others.filter((id) => isEarlier(id, jobId));
    const unread = earlier.filter((id) => known(id) === undefined);
    if (unread.length > 0) return { action: "look", jobIds: unread };
    if (earlier.every((id) => isOver(known(id)))) return pass;
  }
  if (others.length < waitingJobIds.length) return { action: "stay" };
  const wait = (waiting: readonly string[], dropped: readonly string[] = []): GateDecision => ({
    ...{ action: "wait", dropped },
    turns: { currentJobId: holderJobId, waitingJobIds: waiting },
  });
  // No run goes on: it meets none, and waits behind those that go first.
  const room = isFree ? Math.max(1, waitingMax) : waitingMax;
  if (others.length < room) return wait(inOrder([...others, jobId]));
  const unread = others.filter((id) => known(id) === undefined);
  if (unread.length > 0 && room > 0) return { action: "look", jobIds: unread };
  // A waiting run may have been canceled.
  const wishing = inOrder([...others.filter((id) => !isOver(known(id))), jobId]);
  const excess = Math.max(0, wishing.length - room);
  if (excess === 0) return wait(wishing);
  const kept = keeps === "latest" ? wishing.slice(excess) : wishing.filter((id) => id !== jobId);
  return kept.includes(jobId) ? wait(kept, wishing.slice(0, excess)) : { action: "leave-out", holderJobId };
}

export type NextRunDecision =
  | { readonly action: "look"; readonly jobIds: readonly string[] }
  /** The timer is free and this one waits: send its bell. It passes the gate like any other run. */
  | { readonly action: "ring"; readonly jobId: string }
  /**
   * All that waited have ended: read the timer's row again, and decide anew if somebody else waits there. He may have
   * come to wait behind one that has ended since.
   */
  | { readonly action: "read-again" }
  | { readonly action: "nothing" };

/** R18: what a process that ends a run, or finds one ended, does for the runs that wait. */
export function nextRunOf({ currentJobId, waitingJobIds }: Turns, known: Known): NextRunDecision {
  if (waitingJobIds.length === 0) return { action: "nothing" };
  if (currentJobId !== undefined) {
    const holder = known(currentJobId);
    if (holder === undefined) return { action: "look", jobIds: [currentJobId] };
    if (!isOver(holder)) return { action: "nothing" };
  }
  for (const jobId of waitingJobIds) {
    const state = known(jobId);
    if (state === undefined) return { action: "look", jobIds: [jobId] };
    if (state === "queued") return { action: "ring", jobId };
  }
  return { action: "read-again" };
}

/**
 * Whether a run that waits needs no bell now: another one goes on or goes first, and the end of that one rings for it
 * (R18). `next`: what is decided about its timer.
 */
export const isRungForLater = (jobId: string, next: NextRunDecision): boolean =>
  next.action === "nothing" || (next.action === "ring" && next.jobId !== jobId);

export const isOver = (state: KnownState | undefined): boolean =>
  state === "absent" || (state !== undefined && isTerminal(state));

/** Ids of a timer's runs sort the latest first. */
const isEarlier = (a: string, b: string): boolean => a > b;
const inOrder = (jobIds: readonly string[]): readonly string[] => jobIds.toSorted((a, b) => (isEarlier(a, b) ? -1 : 1));

/**
 * Whether a row has what was to be written: a write whose answer was lost has landed, or another process wrote the
 * same.
 */
export const sameRun = (current: TimerRun | undefined, wanted: TimerRun): boolean =>
  current !== undefined && fieldsOf(current) === fieldsOf(wanted);

const fieldsOf = (run: TimerRun): string =>
  JSON.stringify(Object.entries(run).toSorted(([a], [b]) => (a < b ? -1 : 1)));
