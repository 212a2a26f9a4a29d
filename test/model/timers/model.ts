/**
 * Timers (R14 to R20): ticks without rows, of which at most one may run at a time, and some may wait. The timer's row
 * names the job that may run. The timer is free when that job has ended. Nothing expires and nothing is released.
 * runtime/core decides which tick passes, waits, is skipped or gets a bell. The model adds crashes between the steps.
 */
import { isRungForLater, nextRunOf } from "../../../runtime/core/timer/gate.ts";
import { type Model, must, type Steps } from "../search.ts";
import { jsonStates } from "../small-state.ts";
import { ALL_RULES, type TimerBounds, type TimerRules } from "./rules.ts";
import {
  hasMessage,
  idOf,
  IDLE,
  isOverTick,
  NOBODY,
  paid,
  tickOf,
  type TickState,
  type TimerState,
  turnsOf,
  writeTick,
} from "./state.ts";
import { workerSteps } from "./worker.ts";

export function timerModel(bounds: TimerBounds, given: Partial<TimerRules> = {}): Model<TimerState> {
  const { ticks, waitingMax, faults, begun = false } = bounds;
  const rules = { ...ALL_RULES, ...given };
  const each = <T>(value: T): T[] => Array.from({ length: ticks }, () => value);
  return {
    ...jsonStates<TimerState>(),
    initial: () => {
      const state: TimerState = {
        ticks: each<TickState>("absent"),
        waiting: each(1),
        orphaned: each(0),
        turns: { current: NOBODY, waiting: [] },
        dropped: [],
        outOfOrder: false,
        owner: each(NOBODY),
        mayBeForgotten: false,
        workers: [{ ...IDLE }, { ...IDLE }],
        budget: {
          ...{ crash: 0, "lock expiry": 0, cancel: 0, requeue: 0, retry: 0, "lost message": 0, "needless ring": 0 },
          ...faults,
        },
      };
      if (!begun) return state;
      state.ticks[0] = "running";
      state.waiting[0] = 0;
      state.owner[0] = 0;
      state.turns.current = 0;
      Object.assign(state.workers[0]!, { phase: "run", tick: 0 });
      return state;
    },
    steps(state, steps) {
      for (const tick of state.ticks.keys()) tickSteps(state, steps, tick, rules);
      for (const index of state.workers.keys()) workerSteps({ state, index, rules, bounds }, steps);
    },
    check({ ticks: all, turns, outOfOrder, dropped }) {
      must(all.filter((tick) => tick === "running").length <= 1, "I6: two runs of one timer at once");
      must(turns.waiting.length <= waitingMax, "I6: more runs wait than allowed");
      must(
        turns.waiting.every((tick) => all[tick] !== "running"),
        "I6: a run both runs and waits",
      );
      must(
        faults.requeue !== undefined || dropped.every((tick) => all[tick] !== "running"),
        "overlap: a run that was dropped for a later one runs",
      );
      must(!outOfOrder, "overlap: a run passed while an earlier one waited");
    },
    isDone: (state) =>
      state.ticks.every(isOverTick) &&
      state.waiting.every((messages) => messages === 0) &&
      state.orphaned.every((messages) => messages === 0) &&
      state.workers.every(({ phase }) => phase === "idle"),
    describe: ({ ticks: all, turns: { current, waiting } }) =>
      `${all.join(", ")}; the timer names ${current === NOBODY ? "no run" : `tick ${current + 1}`}` +
      (waiting.length === 0 ? "" : `, waiting: ${waiting.map((tick) => tick + 1).join(", ")}`),
  };
}

function tickSteps(state: TimerState, steps: Steps<TimerState>, tick: number, rules: TimerRules): void {
  const name = `tick ${tick + 1}`;
  const current = state.ticks[tick]!;
  if (current === "queued") {
    // The canceler then wakes the waiting runs, and may die before that.
    paid(state, steps, "cancel")(`a caller cancels ${name}`, (next) => writeTick(next, tick, "canceled"));
    paid(
      state,
      steps,
      "needless ring",
    )(`the sweeper sends a bell for ${name}`, (next) => void (next.waiting[tick]! += 1));
  }
  if (isOverTick(current)) {
    paid(
      state,
      steps,
      "requeue",
    )(`a caller requeues ${name}`, (next) => {
      writeTick(next, tick, "queued");
      next.waiting[tick]! += 1;
    });
  }
  if (state.orphaned[tick]! > 0) {
    steps.take(`the lock of ${name} ends`, (next) => {
      next.orphaned[tick]! -= 1;
      next.waiting[tick]! += 1;
    });
  }
  // A message that is lost before the row exists would leave no trace of the tick.
  if (state.waiting[tick]! > 0 && current !== "absent") {
    paid(
      state,
      steps,
      "lost message",
    )(`a message of ${name} is lost`, (next) => {
      next.waiting[tick]! -= 1;
      next.mayBeForgotten = true;
    });
  }
  if (isForgotten(state, tick, rules)) {
    steps.take(`the sweeper finds ${name}`, (next) => {
      if (current === "running") writeTick(next, tick, "queued");
      next.waiting[tick]! += 1;
    });
  }
}

/**
 * The tick has no message, and no live worker whose end could send one. This happens if a message was lost. It also
 * happens if a run waits with its message completed, and a worker that has not noticed the end of its lock removes it
 * from the waiting list and dies. Any other case that only the sweeper could find would be an error in the protocol.
 *
 * A run that waits for another one is not forgotten (R18). A bell for it is a fault: it is needless.
 */
function isForgotten(state: TimerState, tick: number, { sweeperLeavesWaiting }: TimerRules): boolean {
  const { ticks, turns, owner, mayBeForgotten, dropped, workers } = state;
  if (hasMessage(state, tick)) return false;
  // The worker that dropped it died before it ended its row.
  const isDropped = dropped.includes(tick) && !workers.some(({ drops }) => drops.includes(tick));
  if (isDropped && ticks[tick] === "queued") return true;
  if (!mayBeForgotten) return false;
  if (ticks[tick] === "running") return owner[tick] === NOBODY;
  if (ticks[tick] !== "queued") return false;
  const { current, waiting } = turns;
  if (waiting.includes(tick) && sweeperLeavesWaiting) {
    return !isRungForLater(
      idOf(tick),
      nextRunOf(turnsOf(turns), (id) => ticks[tickOf(id)]),
    );
  }
  return current === NOBODY || current === tick || isOverTick(ticks[current]!);
}
