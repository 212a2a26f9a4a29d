/** A worker's steps, between any two of which it may die, as in runtime/worker/attempt and runtime/lifecycle/limits. */
import { decideStanding, decideWake } from "../../../runtime/core/admission/line.ts";
import type { Steps } from "../search.ts";
import type { LimitBounds, LimitFault, LimitRules } from "./rules.ts";
import {
  hasEnded,
  idOf,
  IDLE,
  jobOf,
  knownTo,
  type LimitState,
  type LimitWorker,
  messageOf,
  NOBODY,
  paid,
  partsOf,
  ringFor,
  sendBell,
  sendPlaceBell,
  takeOut,
  viewOf,
  writeLine,
  writeRow,
} from "./state.ts";

interface Turn {
  readonly state: LimitState;
  readonly index: number;
  readonly rules: LimitRules;
  readonly bounds: LimitBounds;
}

type Change = (next: LimitState, same: LimitWorker) => void;
type Take = (label: string, change: Change) => void;
type Fault = (kind: LimitFault, label: string, change: Change) => void;

export function workerSteps(turn: Turn, steps: Steps<LimitState>): void {
  const { state, index } = turn;
  const worker = state.workers[index]!;
  const name = `worker ${index + 1}`;
  const take: Take = (label, change) => steps.take(`${name} ${label}`, (next) => change(next, next.workers[index]!));
  const fault: Fault = (kind, label, change) =>
    paid(state, steps, kind)(`${name} ${label}`, (next) => change(next, next.workers[index]!));

  if (worker.phase === "idle") {
    for (const message of new Set(state.waiting)) {
      const { job, ring } = partsOf(message);
      take(`receives bell ${ring} of ${idOf(job)}`, (next, same) => {
        next.waiting = takeOut(next.waiting, message);
        Object.assign(same, { phase: "read", job, ring });
      });
    }
    return;
  }
  const message = messageOf(worker.job, worker.ring);
  fault("crash", "dies", (next, same) => {
    if (!same.lost) next.orphaned = [...next.orphaned, message].toSorted();
    if (next.owner[same.job] === index) next.owner[same.job] = NOBODY;
    Object.assign(same, IDLE);
  });
  if (!worker.lost && worker.phase !== "run") {
    fault("lock expiry", "loses its lock and does not notice", (next, same) => {
      same.lost = true;
      next.waiting = [...next.waiting, message].toSorted();
    });
  }
  phaseSteps(turn, take, fault);
}

const forget = (worker: LimitWorker): void => void Object.assign(worker, { seen: null, known: {}, lineFresh: false });

function phaseSteps(turn: Turn, take: Take, fault: Fault): void {
  const { state, index, rules } = turn;
  const { phase, job, ring } = state.workers[index]!;
  const ask = (same: LimitWorker, asks: boolean): void => {
    forget(same);
    Object.assign(same, { phase: asks ? "ask" : "complete", then: "complete" });
  };
  /** Runs, unless the lock is known to have ended. */
  const run: Change = (next, same) => {
    writeRow(next, job, "running");
    if (!rules.removesOverOnly) {
      const places = next.line.places.filter((place) => place.jobId !== idOf(job));
      writeLine(next, { ...next.line, places });
    }
    forget(same);
    if (same.lost) {
      Object.assign(same, IDLE);
    } else {
      next.owner[job] = index;
      same.phase = "run";
    }
  };
  switch (phase) {
    case "idle":
      return;
    case "read":
      take(`reads the row, ${state.rows[job]!.state}`, (next, same) => {
        const row = next.rows[job]!;
        forget(same);
        if (hasEnded(row)) {
          ask(same, rules.redeliveryAsks);
        } else if (row.state === "running") {
          // Takeover is part of the job model. Here a dead owner is simply replaced.
          if (next.owner[job] !== NOBODY) same.phase = "complete";
          else if (same.lost) Object.assign(same, IDLE);
          else run(next, same);
        } else if (row.ring > ring) {
          sendBell(next, job);
          ask(same, rules.oldRingAsks);
        } else {
          same.rowFresh = true;
          same.phase = rules.gate ? "read line" : "claim";
        }
      });
      return;
    case "claim":
      take(state.workers[index]!.rowFresh ? "claims" : "writes its claim: refused", (next, same) => {
        if (same.rowFresh) run(next, same);
        else same.phase = "read";
      });
      return;
    case "run":
      take("sees its job succeed", (next, same) => {
        writeRow(next, job, "succeeded");
        next.owner[job] = NOBODY;
        ask(same, rules.endAsks);
      });
      fault("retry", "sees its job fail; it will be retried", (next, same) => {
        writeRow(next, job, "queued", next.rows[job]!.ring + 1);
        next.owner[job] = NOBODY;
        same.phase = "send next";
      });
      return;
    case "send next":
      take("sends the next bell", (next, same) => {
        sendBell(next, job);
        ask(same, rules.retryAsks);
      });
      return;
    case "complete":
      take("completes its message", (_next, same) => void Object.assign(same, IDLE));
      return;
    case "ask":
    case "look for ask":
    case "ring":
    case "ask again":
      askSteps(turn, take);
      return;
    case "read line":
    case "look":
    case "write limit":
    case "join":
      lineSteps(turn, phase, take, fault);
  }
}

type LinePhase = "read line" | "look" | "write limit" | "join";

function lineSteps({ state, index, rules }: Turn, phase: LinePhase, take: Take, fault: Fault): void {
  const { job, ring, lineFresh } = state.workers[index]!;
  const me = { jobId: idOf(job), ring: ringFor(rules, ring) };
  const decisionOf = ({ seen, known }: LimitWorker) => decideStanding(viewOf(seen!, rules), me, knownTo({ known }));
  const decide = (same: LimitWorker): void => {
    const { action } = decisionOf(same);
    if (action === "look" || action === "join") {
      same.phase = action;
      return;
    }
    if (action !== "pass" && action !== "wait") throw new Error(`The model does not know ${action}.`);
    same.phase = action === "pass" ? "claim" : "complete";
    forget(same);
  };
  const again = (same: LimitWorker): void => {
    forget(same);
    same.phase = "read line";
  };
  switch (phase) {
    case "read line":
      take("reads the line", (next, same) => {
        const seen = { ...next.line, places: [...next.line.places] };
        Object.assign(same, { seen, known: {}, lineFresh: true });
        if (seen.max !== next.declared) same.phase = "write limit";
        else decide(same);
      });
      return;
    case "write limit":
      take(lineFresh ? `writes the limit of ${state.declared}` : "writes the limit: refused", (next, same) => {
        const isLarger = next.declared > next.line.max;
        if (same.lineFresh) {
          writeLine(next, { ...next.line, max: next.declared, era: next.line.era + 1 });
          next.largest = Math.max(next.largest, next.declared);
          if (isLarger) {
            forget(same);
            Object.assign(same, { phase: "ask", then: "read line" });
            return;
          }
        }
        again(same);
      });
      return;
    case "look": {
      const decision = decisionOf(state.workers[index]!);
      const [wanted] = decision.action === "look" ? decision.jobIds : [];
      if (wanted === undefined) throw new Error("The decision reads no row.");
      take(`reads the row of ${wanted}`, (next, same) => {
        const row = next.rows[jobOf(wanted)]!;
        same.known[wanted] = { state: row.state, ring: ringFor(rules, row.ring) };
        decide(same);
      });
      return;
    }
    case "join": {
      const canWrite = lineFresh || !rules.joinsByVersion;
      const join: Change = (next, same) => {
        const decision = decisionOf(same);
        if (decision.action !== "join") throw new Error("The decision writes nothing.");
        const ticket = same.seen!.nextTicket;
        const place = { ticket, jobId: idOf(job), ring, waits: !decision.passes };
        const removed = [ticket, ...decision.over.map((one) => one.ticket)];
        const places = [...next.line.places.filter((one) => !removed.includes(one.ticket)), place];
        writeLine(next, { ...next.line, places, nextTicket: ticket + 1 });
        if (decision.passes) {
          same.phase = "claim";
          forget(same);
        } else if (rules.looksAgain) {
          const { max, era, nextTicket } = same.seen!;
          const seen = same.seen!.places.filter((one) => !removed.includes(one.ticket));
          Object.assign(same, { seen: { max, era, nextTicket, places: [...seen, place] }, known: {} });
          decide(same);
        } else {
          same.phase = "complete";
          forget(same);
        }
      };
      take(canWrite ? "joins the line" : "joins the line: refused", (next, same) => {
        if (canWrite) join(next, same);
        else again(same);
      });
      if (canWrite) {
        fault("lost answer", "joins the line and gets no answer", (next, same) => {
          join(next, same);
          again(same);
        });
      }
    }
  }
}

function askSteps({ state, index, rules }: Turn, take: Take): void {
  const { phase } = state.workers[index]!;
  const decisionOf = ({ seen, known }: LimitWorker) => decideWake(viewOf(seen!, rules), knownTo({ known }));
  const after = (same: LimitWorker): void => {
    forget(same);
    Object.assign(same, { phase: same.then, then: "complete" });
  };
  const rung = (same: LimitWorker, readAgain: boolean): void => {
    if (readAgain && rules.readsAgain) same.phase = "ask again";
    else after(same);
  };
  const decide = (same: LimitWorker): void => {
    const decision = decisionOf(same);
    if (decision.action === "look") same.phase = "look for ask";
    else if (decision.action !== "ring") throw new Error(`The model does not know ${decision.action}.`);
    else if (decision.places.length > 0) same.phase = "ring";
    else rung(same, decision.readAgain);
  };
  if (phase === "ask again") {
    take("reads the line again to wake others", (next, same) => {
      if (JSON.stringify(same.seen) === JSON.stringify(next.line)) {
        after(same);
        return;
      }
      Object.assign(same, { seen: { ...next.line, places: [...next.line.places] }, known: {} });
      decide(same);
    });
    return;
  }
  if (phase === "ask") {
    take("reads the line to wake others", (next, same) => {
      Object.assign(same, { seen: { ...next.line, places: [...next.line.places] }, known: {} });
      decide(same);
    });
    return;
  }
  const decision = decisionOf(state.workers[index]!);
  if (decision.action === "look") {
    const [wanted] = decision.jobIds;
    if (wanted === undefined) throw new Error("The decision reads no row.");
    take(`reads the row of ${wanted} to wake others`, (next, same) => {
      const row = next.rows[jobOf(wanted)]!;
      same.known[wanted] = { state: row.state, ring: ringFor(rules, row.ring) };
      decide(same);
    });
  } else if (decision.action === "ring") {
    const wanted = decision.places;
    take(`rings for ${wanted.map(({ jobId }) => jobId).join(", ")}`, (next, same) => {
      for (const { ticket } of wanted) {
        const place = same.seen!.places.find((one) => one.ticket === ticket)!;
        sendPlaceBell(next, place, same.seen!.era, rules);
      }
      rung(same, decision.readAgain);
    });
  }
}
