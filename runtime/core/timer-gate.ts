/**
 * Who may run: what the timer's row and the rows it names mean for a run that wants to start (R14 to R17), and for those
 * that wait when one has ended (R18). Decisions without I/O: where a row must be known first, the answer is to look.
 *
 * The timer is held by the job its row names, until that job has ended. Nothing expires and nothing is given back.
 */
import type { Overlap } from "./manifest.ts";
import { isTerminal, type JobState } from "./states.ts";
import type { TimerRun } from "./timer.ts";

/** Of a job's row; `absent`: there is none any more. */
export type KnownState = JobState | "absent";

/** What is known of rows, read after the timer's row was. Undefined: not read. */
export type Known = (jobId: string) => KnownState | undefined;

type Turns = Pick<TimerRun, "currentJobId" | "waitingJobIds">;

export interface GateRequest {
  readonly jobId: string;
  readonly overlap: Overlap;
  /** So many may wait before one like this is left out. */
  readonly waitingMax: number;
}

export type GateDecision =
  /** Read these rows, then ask again. */
  | { readonly action: "look"; readonly jobIds: readonly string[] }
  /** Write this, then claim. */
  | { readonly action: "pass"; readonly turns: Turns }
  /** Write this, then look at the holder again (R17): it may have ended before it could see who waits. */
  | { readonly action: "wait"; readonly turns: Turns }
  /** It waits already. */
  | { readonly action: "stay" }
  /** Another run is alive, and there is no room to wait. */
  | { readonly action: "leave-out"; readonly holderJobId: string };

export function gateOf(run: Turns, { jobId, overlap, waitingMax }: GateRequest, known: Known): GateDecision {
  const { currentJobId: holderJobId, waitingJobIds } = run;
  const others = waitingJobIds.filter((id) => id !== jobId);
  // Also when it holds the timer already: only a new version refuses whoever saw an older one (R15).
  const pass: GateDecision = { action: "pass", turns: { currentJobId: jobId, waitingJobIds: others } };
  if (overlap === "allow" || holderJobId === undefined || holderJobId === jobId) return pass;
  const holder = known(holderJobId);
  if (holder === undefined) return { action: "look", jobIds: [holderJobId] };
  if (isOver(holder)) return pass;
  if (others.length < waitingJobIds.length) return { action: "stay" };
  const wait = (waiting: readonly string[]): GateDecision => ({
    action: "wait",
    turns: { currentJobId: holderJobId, waitingJobIds: inOrder([...waiting, jobId]) },
  });
  if (others.length < waitingMax) return wait(others);
  const unread = others.filter((id) => known(id) === undefined);
  if (unread.length > 0 && waitingMax > 0) return { action: "look", jobIds: unread };
  // Somebody may have canceled one that waits.
  const alive = others.filter((id) => !isOver(known(id)));
  return alive.length < waitingMax ? wait(alive) : { action: "leave-out", holderJobId };
}

export type AskDecision =
  | { readonly action: "look"; readonly jobIds: readonly string[] }
  /** The timer is free and this one waits: send its bell. It comes to the gate like everybody. */
  | { readonly action: "ring"; readonly jobId: string }
  | { readonly action: "nothing" };

/** R18: what whoever ends a run, or finds one ended, does for those that wait. */
export function askOf({ currentJobId, waitingJobIds }: Turns, known: Known): AskDecision {
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
  return { action: "nothing" };
}

export const isOver = (state: KnownState | undefined): boolean =>
  state === "absent" || (state !== undefined && isTerminal(state));

/** Ids of a timer's runs sort the latest first. */
const inOrder = (jobIds: readonly string[]): readonly string[] => jobIds.toSorted((a, b) => (a < b ? 1 : -1));

/** Whether a row says what was to be written: a write whose answer was lost has landed, or somebody wrote the same. */
export const sameRun = (current: TimerRun | undefined, wanted: TimerRun): boolean =>
  current !== undefined && fieldsOf(current) === fieldsOf(wanted);

const fieldsOf = (run: TimerRun): string =>
  JSON.stringify(Object.entries(run).toSorted(([a], [b]) => (a < b ? -1 : 1)));
