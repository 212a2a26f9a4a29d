/** The state of the timer model: rows of ticks, the timer's row, messages, and workers between two steps. */
import { isOver, type Known, type KnownState } from "../../../runtime/core/timer/gate.ts";
import type { Steps } from "../search.ts";

export type TickState = "absent" | "queued" | "running" | "succeeded" | "canceled";

export type TimerPhase =
  | "idle"
  | "read"
  | "insert"
  | "gate"
  | "look"
  | "take timer"
  | "write waiting"
  | "drop"
  | "look again"
  | "write left out"
  | "leave out"
  | "claim"
  | "run"
  | "ask"
  | "ask again"
  | "look for ask"
  | "ring"
  | "complete";

/** The timer's row: the run that may start, and the waiting runs. */
export interface TurnsState {
  current: number;
  waiting: number[];
}

export interface TimerWorker {
  phase: TimerPhase;
  tick: number;
  /** Its ETags of the tick's row and of the timer's. */
  tickFresh: boolean;
  timerFresh: boolean;
  /** Its lock has ended, and it has not noticed. */
  lost: boolean;
  /** The timer's row and the rows of ticks, as it read them. */
  seen: TurnsState | null;
  known: Record<string, KnownState>;
  /** The runs that it drops. */
  drops: number[];
}

export interface TimerState {
  ticks: TickState[];
  /** Messages by tick: waiting ones, and those that a dead worker has locked. */
  waiting: number[];
  orphaned: number[];
  turns: TurnsState;
  /** Ticks that the timer's row records as dropped for later ones. */
  dropped: number[];
  /** A tick has passed while an earlier one waited. */
  outOfOrder: boolean;
  /** By tick: the worker that runs it. -1: none. */
  owner: number[];
  /** A message was lost, or a lock ended under a live worker. */
  mayBeForgotten: boolean;
  workers: TimerWorker[];
  budget: Record<TimerFault, number>;
}

export type TimerFault = "crash" | "lock expiry" | "cancel" | "requeue" | "retry" | "lost message" | "needless ring";

export const NOBODY = -1;
export const IDLE: TimerWorker = {
  phase: "idle",
  tick: 0,
  tickFresh: false,
  timerFresh: false,
  lost: false,
  seen: null,
  known: {},
  drops: [],
};

/** Ids of a timer's runs sort the latest first. */
const LAST_TICK = 9;
export const idOf = (tick: number): string => String(LAST_TICK - tick);
export const tickOf = (id: string): number => LAST_TICK - Number(id);

export const knownTo =
  ({ known }: Pick<TimerWorker, "known">): Known =>
  (id) =>
    known[id];

export const turnsOf = ({ current, waiting }: TurnsState) => ({
  currentJobId: current === NOBODY ? undefined : idOf(current),
  waitingJobIds: waiting.map(idOf),
});

export const isOverTick = (tick: TickState): boolean => tick !== "absent" && isOver(tick);

export function paid(state: TimerState, steps: Steps<TimerState>, fault: TimerFault): Steps<TimerState>["fault"] {
  return (label, change) => {
    if (state.budget[fault] === 0) return;
    steps.fault(label, (next) => {
      next.budget[fault] -= 1;
      change(next);
    });
  };
}

export function writeTick(state: TimerState, tick: number, to: TickState): void {
  state.ticks[tick] = to;
  for (const worker of state.workers) if (worker.phase !== "idle" && worker.tick === tick) worker.tickFresh = false;
}

export function writeTurns(state: TimerState, turns: TurnsState): void {
  state.turns = turns;
  for (const worker of state.workers) worker.timerFresh = false;
}

/** A message of the tick is waiting, will be redelivered, or is with a worker. */
export const hasMessage = ({ waiting, orphaned, workers }: TimerState, tick: number): boolean =>
  waiting[tick]! > 0 ||
  orphaned[tick]! > 0 ||
  workers.some((worker) => worker.phase !== "idle" && worker.tick === tick && !worker.lost);
