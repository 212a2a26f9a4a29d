/** `jobyard cancel <id>`: ends a job or all jobs of a batch. */
import type { Command } from "commander";
import { parseBatchId } from "../../core/ids.ts";
import { openOf } from "../../core/states.ts";
import { connect, remoteCommand, show, showState, type RemoteOptions } from "../command.ts";
import type { Surroundings } from "../terminal.ts";

export const cancelCommand = (around: Surroundings): Command =>
  remoteCommand("cancel", "Cancel a job, or all jobs of a batch. Running ones get a moment to end.", [
    "cancel <jobId>",
    "cancel <batchId>",
  ])
    .argument("<id>", "of a job or of a batch")
    .action(async (id: string, options: RemoteOptions) => {
      const { terminal, signal } = around;
      const { management } = await connect(options, around);
      if (parseBatchId(id) === undefined) {
        const job = await management.cancelJob(id, { signal });
        const text = job.state === "running" ? "running, asked to end" : showState(terminal, job.state);
        show(terminal, options, job, () => text);
        return;
      }
      const batch = await management.cancelBatch(id, { signal });
      const open = batch.counts === undefined ? 0 : openOf(batch.counts);
      show(terminal, options, batch, () =>
        open === 0 ? "All jobs have ended." : `${open} jobs have been asked to end.`,
      );
    });
