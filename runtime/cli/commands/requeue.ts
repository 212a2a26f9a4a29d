/** `jobyard requeue <id>…`: runs ended jobs again, or the failed ones of a batch. */
import { parseBatchId } from "../../core/ids.ts";
import { connect, counted, LONG, show, type RemoteOptions } from "../command.ts";
import { JobsFailedError, UsageError } from "../exit-codes.ts";
import type { Surroundings } from "../terminal.ts";

interface RequeueOptions extends RemoteOptions {
  readonly state: "failed" | "canceled";
}

export async function requeue(options: RequeueOptions, around: Surroundings, ids: readonly string[]): Promise<void> {
  const { terminal, signal } = around;
  const batches = ids.filter((id) => parseBatchId(id) !== undefined);
  const [batchId] = batches;
  if (batchId !== undefined && ids.length > 1) throw new UsageError("Name jobs, or one batch.");
  const { management } = await connect(options, around, LONG);
  if (batchId !== undefined) {
    const requeued = await management.requeueBatch(batchId, { state: options.state }, { signal });
    show(terminal, options, { requeued }, () => `${counted(requeued, "job runs", "jobs run")} again.`);
    return;
  }
  const results = await management.requeueJobs(ids, { signal });
  const refused = results.flatMap((result) => ("error" in result ? [result] : []));
  for (const { jobId, error } of refused) terminal.error(`${jobId}: ${error.message} (${error.code})`);
  show(
    terminal,
    options,
    { results },
    () => `${counted(results.length - refused.length, "job runs", "jobs run")} again.`,
  );
  if (refused.length > 0) throw new JobsFailedError();
}
