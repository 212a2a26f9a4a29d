/**
 * A worker, one step at a time, as runtime/worker acts: it claims on the ETag in the bell, reads only after a refused or
 * unanswered write, lets the table decide, and settles its message last. It may die, lose its lock, or have its answers
 * lost between any two steps.
 */
import { must } from "../search.ts";
import { messageOf, nameOf, redeliver, remove, send, sendSteps } from "./broker.ts";
import type { Context, JobSteps } from "./context.ts";
import { jobOf, writeRow } from "./rows.ts";
import { deliveredOf, landClaim, landEnd } from "./worker-writes.ts";
import type { LateWrite, Message, Phase, Result, Row, Worker } from "./world.ts";

export const IDLE: Worker = {
  phase: "idle",
  job: 0,
  seq: 0,
  ring: 0,
  locked: false,
  fresh: false,
  claim: 0,
  result: "none",
  cancel: false,
  interruptions: 0,
  toSend: 0,
  delayed: false,
};

/** The steps of one worker, with the worker and its row of the state that the step leads to. */
interface Turn {
  readonly context: Context;
  readonly worker: Worker;
  readonly row: Row;
}

export function workerSteps(context: Context, steps: JobSteps, index: number): void {
  const worker = context.world.workers[index]!;
  const name = `worker ${index + 1}`;
  if (worker.phase === "idle") {
    receiveSteps(context, steps, index);
    return;
  }
  const turn = (next: Context): Turn => {
    const same = next.world.workers[index]!;
    return { context: next, worker: same, row: next.world.rows[same.job]! };
  };
  const own: OwnSteps = {
    name,
    take: (label, change) => steps.take(`${name} ${label}`, (next) => change(turn(next))),
    fault: (fault, label, change) => steps.fault(fault, `${name} ${label}`, (next) => change(turn(next))),
  };
  own.fault("crash", `dies (${worker.phase})`, ({ worker: same }) => stop(same));
  phaseSteps(turn(context), own, steps);
}

interface OwnSteps {
  readonly name: string;
  take(label: string, change: (turn: Turn) => void): void;
  fault(fault: Parameters<JobSteps["fault"]>[0], label: string, change: (turn: Turn) => void): void;
}

function phaseSteps(now: Turn, own: OwnSteps, steps: JobSteps): void {
  const { worker } = now;
  switch (worker.phase) {
    case "idle":
      return;
    case "claim":
      claimSteps(now, own);
      return;
    case "read":
      readSteps(now, own);
      return;
    case "run":
      runSteps(now, own);
      return;
    case "end":
      endSteps(now, own);
      return;
    case "reread":
      own.take(`reads the row, ${rowText(now.row)}`, afterReread);
      return;
    case "ring":
      ringSteps(now, own, steps);
      return;
    case "complete":
      own.take(settling(worker, "completes its message"), (turn) => {
        if (turn.worker.locked) remove(turn.context.world, turn.worker.seq);
        stop(turn.worker);
      });
      return;
    case "dead-letter":
      own.take(settling(worker, "dead-letters its message"), (turn) => {
        const message = messageOf(turn.context.world, turn.worker.seq);
        if (turn.worker.locked && message !== undefined) Object.assign(message, { locked: false, dead: true });
        stop(turn.worker);
      });
      return;
    case "abandon":
    case "let-go":
      own.take(settling(worker, "gives its message back"), (turn) => {
        if (turn.worker.locked) redeliver(turn.context, messageOf(turn.context.world, turn.worker.seq)!);
        stop(turn.worker);
      });
      return;
  }
}

const settling = ({ locked }: Worker, text: string): string => (locked ? text : "cannot settle: its lock has ended");
const stop = (worker: Worker): void => void Object.assign(worker, IDLE);
const rowText = ({ state, ring }: Row): string => `${state} at ring ${ring}`;

// --- Receiving and claiming -------------------------------------------------------------------------------------------

function receiveSteps({ world, protocol }: Context, steps: JobSteps, index: number): void {
  const seen = new Set<string>();
  for (const message of world.messages) {
    if (message.locked || message.scheduled || message.dead) continue;
    const alike = likeness(world, message);
    if (seen.has(alike)) continue;
    seen.add(alike);
    const label = `worker ${index + 1} receives ${nameOf(message)}, delivery ${message.deliveries + 1}`;
    steps.take(label, ({ world: next }) => {
      const { seq, job, ring, fresh, interruptions } = message;
      messageOf(next, seq)!.locked = true;
      next.workers[index] = {
        ...IDLE,
        // A write on an old ETag would only be refused.
        ...{ phase: fresh ? "claim" : "read", job, seq, ring, locked: true, fresh, interruptions },
        // 0: an id that nobody else knows yet.
        claim: protocol.procedure.claimId === "worker name" ? index + 1 : 0,
      };
    });
  }
}

/** Messages that differ in nothing but their number lead to the same. */
function likeness({ rows, workers }: Context["world"], message: Message): string {
  const { seq, job, ring, fresh, interruptions, deliveries } = message;
  const named = rows[job]!.seq === seq || workers.some((worker) => worker.seq === seq);
  return [job, ring, fresh, interruptions, deliveries, named ? seq : 0].join();
}

function freshClaim({ rows, workers, late }: Context["world"]): number {
  const used = new Set([rows, workers, late].flatMap((holders) => holders.map(({ claim }) => claim)));
  let claim = 1;
  while (used.has(claim)) claim += 1;
  return claim;
}

/** From its first write on, others may read the claim's id. */
function landClaimOf({ context, worker }: Turn): void {
  nameClaim(context, worker);
  landClaim(context, worker);
}

function nameClaim({ world }: Context, worker: Worker): void {
  if (worker.claim === 0) worker.claim = freshClaim(world);
}

function claimSteps({ worker, context }: Turn, own: OwnSteps): void {
  if (!worker.fresh) {
    own.take("writes its claim: refused", ({ worker: same }) => void (same.phase = "read"));
    return;
  }
  own.take("writes its claim", (turn) => {
    landClaimOf(turn);
    turn.worker.fresh = true;
    if (turn.row.state === "running") begin(turn);
    else go(turn, turn.row.state === "failed" ? "dead-letter" : "complete");
  });
  const tryAgain = (same: Worker): void => {
    same.phase = "read";
    same.fresh = false;
    if (context.protocol.procedure.claimId === "per try") same.claim = 0;
  };
  own.fault("ambiguous write", "writes its claim; it lands, the answer is lost", (turn) => {
    landClaimOf(turn);
    tryAgain(turn.worker);
  });
  own.fault("ambiguous write", "writes its claim; no answer, it is still on its way", (turn) => {
    nameClaim(turn.context, turn.worker);
    turn.context.world.late.push(lateWrite("claim", turn.worker));
    tryAgain(turn.worker);
  });
  own.fault("outage", "writes its claim; it lands, neither that nor the row can be read", (turn) => {
    const { interruptions = 0 } = messageOf(turn.context.world, turn.worker.seq) ?? {};
    landClaimOf(turn);
    tryAgain(turn.worker);
    if (context.protocol.procedure.claimRestartsFromBell) turn.worker.interruptions = interruptions;
  });
}

const lateWrite = (kind: LateWrite["kind"], worker: Worker): LateWrite => {
  const { job, ring, claim, seq, result, cancel, interruptions } = worker;
  return { kind, job, ring, fresh: true, claim, seq, result, cancel, interruptions };
};

/** The claim is confirmed: the user's code starts, if the lock allows. */
function begin({ context, worker, row }: Turn): void {
  if (context.protocol.procedure.checksLockBeforeStart && !worker.locked) {
    stop(worker);
    return;
  }
  must(row.mayStart, "I3: it runs again without a recorded failure, interruption or requeue");
  row.mayStart = false;
  worker.phase = "run";
}

function readSteps({ worker, row }: Turn, own: OwnSteps): void {
  if (!worker.locked) {
    own.take("notices that its lock has ended", ({ worker: same }) => stop(same));
    own.fault("blind lock expiry", `reads the row, ${rowText(row)}, without noticing`, meetRow);
    return;
  }
  own.take(`reads the row, ${rowText(row)}`, meetRow);
}

/** The table decides what the delivered bell means for the row just read. */
function meetRow(turn: Turn): void {
  const { context, worker, row } = turn;
  const meeting = context.protocol.decisions.meet(jobOf(row), deliveredOf(worker), String(worker.claim));
  switch (meeting.action) {
    case "adopt":
      worker.fresh = true;
      worker.cancel = row.cancelWanted;
      begin(turn);
      return;
    case "claim":
      readyToClaim(worker, row.interruptions);
      return;
    case "take-over":
      readyToClaim(worker, row.interruptions + 1);
      return;
    case "set-aside":
    case "settle-ended":
    case "ring-again":
    case "complete-surplus":
    case "abandon":
      settleAfter(turn, meeting);
  }
}

function readyToClaim(worker: Worker, interruptions: number): void {
  worker.phase = "claim";
  worker.fresh = true;
  worker.interruptions = interruptions;
}

type Settling = Exclude<
  ReturnType<Context["protocol"]["decisions"]["meet"]>,
  { readonly action: "adopt" | "claim" | "take-over" }
>;

/** Meetings that start nothing. */
function settleAfter(turn: Turn, meeting: Settling): void {
  switch (meeting.action) {
    case "set-aside":
      go(turn, "dead-letter");
      return;
    case "settle-ended":
      go(turn, meeting.asDeadLetter ? "dead-letter" : "complete");
      return;
    case "complete-surplus":
      go(turn, "complete");
      return;
    case "abandon":
      go(turn, "abandon");
      return;
    case "ring-again":
      readyToRing(turn);
      return;
  }
}

const go = ({ worker }: Turn, phase: Phase): void => void (worker.phase = phase);

/** It will send the bell of the row as it is now. */
function readyToRing({ worker, row }: Turn): void {
  Object.assign(worker, { phase: "ring", fresh: true, toSend: row.ring, interruptions: row.interruptions });
  worker.delayed = row.delayed;
}

// --- Running and ending -----------------------------------------------------------------------------------------------

function runSteps({ context, worker, row }: Turn, own: OwnSteps): void {
  const ends = (result: Result) => (turn: Turn) => {
    turn.worker.phase = "end";
    turn.worker.result = result;
  };
  for (const result of context.bounds.results) own.take(`sees its job end: ${result}`, ends(result));
  const isMine = row.state === "running" && row.claim === worker.claim;
  if (worker.cancel || (row.cancelWanted && isMine)) {
    own.take("hears of the cancel and ends its job", (turn) => {
      turn.worker.cancel = true;
      ends("canceled")(turn);
    });
  }
  own.fault("drain", "drains: it ends its job", ends("interrupted"));
  if (!worker.fresh) {
    own.take("writes progress: refused", (turn) => {
      turn.worker.phase = "reread";
      turn.worker.result = "progress";
    });
  } else {
    own.fault("ambiguous write", "writes progress; it lands, the answer is lost", ({ context: next, worker: same }) => {
      writeRow(next, same.job, "progress", { to: "running", changes: {} });
    });
  }
  if (!worker.locked) {
    own.take("notices that its lock has ended and ends its job", ({ worker: same }) => stop(same));
  } else if (context.bounds.watchdog) {
    own.fault("lock expiry", "cannot renew its lock and ends its job in time", (turn) => go(turn, "let-go"));
  }
}

function endSteps({ context, worker }: Turn, own: OwnSteps): void {
  const { order, fenced } = context.protocol.procedure;
  if (!worker.locked) own.take("notices that its lock has ended", ({ worker: same }) => stop(same));
  if (!worker.fresh && fenced) {
    own.take("writes the end: refused", (turn) => go(turn, "reread"));
    return;
  }
  if (order === "bell, row, complete" && worker.result === "failed" && worker.toSend === 0) {
    own.take("sends the next bell before the row is written", (turn) => {
      turn.worker.toSend = turn.row.ring + 1;
      const { job, toSend: ring, interruptions } = turn.worker;
      send(turn.context, { job, ring, fresh: false, interruptions, scheduled: true });
    });
    return;
  }
  own.take(`writes the end (${worker.result})`, (turn) => {
    landEnd(turn.context, turn.worker);
    afterEnd(turn);
  });
  if (!worker.fresh) return;
  const unanswered = (turn: Turn): void => {
    turn.worker.phase = "reread";
    turn.worker.fresh = false;
  };
  own.fault("ambiguous write", "writes the end; it lands, the answer is lost", (turn) => {
    landEnd(turn.context, turn.worker);
    unanswered(turn);
  });
  own.fault("ambiguous write", "writes the end; no answer, it is still on its way", (turn) => {
    turn.context.world.late.push(lateWrite("end", turn.worker));
    unanswered(turn);
  });
}

/** Row written; next bell; old bell. */
function afterEnd(turn: Turn): void {
  const { context, worker, row } = turn;
  if (row.state !== "queued") {
    go(turn, row.state === "failed" ? "dead-letter" : "complete");
    return;
  }
  if (context.protocol.procedure.order === "bell, row, complete" && worker.toSend !== 0) {
    go(turn, "complete");
    return;
  }
  readyToRing(turn);
}

/** A write on the claim's ETag was refused or not answered. */
function afterReread(turn: Turn): void {
  const { context, worker, row } = turn;
  const meeting = context.protocol.decisions.meet(jobOf(row), deliveredOf(worker), String(worker.claim));
  switch (meeting.action) {
    case "adopt":
      worker.fresh = true;
      worker.cancel ||= row.cancelWanted;
      if (worker.result === "progress") {
        worker.result = "none";
        worker.phase = "run";
      } else {
        worker.phase = "end";
      }
      return;
    case "claim":
    case "take-over":
      // The claim is gone and nothing says what becomes of the message: it is left to its lock.
      stop(worker);
      return;
    case "set-aside":
    case "settle-ended":
    case "ring-again":
    case "complete-surplus":
    case "abandon":
      settleAfter(turn, meeting);
  }
}

function ringSteps({ context, worker }: Turn, own: OwnSteps, steps: JobSteps): void {
  const { order } = context.protocol.procedure;
  const { name } = own;
  if (order === "row, complete, bell" && worker.locked) {
    own.take("completes the old bell first", (turn) => {
      remove(turn.context.world, turn.worker.seq);
      turn.worker.locked = false;
    });
    return;
  }
  const { job, toSend: ring, fresh, interruptions, delayed: scheduled } = worker;
  const at = context.world.workers.indexOf(worker);
  sendSteps(steps, context, name, { job, ring, fresh, interruptions, scheduled }, (next, forgotten) => {
    const same = next.world.workers[at]!;
    send(next, { job, ring, fresh: same.fresh, interruptions, scheduled }, forgotten);
    same.phase = "complete";
  });
}
