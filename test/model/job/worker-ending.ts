/** A worker that runs its job, writes its end, and sends the next bell. It settles its message last. */
import { remove, send, sendSteps } from "./broker.ts";
import type { JobSteps } from "./context.ts";
import { jobOf, writeRow } from "./rows.ts";
import { go, lateWrite, type OwnSteps, readyToRing, rowText, settleAfter, stop, type Turn } from "./worker-turn.ts";
import { deliveredOf, landEnd } from "./worker-writes.ts";
import type { Result } from "./world.ts";

export function runSteps({ context, worker, row }: Turn, own: OwnSteps): void {
  const ends = (result: Result) => (turn: Turn) => {
    turn.worker.phase = "end";
    turn.worker.result = result;
  };
  for (const result of context.bounds.results) own.take(`sees its job end: ${result}`, ends(result));
  const isMine = row.state === "running" && row.claim === worker.claim;
  if (worker.cancel || (row.cancelWanted && isMine)) {
    own.take("receives the cancel and ends its job", (turn) => {
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

export function endSteps({ context, worker }: Turn, own: OwnSteps): void {
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
  own.fault("ambiguous write", "writes the end; no answer, it may still arrive", (turn) => {
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
export function rereadSteps({ row }: Turn, own: OwnSteps): void {
  own.take(`reads the row, ${rowText(row)}`, afterReread);
}

function afterReread(turn: Turn): void {
  const { context, worker, row } = turn;
  const decision = context.protocol.decisions.decideDelivery(jobOf(row), deliveredOf(worker), String(worker.claim));
  switch (decision.action) {
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
      // The claim is lost and nothing decides about the message: it stays until its lock ends.
      stop(worker);
      return;
    case "set-aside":
    case "settle-ended":
    case "ring-again":
    case "complete-surplus":
    case "abandon":
      settleAfter(turn, decision);
  }
}

export function ringSteps({ context, worker }: Turn, own: OwnSteps, steps: JobSteps): void {
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
