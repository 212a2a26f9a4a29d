/**
 * The API: submits, and callers' requests to cancel, requeue, reschedule or tag a job. It may die before it sends the bell.
 */
import { send, sendSteps } from "./broker.ts";
import type { Context, JobSteps } from "./context.ts";
import { jobOf, LATER, NOW, writeRow } from "./rows.ts";

export function apiSteps(context: Context, steps: JobSteps): void {
  for (const job of context.world.rows.keys()) jobSteps(context, steps, job);
  context.world.owed.forEach((owed, index) => {
    const { job, ring, fresh, givenUp, owesRow } = owed;
    if (owesRow) {
      steps.take("the api writes the row of the reschedule, if it can", (next) => {
        next.world.owed.splice(index, 1);
        const { state, ring: before } = next.world.rows[job]!;
        if (state === "queued" && before === ring - 1) {
          writeRow(next, job, "reschedule", { to: "queued", changes: { ring, runAt: LATER } });
        }
      });
      return;
    }
    sendSteps(steps, context, "the api", { job, ring, fresh, interruptions: 0 }, (next, forgotten) => {
      next.world.owed.splice(index, 1);
      const { interruptions } = next.world.rows[job]!;
      send(next, { job, ring, fresh, givenUp, interruptions }, forgotten);
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
    const { ring } = next.world.rows[job]!;
    next.world.owed.push({ job, ring, fresh: true, givenUp: false, owesRow: false });
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
  // A job that waits for this time already is given another one all the same.
  const reschedule = protocol.decisions.rescheduleOf({ ...current, runAt: undefined }, LATER);
  if (reschedule.action === "write") {
    steps.fault("reschedule", `a caller reschedules${which} (${row.state})`, (next) => {
      if (protocol.procedure.rescheduleOrder === "bell, row") {
        const ring = row.ring + 1;
        send(next, { job, ring, fresh: false, interruptions: row.interruptions });
        next.world.owed.push({ job, ring, fresh: false, givenUp: false, owesRow: true });
        return;
      }
      writeRow(next, job, "reschedule", reschedule);
      oweBell(next);
    });
  }
  steps.fault("tag", `tags of${which} are changed (${row.state})`, (next) => {
    // Without R38, of a job that was claimed after it was read.
    const isOld = !protocol.procedure.tagsAlone && row.state === "running";
    writeRow(next, job, "tag", { to: isOld ? "queued" : current.state, changes: { tags: ["a"] } });
  });
}
