/** A worker's steps, between any two of which it may die, as in runtime/worker/attempt/claim.ts and pass-gate.ts. */
import { nextRunOf, decideGate, isOver, type GateDecision } from "../../../runtime/core/timer/gate.ts";
import type { Steps } from "../search.ts";
import type { TimerBounds, TimerRules } from "./rules.ts";
import {
  IDLE,
  idOf,
  isOverTick,
  knownTo,
  NOBODY,
  paid,
  tickOf,
  turnsOf,
  type TimerFault,
  type TimerState,
  type TimerWorker,
  type TurnsState,
  writeTick,
  writeTurns,
} from "./state.ts";

interface Turn {
  readonly state: TimerState;
  readonly index: number;
  readonly rules: TimerRules;
  readonly bounds: TimerBounds;
}

type Change = (next: TimerState, same: TimerWorker) => void;
type Take = (label: string, change: Change) => void;
type Fault = (kind: TimerFault, label: string, change: Change) => void;

export function workerSteps(turn: Turn, steps: Steps<TimerState>): void {
  const { state, index } = turn;
  const worker = state.workers[index]!;
  const name = `worker ${index + 1}`;
  const take: Take = (label, change) => steps.take(`${name} ${label}`, (next) => change(next, next.workers[index]!));
  const fault: Fault = (kind, label, change) =>
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
      next.mayBeForgotten = true;
      next.waiting[tick]! += 1;
    });
  }
  phaseSteps(turn, take, fault);
}

const forget = (worker: TimerWorker): void =>
  void Object.assign(worker, { seen: null, known: {}, drops: [], timerFresh: false });

function phaseSteps(turn: Turn, take: Take, fault: Fault): void {
  const { state, index, rules } = turn;
  const { phase, tick, tickFresh } = state.workers[index]!;
  const gate = (same: TimerWorker): void => void (same.phase = rules.gate ? "gate" : "claim");
  /** Runs, unless the lock is known to have ended. */
  const run: Change = (next, same) => {
    writeTick(next, tick, "running");
    forget(same);
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
        forget(same);
        if (current === "absent") {
          if (rules.rowFirst) same.phase = "insert";
          else gate(same);
        } else if (isOverTick(current)) {
          same.phase = rules.redeliveryAsks ? "ask" : "complete";
        } else if (current === "running") {
          // Takeover is part of the job model. Here a dead owner is simply replaced.
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
    case "claim":
      take(tickFresh ? "claims" : "writes its claim: refused", (next, same) => {
        if (same.tickFresh) run(next, same);
        else if (!rules.gatesAgain && next.ticks[tick] === "queued") same.tickFresh = true;
        else same.phase = "read";
      });
      return;
    case "run":
      take("sees its job succeed", (next, same) => {
        writeTick(next, tick, "succeeded");
        next.owner[tick] = NOBODY;
        same.phase = rules.endAsks ? "ask" : "complete";
      });
      fault("retry", "sees its job fail; it will be retried", (next, same) => {
        writeTick(next, tick, "queued");
        next.owner[tick] = NOBODY;
        next.waiting[tick]! += 1;
        same.phase = "complete";
      });
      return;
    case "complete":
      take("completes its message", (_next, same) => void Object.assign(same, IDLE));
      return;
    case "ask":
    case "ask again":
    case "look for ask":
    case "ring":
      askSteps(turn, take);
      return;
    case "gate":
    case "look":
    case "take timer":
    case "write waiting":
    case "drop":
    case "look again":
    case "write left out":
    case "leave out":
      gateSteps(turn, phase, take);
  }
}

const PHASE_AFTER = {
  look: "look",
  pass: "take timer",
  wait: "write waiting",
  stay: "complete",
  "leave-out": "write left out",
} as const satisfies Record<GateDecision["action"], TimerWorker["phase"]>;

type GatePhase =
  "gate" | "look" | "take timer" | "write waiting" | "drop" | "look again" | "write left out" | "leave out";

function gateSteps({ state, index, rules, bounds }: Turn, phase: GatePhase, take: Take): void {
  const { tick, tickFresh, timerFresh } = state.workers[index]!;
  const jobId = idOf(tick);
  const keeps = bounds.keepsLatest ? ("latest" as const) : ("earliest" as const);
  const request = { jobId, overlap: bounds.overlap, waitingMax: bounds.waitingMax, keeps };
  const decisionOf = (worker: TimerWorker): GateDecision => {
    const seen = turnsOf(worker.seen ?? { current: NOBODY, waiting: [] });
    if (rules.inOrder) return decideGate(seen, request, knownTo(worker));
    // Ignores the earlier ones.
    const earlier = seen.waitingJobIds.filter((id) => id > jobId);
    const later = { ...seen, waitingJobIds: seen.waitingJobIds.filter((id) => id <= jobId) };
    const decision = decideGate(later, request, knownTo(worker));
    if (decision.action !== "pass") return decideGate(seen, request, knownTo(worker));
    return { ...decision, turns: { ...decision.turns, waitingJobIds: [...earlier, ...decision.turns.waitingJobIds] } };
  };
  const decide = (same: TimerWorker): void => {
    const { action } = decisionOf(same);
    same.phase = PHASE_AFTER[action];
    if (action === "pass" && !rules.rewrites && same.seen?.current === tick) same.phase = "claim";
    if (action === "stay") forget(same);
  };
  /** Writes the timer's row on the version read. If refused, it starts again with a read. */
  const write = (label: string, isConditional: boolean, change: Change): void =>
    take(timerFresh || !isConditional ? label : `${label}: refused`, (next, same) => {
      if (isConditional && !same.timerFresh) {
        forget(same);
        same.phase = "gate";
      } else {
        change(next, same);
      }
    });
  const turnsIn = (worker: TimerWorker) => {
    const decision = decisionOf(worker);
    if (decision.action !== "pass" && decision.action !== "wait") throw new Error("The decision writes nothing.");
    const { currentJobId, waitingJobIds } = decision.turns;
    const drops = decision.action === "wait" ? decision.dropped.map(tickOf) : [];
    return {
      drops,
      current: currentJobId === undefined ? NOBODY : tickOf(currentJobId),
      waiting: waitingJobIds.map(tickOf),
    };
  };

  switch (phase) {
    case "gate":
      take("reads the timer", ({ turns, ticks, dropped }, same) => {
        const { current, waiting } = turns;
        if (rules.dropsOnRecord && dropped.includes(tick) && current !== tick && !waiting.includes(tick)) {
          same.phase = "leave out";
          return;
        }
        // Without R16, the holder's state from an earlier read.
        const earlier = rules.holderAfterTimer || current === NOBODY ? {} : pastOf(ticks[current]!, current);
        Object.assign(same, { timerFresh: true, seen: { current, waiting: [...waiting] }, known: earlier });
        decide(same);
      });
      return;
    case "look": {
      const decision = decisionOf(state.workers[index]!);
      const [wanted] = decision.action === "look" ? decision.jobIds : [];
      if (wanted === undefined) throw new Error("The decision reads no row.");
      take(`reads the row of tick ${tickOf(wanted) + 1}`, ({ ticks }, same) => {
        same.known[wanted] = ticks[tickOf(wanted)]!;
        decide(same);
      });
      return;
    }
    case "take timer":
      write("takes the timer", true, (next, same) => {
        const turns = turnsOnly(turnsIn(same));
        next.outOfOrder ||= !bounds.faults.requeue && overtakes(next, tick);
        writeTurns(next, rules.passLeavesList ? turns : { ...turns, waiting: next.turns.waiting });
        forget(same);
        same.phase = next.ticks[tick] === "absent" ? "insert" : "claim";
      });
      return;
    case "write waiting":
      write("records that it waits", rules.waitsByVersion, (next, same) => {
        const { drops, ...turns } = turnsIn(same);
        writeTurns(next, turns);
        next.dropped = [...new Set([...next.dropped, ...drops])].toSorted();
        same.drops = drops;
        if (drops.length > 0) same.phase = "drop";
        else same.phase = rules.looksAgain ? "look again" : "complete";
        if (same.phase === "complete") forget(same);
      });
      return;
    case "drop":
      take("ends those it drops", (next, same) => {
        for (const one of same.drops) if (next.ticks[one] === "queued") writeTick(next, one, "canceled");
        same.drops = [];
        same.phase = rules.looksAgain ? "look again" : "complete";
        if (same.phase === "complete") forget(same);
      });
      return;
    case "look again":
      take("reads the holder again", ({ ticks }, same) => {
        const holder = ticks[same.seen!.current]!;
        forget(same);
        same.phase = isOver(holder) ? "gate" : "complete";
      });
      return;
    case "write left out":
      write("counts the tick as skipped", true, (next, same) => {
        writeTurns(next, next.turns);
        forget(same);
        same.phase = "leave out";
      });
      return;
    case "leave out":
      take(tickFresh ? "ends the tick as skipped" : "ends the tick as skipped: refused", (next, same) => {
        if (!same.tickFresh) {
          same.phase = "read";
          return;
        }
        writeTick(next, tick, "canceled");
        same.phase = "ask";
      });
  }
}

const turnsOnly = ({ current, waiting }: TurnsState): TurnsState => ({ current, waiting });

/** An earlier run waits and has not ended. A retried run keeps the timer. */
const overtakes = ({ turns, ticks }: TimerState, tick: number): boolean =>
  turns.current !== tick && turns.waiting.some((one) => one < tick && ticks[one] === "queued");

/** The possible earlier states of a row. */
const pastOf = (state: string, tick: number): TimerWorker["known"] =>
  state === "queued" ? { [idOf(tick)]: "absent" } : {};

function askSteps({ state, index, rules }: Turn, take: Take): void {
  const { phase } = state.workers[index]!;
  const decisionOf = (worker: TimerWorker) => {
    const seen = worker.seen ?? { current: NOBODY, waiting: [] };
    const first = seen.waiting.slice(0, 1);
    return nextRunOf(turnsOf(rules.passesOver ? seen : { ...seen, waiting: first }), knownTo(worker));
  };
  const decide = (same: TimerWorker): void => {
    const { action } = decisionOf(same);
    const isAgain = action === "read-again" && rules.readsAgain;
    same.phase = action === "look" ? "look for ask" : action === "ring" ? "ring" : isAgain ? "ask again" : "complete";
    if (same.phase === "complete") forget(same);
  };
  if (phase === "ask again") {
    take("reads the waiting list again", ({ turns: { current, waiting } }, same) => {
      const isSame = same.seen?.current === current && same.seen.waiting.join() === waiting.join();
      Object.assign(same, { seen: { current, waiting: [...waiting] }, known: {} });
      if (isSame) {
        forget(same);
        same.phase = "complete";
      } else {
        decide(same);
      }
    });
    return;
  }
  if (phase === "ask") {
    take("reads the waiting list", ({ turns: { current, waiting } }, same) => {
      Object.assign(same, { seen: { current, waiting: [...waiting] }, known: {}, timerFresh: false });
      decide(same);
    });
    return;
  }
  const decision = decisionOf(state.workers[index]!);
  if (decision.action === "look") {
    const [wanted] = decision.jobIds;
    if (wanted === undefined) throw new Error("The decision reads no row.");
    take(`reads the row of tick ${tickOf(wanted) + 1}`, ({ ticks }, same) => {
      same.known[wanted] = ticks[tickOf(wanted)]!;
      decide(same);
    });
  } else if (decision.action === "ring") {
    const rung = tickOf(decision.jobId);
    take(`sends a bell for tick ${rung + 1}`, (next, same) => {
      if (rules.ringsFresh) next.waiting[rung]! += 1;
      forget(same);
      same.phase = "complete";
    });
  }
}
