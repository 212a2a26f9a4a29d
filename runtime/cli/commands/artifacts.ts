/** `jobyard artifacts list|download <jobId>`: the files a job left. */
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { isJobServiceError, type JobServiceClient } from "../../client/index.ts";
import { connect, remoteCommand, show, showBytes, type RemoteOptions } from "../command.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface DownloadOptions extends RemoteOptions {
  readonly to: string;
}

export const artifactsCommand = (around: Surroundings): Command =>
  new Command("artifacts")
    .description("List or download the files a job left.")
    .addCommand(listCommand(around))
    .addCommand(downloadCommand(around));

const listCommand = (around: Surroundings): Command =>
  remoteCommand("list", "List the files the latest attempt left.", ["artifacts list <jobId>"])
    .argument("<jobId>", "the job")
    .action(async (jobId: string, options: RemoteOptions) => {
      const { terminal, signal } = around;
      const items = await (await connect(options, around)).monitoring.getArtifacts(jobId, { signal });
      show(terminal, options, { items }, () =>
        table(
          ["path", "size"],
          items.map(({ path, bytes }) => [path, showBytes(bytes)]),
          { ...terminal, empty: "No artifacts." },
        ),
      );
    });

const downloadCommand = (around: Surroundings): Command =>
  remoteCommand("download", "Download all files the latest attempt left, or those named.", [
    "artifacts download <jobId> --to out",
    "artifacts download <jobId> report/2030.pdf",
  ])
    .argument("<jobId>", "the job")
    .argument("[paths...]", "only these")
    .option("--to <directory>", "where to", ".")
    .action(async (jobId: string, paths: readonly string[], options: DownloadOptions) => {
      const { terminal, signal } = around;
      const client = await connect(options, around);
      const wanted =
        paths.length > 0 ? paths : (await client.monitoring.getArtifacts(jobId, { signal })).map(({ path }) => path);
      const files: string[] = [];
      for (const path of wanted) {
        const file = join(options.to, path);
        if (!resolve(file).startsWith(resolve(options.to) + sep))
          throw new Error(`${path} lies outside ${options.to}.`);
        await download(client, jobId, path, file, signal);
        files.push(file);
        if (!options.json) terminal.out(file);
      }
      if (options.json) terminal.out(JSON.stringify({ files }));
    });

const TRIES = 3;

/** The file appears whole or not at all. */
async function download(
  { monitoring }: JobServiceClient,
  jobId: string,
  path: string,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const half = `${file}.part`;
  await mkdir(dirname(file), { recursive: true });
  for (let attempt = 1; ; attempt++) {
    try {
      const { stream } = await monitoring.openArtifact(jobId, path, { signal });
      await pipeline(Readable.fromWeb(stream), createWriteStream(half), { signal });
      await rename(half, file);
      return;
    } catch (error) {
      await rm(half, { force: true });
      // The service's answers are final; a broken stream is not.
      if (isJobServiceError(error) || signal.aborted || attempt === TRIES) throw error;
    }
  }
}
