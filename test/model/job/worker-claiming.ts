/** A worker that receives a message and claims its job on the ETag in the bell. It reads only after a refusal. */
import { must } from "../search.ts";
import { nameOf } from "./broker.ts";
import type { Context, JobSteps } from "./context.ts";
import { jobOf } from "./rows.ts";
import { go, IDLE, lateWrite, type OwnSteps, rowText, settleAfter, stop, type Turn } from "./worker-turn.ts";
import { deliveredOf, landClaim } from "./worker-writes.ts";
import { type Message, messageOf, type Worker } from "./world.ts";

export function receiveSteps({ world, protocol }: Context, steps: JobSteps, index: number): void {
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
        // 0: an id that no other knows yet.
        claim: protocol.procedure.claimId === "worker name" ? index + 1 : 0,
      };
    });
  }
}

/** Messages that differ only in their number lead to the same states. */
function likeness({ rows, workers }: Context["world"], message: Message): string {
  const { seq, job, ring, fresh, interruptions, deliveries, givenUp } = message;
  const named = rows[job]!.seq === seq || workers.some((worker) => worker.seq === seq);
  return [job, ring, fresh, interruptions, deliveries, givenUp, named ? seq : 0].join();
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

export function claimSteps({ worker, context }: Turn, own: OwnSteps): void {
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
  own.fault("ambiguous write", "writes its claim; no answer, it may still arrive", (turn) => {
    nameClaim(turn.context, turn.worker);
    turn.context.world.late.push(lateWrite("claim", turn.worker));
    tryAgain(turn.worker);
  });
  own.fault("outage", "writes its claim; it lands, but neither the answer nor the row can be read", (turn) => {
    const { interruptions = 0 } = messageOf(turn.context.world, turn.worker.seq) ?? {};
    landClaimOf(turn);
    tryAgain(turn.worker);
    if (context.protocol.procedure.claimRestartsFromBell) turn.worker.interruptions = interruptions;
  });
}

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

export function readSteps({ worker, row }: Turn, own: OwnSteps): void {
  if (!worker.locked) {
    own.take("notices that its lock has ended", ({ worker: same }) => stop(same));
    own.fault("blind lock expiry", `reads the row, ${rowText(row)}, without noticing`, meetRow);
    return;
  }
  own.take(`reads the row, ${rowText(row)}`, meetRow);
}

/** The table decides what the delivered bell means for the current row. */
function meetRow(turn: Turn): void {
  const { context, worker, row } = turn;
  const decision = context.protocol.decisions.decideDelivery(jobOf(row), deliveredOf(worker), String(worker.claim));
  switch (decision.action) {
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
      settleAfter(turn, decision);
  }
}

function readyToClaim(worker: Worker, interruptions: number): void {
  worker.phase = "claim";
  worker.fresh = true;
  worker.interruptions = interruptions;
}
