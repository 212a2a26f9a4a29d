/** `jobyard logs <jobId>`: what a job has written, or writes. */
import type { Command } from "commander";
import { connect, localCommand, wholeNumber } from "../command.ts";
import type { Surroundings } from "../terminal.ts";

interface LogsOptions {
  readonly url?: string;
  readonly follow?: true;
  readonly start?: number;
}

export const logsCommand = (around: Surroundings): Command =>
  localCommand("logs", "Print the log of a job: of its latest start, or as it grows.", [
    "logs <jobId>",
    "logs <jobId> --follow",
    "logs <jobId> --start 1",
  ])
    .argument("<jobId>", "the job")
    .option("--url <address>", "the service (default: JOBYARD_URL, or where you signed in)")
    .option("-f, --follow", "until the job has ended, through its retries")
    .option("--start <number>", "of which start of the job, as its history counts them", wholeNumber(1, 1_000_000))
    .action(async (jobId: string, options: LogsOptions) => {
      const { terminal, signal } = around;
      const { monitoring } = await connect(options, around);
      const which = { execution: options.start, signal };
      if (options.follow) for await (const text of monitoring.followLog(jobId, which)) terminal.write(text);
      else terminal.write(await monitoring.getLog(jobId, which));
    });
