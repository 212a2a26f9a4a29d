/**
 * Timers (R14, R15): ticks without rows, of which at most one may run at a time. The timer's row names the job that may
 * run; it is free when that job has ended. Nothing expires and nothing is released. The rules are those of the protocol
 * document; there is no code of them yet to call.
 */
import { type Model, must, type Steps } from "../search.ts";
import { jsonStates } from "../small-state.ts";

type TickState = "absent" | "queued" | "running" | "ended" | "canceled";

type TimerPhase =
  "idle" | "read" | "insert" | "gate" | "read holder" | "take timer" | "claim" | "run" | "skip" | "complete";

interface TimerWorker {
  phase: TimerPhase;
  tick: number;
  /** Its ETags of the tick's row and of the timer's. */
  tickFresh: boolean;
  timerFresh: boolean;
  /** Its lock has ended, and it has not noticed. */
  lost: boolean;
}

interface TimerState {
  ticks: TickState[];
  /** Messages by tick: waiting, and locked by somebody who is gone. */
  waiting: number[];
  orphaned: number[];
  /** The tick the timer's row names; -1: none. */
  current: number;
  /** By tick: the worker that runs it; -1: nobody. */
  owner: number[];
  workers: TimerWorker[];
  budget: Record<TimerFault, number>;
}

export type TimerFault = "crash" | "lock expiry" | "cancel" | "requeue" | "retry";

export interface TimerRules {
  /** R14: the timer is asked before a tick is claimed. */
  readonly gate: boolean;
  /** R14: the row is there before the timer names it. */
  readonly rowFirst: boolean;
  /** R15: the timer is written also when it names this tick already. */
  readonly rewrites: boolean;
  /** R15: a refused claim begins again at the row. */
  readonly gatesAgain: boolean;
}

const RULES: TimerRules = { gate: true, rowFirst: true, rewrites: true, gatesAgain: true };
const NOBODY = -1;
const IDLE: TimerWorker = { phase: "idle", tick: 0, tickFresh: false, timerFresh: false, lost: false };

const isOver = (tick: TickState): boolean => tick === "ended" || tick === "canceled";

export interface TimerBounds {
  readonly ticks: number;
  readonly faults: Partial<Readonly<Record<TimerFault, number>>>;
}

export function timerModel({ ticks, faults }: TimerBounds, given: Partial<TimerRules> = {}): Model<TimerState> {
  const rules = { ...RULES, ...given };
  const each = <T>(value: T): T[] => Array.from({ length: ticks }, () => value);
  return {
    ...jsonStates<TimerState>(),
    initial: () => ({
      ticks: each<TickState>("absent"),
      waiting: each(1),
      orphaned: each(0),
      current: NOBODY,
      owner: each(NOBODY),
      workers: [{ ...IDLE }, { ...IDLE }],
      budget: { crash: 0, "lock expiry": 0, cancel: 0, requeue: 0, retry: 0, ...faults },
    }),
    steps(state, steps) {
      for (const tick of state.ticks.keys()) tickSteps(state, steps, tick);
      for (const index of state.workers.keys()) workerSteps(state, steps, index, rules);
    },
    check({ ticks: all }) {
      must(all.filter((tick) => tick === "running").length <= 1, "I6: two runs of one timer at once");
    },
    isDone: (state) =>
      state.ticks.every(isOver) &&
      state.waiting.every((messages) => messages === 0) &&
      state.orphaned.every((messages) => messages === 0) &&
      state.workers.every(({ phase }) => phase === "idle"),
    describe: ({ ticks: all, current }) =>
      `${all.join(", ")}; the timer names ${current === NOBODY ? "nobody" : `tick ${current + 1}`}`,
  };
}

function paid(state: TimerState, steps: Steps<TimerState>, fault: TimerFault): Steps<TimerState>["fault"] {
  return (label, change) => {
    if (state.budget[fault] === 0) return;
    steps.fault(label, (next) => {
      next.budget[fault] -= 1;
      change(next);
    });
  };
}

function writeTick(state: TimerState, tick: number, to: TickState): void {
  state.ticks[tick] = to;
  for (const worker of state.workers) if (worker.phase !== "idle" && worker.tick === tick) worker.tickFresh = false;
}

function tickSteps(state: TimerState, steps: Steps<TimerState>, tick: number): void {
  const name = `tick ${tick + 1}`;
  const current = state.ticks[tick]!;
  if (current === "queued") {
    paid(state, steps, "cancel")(`somebody cancels ${name}`, (next) => writeTick(next, tick, "canceled"));
  }
  if (isOver(current)) {
    paid(
      state,
      steps,
      "requeue",
    )(`somebody requeues ${name}`, (next) => {
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
}

type Change = (next: TimerState, same: TimerWorker) => void;

function workerSteps(state: TimerState, steps: Steps<TimerState>, index: number, rules: TimerRules): void {
  const worker = state.workers[index]!;
  const name = `worker ${index + 1}`;
  const take = (label: string, change: Change): void =>
    steps.take(`${name} ${label}`, (next) => change(next, next.workers[index]!));
  const fault = (kind: TimerFault, label: string, change: Change): void =>
    paid(state, steps, kind)(`${name} ${label}`, (next) => change(next, next.workers[index]!));

  if (worker.phase === "idle") {
    state.waiting.forEach((messages, tick) => {
      if (messages === 0) return;
      take(`receives tick ${tick + 1}`, (next, same) => {
        next.waiting[tick]! -= 1;
        Object.assign(same, { phase: "read", tick });
      });
    });
    return;
  }
  const { tick } = worker;
  fault("crash", "dies", (next, same) => {
    if (!same.lost) next.orphaned[tick]! += 1;
    if (next.owner[tick] === index) next.owner[tick] = NOBODY;
    Object.assign(same, IDLE);
  });
  if (!worker.lost && worker.phase !== "run") {
    fault("lock expiry", "loses its lock and does not notice", (next, same) => {
      same.lost = true;
      next.waiting[tick]! += 1;
    });
  }
  phaseSteps({ state, index, rules }, take, fault);
}

interface Turn {
  readonly state: TimerState;
  readonly index: number;
  readonly rules: TimerRules;
}

function phaseSteps(
  { state, index, rules }: Turn,
  take: (label: string, change: Change) => void,
  fault: (kind: TimerFault, label: string, change: Change) => void,
): void {
  const { phase, tick, tickFresh, timerFresh } = state.workers[index]!;
  const gate = (same: TimerWorker): void => void (same.phase = rules.gate ? "gate" : "claim");
  /** Runs, unless the lock is known to be over by now. */
  const run: Change = (next, same) => {
    writeTick(next, tick, "running");
    if (same.lost) {
      Object.assign(same, IDLE);
    } else {
      next.owner[tick] = index;
      same.phase = "run";
    }
  };
  switch (phase) {
    case "idle":
      return;
    case "read":
      take(`reads the row, ${state.ticks[tick]!}`, (next, same) => {
        const current = next.ticks[tick]!;
        if (current === "absent") {
          if (rules.rowFirst) same.phase = "insert";
          else gate(same);
        } else if (isOver(current)) {
          same.phase = "complete";
        } else if (current === "running") {
          // Takeover is the job model's; here it is enough that a dead owner is succeeded.
          if (next.owner[tick] !== NOBODY) same.phase = "complete";
          else if (same.lost) Object.assign(same, IDLE);
          else run(next, same);
        } else {
          same.tickFresh = true;
          gate(same);
        }
      });
      return;
    case "insert":
      take("inserts the row", (next, same) => {
        if (next.ticks[tick] !== "absent") {
          same.phase = "read";
          return;
        }
        writeTick(next, tick, "queued");
        same.tickFresh = true;
        if (rules.rowFirst) gate(same);
        else same.phase = "claim";
      });
      return;
    case "gate":
      take("reads the timer", ({ current }, same) => {
        same.timerFresh = true;
        if (current === NOBODY || (current === tick && rules.rewrites)) same.phase = "take timer";
        else same.phase = current === tick ? "claim" : "read holder";
      });
      return;
    case "read holder":
      take("reads the row that the timer names", ({ ticks, current }, same) => {
        const holder = current === NOBODY ? "ended" : ticks[current]!;
        same.phase = isOver(holder) || holder === "absent" ? "take timer" : "skip";
      });
      return;
    case "take timer":
      take(timerFresh ? "takes the timer" : "writes the timer: refused", (next, same) => {
        if (!same.timerFresh) {
          same.phase = "gate";
          return;
        }
        next.current = tick;
        for (const other of next.workers) other.timerFresh = false;
        same.phase = next.ticks[tick] === "absent" ? "insert" : "claim";
      });
      return;
    case "claim":
      take(tickFresh ? "claims" : "writes its claim: refused", (next, same) => {
        if (same.tickFresh) run(next, same);
        else if (!rules.gatesAgain && next.ticks[tick] === "queued") same.tickFresh = true;
        else same.phase = "read";
      });
      return;
    case "run":
      take("sees its job succeed", (next, same) => {
        writeTick(next, tick, "ended");
        next.owner[tick] = NOBODY;
        same.phase = "complete";
      });
      fault("retry", "sees its job fail; it is to be tried again", (next, same) => {
        writeTick(next, tick, "queued");
        next.owner[tick] = NOBODY;
        next.waiting[tick]! += 1;
        same.phase = "complete";
      });
      return;
    case "skip":
      take(tickFresh ? "records the tick as skipped" : "writes that it is skipped: refused", (next, same) => {
        if (!same.tickFresh) {
          same.phase = "read";
          return;
        }
        writeTick(next, tick, "canceled");
        same.phase = "complete";
      });
      return;
    case "complete":
      take("completes its message", (_next, same) => void Object.assign(same, IDLE));
  }
}
