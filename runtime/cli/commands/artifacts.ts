/** `jobyard artifacts list|download <jobId>`: the files of a job. */
import { randomUUID } from "node:crypto";
import { constants, createWriteStream } from "node:fs";
import { copyFile, link, lstat, mkdir, rm } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isJobServiceError, type OpenedArtifact } from "../../client/index.ts";
import { parseJobId } from "../../core/job/ids.ts";
import { connect, show, showBytes, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { type Surroundings, jsonResult } from "../terminal.ts";
import { table } from "../table.ts";

interface DownloadOptions extends RemoteOptions {
  readonly to?: string;
  /** The file, or true for its usual name. */
  readonly zip?: string | true;
}

export async function listArtifacts(options: RemoteOptions, around: Surroundings, jobId: string): Promise<void> {
  const { terminal, signal } = around;
  const items = await (await connect(options, around)).monitoring.getArtifacts(jobId, { signal });
  show(terminal, options, { items }, () =>
    table(
      ["path", "size"],
      items.map(({ path, bytes }) => [path, showBytes(bytes)]),
      { ...terminal, empty: "No artifacts." },
    ),
  );
}

export async function downloadArtifacts(
  options: DownloadOptions,
  around: Surroundings,
  jobId: string,
  paths: readonly string[],
): Promise<void> {
  const { terminal, signal } = around;
  if (options.zip !== undefined) return downloadZip(options, around, jobId, paths);
  const client = await connect(options, around);
  const wanted =
    paths.length > 0 ? paths : (await client.monitoring.getArtifacts(jobId, { signal })).map(({ path }) => path);
  const folder = options.to ?? folderOf(jobId);
  const files: string[] = [];
  for (const path of wanted) {
    const file = join(folder, path);
    if (!resolve(file).startsWith(resolve(folder) + sep)) throw new Error(`${path} is outside ${folder}.`);
    await download(() => client.monitoring.openArtifact(jobId, path, { signal }), file, signal);
    files.push(file);
    if (!options.json) terminal.out(file);
  }
  if (options.json) terminal.out(jsonResult({ files }, terminal));
}

/** All files of the job as one ZIP. */
async function downloadZip(
  options: DownloadOptions,
  around: Surroundings,
  jobId: string,
  paths: readonly string[],
): Promise<void> {
  const { terminal, signal } = around;
  if (paths.length > 0) throw new UsageError("--zip has all files: leave out the paths.");
  if (options.to !== undefined) throw new UsageError("--zip names a file: leave out --to.");
  const file = typeof options.zip === "string" ? options.zip : `${folderOf(jobId)}.zip`;
  const { monitoring } = await connect(options, around);
  await download(() => monitoring.openArtifactsZip(jobId, { signal }), file, signal);
  terminal.out(options.json ? jsonResult({ files: [file] }, terminal) : file);
}

function folderOf(jobId: string): string {
  if (parseJobId(jobId) !== undefined) return jobId;
  throw new UsageError(`${jobId} is not a job id. Set a folder with --to.`);
}

const TRIES = 3;

/** The file appears complete or not at all, and never replaces another. */
async function download(open: () => Promise<OpenedArtifact>, file: string, signal: AbortSignal): Promise<void> {
  // Checked before the download. `place` decides.
  if (await isThere(file)) throw new FileExistsError(file);
  // A name that no other file has.
  const half = join(dirname(file), `.${randomUUID()}.part`);
  for (let attempt = 1; ; attempt++) {
    try {
      const { stream } = await open();
      await mkdir(dirname(file), { recursive: true });
      await pipeline(Readable.fromWeb(stream), createWriteStream(half, { flags: "wx" }), { signal });
      await place(half, file);
      return;
    } catch (error) {
      // The service's errors are final, and so is an existing file. A broken stream is repeated.
      const isFinal = isJobServiceError(error) || error instanceof FileExistsError || signal.aborted;
      if (isFinal || attempt === TRIES) throw error;
    } finally {
      await rm(half, { force: true });
    }
  }
}

const isThere = (file: string): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  );

class FileExistsError extends Error {
  override readonly name = "FileExistsError";

  constructor(file: string) {
    super(`${file} already exists and was not changed.`);
  }
}

/** A hard link to the same file. The system refuses it if the name exists, links included. */
async function place(half: string, file: string): Promise<void> {
  try {
    await link(half, file).catch(async (error: unknown) => {
      if (!NO_LINKS.has(codeOf(error))) throw error;
      await copyFile(half, file, constants.COPYFILE_EXCL);
    });
  } catch (error) {
    throw codeOf(error) === "EEXIST" ? new FileExistsError(file) : error;
  }
}

/** For file systems without hard links. */
const NO_LINKS: ReadonlySet<unknown> = new Set(["EPERM", "ENOTSUP", "ENOSYS"]);

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;
