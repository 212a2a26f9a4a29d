/** `jobyard requeue <id>…`: runs ended jobs again, or the failed ones of a batch. */
import { type Command, Option } from "commander";
import { parseBatchId } from "../../core/ids.ts";
import { connect, remoteCommand, show, type RemoteOptions } from "../command.ts";
import { JobsFailedError, UsageError } from "../exit-codes.ts";
import type { Surroundings } from "../terminal.ts";

interface RequeueOptions extends RemoteOptions {
  readonly state: "failed" | "canceled";
}

export const requeueCommand = (around: Surroundings): Command =>
  remoteCommand("requeue", "Run ended jobs again: those named, or all failed ones of a batch.", [
    "requeue <jobId> <jobId>",
    "requeue <batchId>",
    "requeue <batchId> --state canceled",
  ])
    .argument("<ids...>", "of jobs, or of one batch")
    .addOption(new Option("--state <state>", "of a batch: which").choices(["failed", "canceled"]).default("failed"))
    .action(async (ids: readonly string[], options: RequeueOptions) => {
      const { terminal, signal } = around;
      const batches = ids.filter((id) => parseBatchId(id) !== undefined);
      const [batchId] = batches;
      if (batchId !== undefined && ids.length > 1) throw new UsageError("Name jobs, or one batch.");
      const { management } = await connect(options, around);
      if (batchId !== undefined) {
        const requeued = await management.requeueBatch(batchId, { state: options.state }, { signal });
        show(terminal, options, { requeued }, () => `${requeued} jobs run again.`);
        return;
      }
      const results = await management.requeueJobs(ids, { signal });
      const refused = results.flatMap((result) => ("error" in result ? [result] : []));
      for (const { jobId, error } of refused) terminal.error(`${jobId}: ${error.message} (${error.code})`);
      show(terminal, options, { results }, () => `${results.length - refused.length} jobs run again.`);
      if (refused.length > 0) throw new JobsFailedError();
    });
