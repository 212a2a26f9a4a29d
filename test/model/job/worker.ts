/**
 * A worker, one step at a time, following runtime/worker. It claims on the ETag in the bell, reads only after a refused
 * or unanswered write, lets the table decide, and settles its message last. Between any two steps it may die, lose its
 * lock, or lose an answer.
 */
import { redeliver, remove } from "./broker.ts";
import type { Context, JobSteps } from "./context.ts";
import { claimSteps, readSteps, receiveSteps } from "./worker-claiming.ts";
import { endSteps, rereadSteps, ringSteps, runSteps } from "./worker-ending.ts";
import { type OwnSteps, stop, type Turn } from "./worker-turn.ts";
import { messageOf, type Worker } from "./world.ts";

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
      rereadSteps(now, own);
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
      own.take(settling(worker, "abandons its message"), (turn) => {
        if (turn.worker.locked) redeliver(turn.context, messageOf(turn.context.world, turn.worker.seq)!);
        stop(turn.worker);
      });
      return;
  }
}

const settling = ({ locked }: Worker, text: string): string => (locked ? text : "cannot settle: its lock has ended");
