/** `jobyard logs <jobId>`: what a job has written, or writes. */
import { connect } from "../command.ts";
import type { Surroundings } from "../terminal.ts";

interface LogsOptions {
  readonly url?: string;
  readonly follow?: true;
  readonly start?: number;
}

export async function logs(options: LogsOptions, around: Surroundings, jobId: string): Promise<void> {
  const { terminal, signal } = around;
  const { monitoring } = await connect(options, around);
  const which = { execution: options.start, signal };
  if (options.follow) for await (const text of monitoring.followLog(jobId, which)) terminal.write(text);
  else terminal.write(await monitoring.getLog(jobId, which));
}
