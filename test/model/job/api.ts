/** The API: submits, and callers' requests to cancel a job or to run it again. It may die before it sends the bell. */
import { send, sendSteps } from "./broker.ts";
import type { Context, JobSteps } from "./context.ts";
import { jobOf, NOW, writeRow } from "./rows.ts";

export function apiSteps(context: Context, steps: JobSteps): void {
  for (const job of context.world.rows.keys()) jobSteps(context, steps, job);
  context.world.owed.forEach((owed, index) => {
    const { job, ring, fresh } = owed;
    sendSteps(steps, context, "the api", { job, ring, fresh, interruptions: 0 }, (next, forgotten) => {
      next.world.owed.splice(index, 1);
      const { interruptions } = next.world.rows[job]!;
      send(next, { job, ring, fresh, interruptions }, forgotten);
    });
    steps.fault("lost send", `the api dies before it sends bell ${ring}`, (next) => {
      next.world.owed.splice(index, 1);
    });
  });
}

function jobSteps({ world, protocol }: Context, steps: JobSteps, job: number): void {
  const row = world.rows[job]!;
  const which = world.rows.length > 1 ? ` job ${job + 1}` : " the job";
  const oweBell = (next: Context): void => {
    next.world.owed.push({ job, ring: next.world.rows[job]!.ring, fresh: true });
  };
  const current = jobOf(row);
  if (current === undefined) {
    steps.take(`the api inserts${which}`, (next) => {
      writeRow(next, job, "submit", { to: "queued", changes: { ring: 1 } });
      oweBell(next);
    });
    return;
  }
  if (row.state === "queued")
    steps.fault("re-submit", `${which} is submitted again: it exists, and gets a bell`, oweBell);

  const cancel = protocol.decisions.cancelOf(current, NOW);
  if (cancel.action === "end" || cancel.action === "ask") {
    steps.fault("cancel", `a caller cancels${which} (${row.state})`, (next) => {
      writeRow(next, job, "cancel", cancel);
    });
  }
  const requeue = protocol.decisions.requeueOf(current);
  if (requeue !== undefined) {
    steps.fault("requeue", `a caller requeues${which} (${row.state})`, (next) => {
      writeRow(next, job, "requeue", requeue);
      oweBell(next);
    });
  }
}
