/** `jobyard watch` and `jobyard logs`: follow a job or a batch. */
import { parseBatchId } from "../../core/job/ids.ts";
import { type RemoteOptions, connect } from "../command.ts";
import type { Surroundings } from "../terminal.ts";
import { watchBatch, watchJob } from "../watching.ts";

interface WatchOptions extends RemoteOptions {
  readonly timeout?: number;
}

/** Watches a batch or a job until it ends. */
export async function watch(given: WatchOptions, around: Surroundings, id: string): Promise<void> {
  const { timeout, ...options } = given;
  const client = await connect(options, around);
  const follow = parseBatchId(id) === undefined ? watchJob : watchBatch;
  await follow(client, id, { ...options, timeoutMs: timeout === undefined ? undefined : timeout * 1_000 }, around);
}

interface LogsOptions {
  readonly url?: string;
  readonly follow?: true;
  readonly start?: number;
}

/** Prints or follows the log of a job. */
export async function logs(options: LogsOptions, around: Surroundings, jobId: string): Promise<void> {
  const { terminal, signal } = around;
  const { monitoring } = await connect(options, around);
  const which = { execution: options.start, signal };
  if (options.follow) for await (const text of monitoring.followLog(jobId, which)) terminal.write(text);
  else terminal.write(await monitoring.getLog(jobId, which));
}
