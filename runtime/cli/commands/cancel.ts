/** `jobyard cancel <id>`: ends a job or all jobs of a batch. */
import { parseBatchId } from "../../core/ids.ts";
import { openOf } from "../../core/states.ts";
import { connect, counted, LONG, show, showState, type RemoteOptions } from "../command.ts";
import type { Surroundings } from "../terminal.ts";

export async function cancel(options: RemoteOptions, around: Surroundings, id: string): Promise<void> {
  const { terminal, signal } = around;
  const { management } = await connect(options, around, LONG);
  if (parseBatchId(id) === undefined) {
    const job = await management.cancelJob(id, { signal });
    const text = job.state === "running" ? "running, asked to end" : showState(terminal, job.state);
    show(terminal, options, job, () => text);
    return;
  }
  const batch = await management.cancelBatch(id, { signal });
  const open = batch.counts === undefined ? 0 : openOf(batch.counts);
  show(terminal, options, batch, () =>
    open === 0 ? "All jobs have ended." : `${counted(open, "job has", "jobs have")} been asked to end.`,
  );
}
