/** `jobyard watch <id>`: follows a batch or a job to its end. */
import type { Command } from "commander";
import { parseBatchId } from "../../core/ids.ts";
import { connect, remoteCommand, wholeNumber, type RemoteOptions } from "../command.ts";
import type { Surroundings } from "../terminal.ts";
import { watchBatch, watchJob } from "../watching.ts";

interface WatchOptions extends RemoteOptions {
  readonly timeout?: number;
}

const TIMEOUT_MAX_S = 30 * 24 * 60 * 60;

export const watchCommand = (around: Surroundings): Command =>
  remoteCommand("watch", "Watch a batch or a job until it has ended; exit code 5 unless all succeeded.", [
    "watch <batchId>",
    "watch <jobId> --timeout 600 --json",
  ])
    .argument("<id>", "of a batch or of a job")
    .option("--timeout <seconds>", "give up after that; the jobs go on", wholeNumber(1, TIMEOUT_MAX_S))
    .action(async (id: string, { timeout, ...options }: WatchOptions) => {
      const client = await connect(options, around);
      const watch = parseBatchId(id) === undefined ? watchJob : watchBatch;
      await watch(client, id, { ...options, timeoutMs: timeout === undefined ? undefined : timeout * 1_000 }, around);
    });
