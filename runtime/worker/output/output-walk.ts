/**
 * Looks through what a job left in its output folder, by open directories, so that nothing outside can be reached
 * whatever the job has made of it, and bounded while it goes. What the job did wrong is found, not thrown.
 */
import type { Dirent } from "node:fs";
import { lstat } from "node:fs/promises";
import { artifactPathProblem } from "../../core/ports/job-files.ts";
import { JobFailedError } from "../../core/errors.ts";
import { ARTIFACT_MAX_DEPTH, OUTPUT_ENTRIES_MAX_COUNT, OUTPUT_WALK_MAX_MS } from "../../core/limits.ts";
import { showPath } from "../../core/package/package-path.ts";
import { type JobFile, openJobFile, type Refused, refusalOf } from "../process/files/job-file.ts";
import { openDirectory, type OpenDirectory } from "../process/files/open-directory.ts";
import type { Clock } from "../../core/clock.ts";

export interface OutputFolder {
  readonly path: string;
  /** The user that owns what the job left. Undefined: any user. */
  readonly owner: number | undefined;
}

export type Found =
  /** An ordinary file. `open` is valid until the next one is requested. */
  | {
      readonly kind: "file";
      readonly path: string;
      readonly bytes: number;
      readonly open: () => Promise<JobFile | Refused>;
    }
  /** It cannot be kept. `name` can be shown; `why` ends a sentence about it. */
  | { readonly kind: "refused"; readonly name: string; readonly why: string }
  /** Nothing that could be kept: a link, a pipe, a socket, a device. */
  | { readonly kind: "left-out"; readonly name: string; readonly why: string };

export interface WalkLimits {
  /** Milliseconds of a clock that only goes forward. */
  readonly monotonicNow: Clock["monotonicNow"];
  readonly signal: AbortSignal;
}

/** Throws JobFailedError "ArtifactsTooLarge" for more than is looked at, faults of the machine, or the signal's reason. */
export async function* walkOutput({ path, owner }: OutputFolder, limits: WalkLimits): AsyncGenerator<Found, void> {
  const startedAt = limits.monotonicNow();
  let entries = 0;

  function look(): void {
    limits.signal.throwIfAborted();
    if (++entries > OUTPUT_ENTRIES_MAX_COUNT) {
      throw tooLarge(`The output folder has more than ${OUTPUT_ENTRIES_MAX_COUNT} entries.`);
    }
    if (limits.monotonicNow() - startedAt > OUTPUT_WALK_MAX_MS) {
      throw tooLarge(`Looking through the output folder took more than ${OUTPUT_WALK_MAX_MS / 1_000} s.`);
    }
  }

  async function* walk(directory: OpenDirectory, above: readonly string[]): AsyncGenerator<Found, void> {
    for await (const entry of directory.entries()) {
      look();
      const name = textOf(entry.name);
      const path = [...above, name ?? ""].join("/");
      const shown = showPath(name === undefined ? [...above, bytesOf(entry.name)].join("/") : path);
      const refuse = (why: string): Found => ({ kind: "refused", name: shown, why });
      const other = kindOf(entry);
      if (other !== undefined) {
        yield { kind: "left-out", name: shown, why: `is ${other}` };
        continue;
      }
      const problem = name === undefined ? "has a name that is not UTF-8" : artifactPathProblem(path);
      if (problem !== undefined) yield refuse(problem);
      else if (!entry.isDirectory()) yield* fileAt(directory.at(entry.name), path, refuse);
      else if (above.length + 1 >= ARTIFACT_MAX_DEPTH) yield refuse(`is more than ${ARTIFACT_MAX_DEPTH} folders deep`);
      else yield* enter(directory.at(entry.name), [...above, name ?? ""], refuse);
    }
  }

  async function* fileAt(at: Buffer, path: string, refuse: (why: string) => Found): AsyncGenerator<Found, void> {
    let bytes: number;
    try {
      bytes = (await lstat(at)).size;
    } catch (error) {
      yield refuse(refusalOf(error).refused);
      return;
    }
    yield { kind: "file", path, bytes, open: () => openJobFile(at, owner) };
  }

  async function* enter(
    at: string | Buffer,
    above: readonly string[],
    refuse: (why: string) => Found,
  ): AsyncGenerator<Found, void> {
    let opened: OpenDirectory;
    try {
      opened = await openDirectory(at);
    } catch (error) {
      yield refuse(folderRefusalOf(error));
      return;
    }
    await using directory = opened;
    if (owner !== undefined && directory.stats.uid !== BigInt(owner)) {
      yield refuse("belongs to another user");
      return;
    }
    try {
      yield* walk(directory, above);
    } catch (error) {
      // Raised on purpose, here or below; everything else is about this folder.
      if (error instanceof JobFailedError || limits.signal.aborted) throw error;
      yield refuse(refusalOf(error).refused);
    }
  }

  yield* enter(path, [], (why) => ({ kind: "refused", name: "the output folder", why }));
}

export const tooLarge = (message: string): JobFailedError =>
  new JobFailedError("ArtifactsTooLarge", message, { retryable: false });

function folderRefusalOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOTDIR" || code === "ELOOP" ? "is a link or a file, and no folder" : refusalOf(error).refused;
}

/** Undefined for what can be kept, or may hold it. */
function kindOf(entry: Dirent<Buffer>): string | undefined {
  if (entry.isSymbolicLink()) return "a link";
  if (entry.isFIFO()) return "a pipe";
  if (entry.isSocket()) return "a socket";
  if (entry.isBlockDevice() || entry.isCharacterDevice()) return "a device";
  return undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(name: Buffer): string | undefined {
  try {
    return utf8.decode(name);
  } catch {
    return undefined;
  }
}

/** With the bytes that are no ASCII by their numbers. */
const bytesOf = (name: Buffer): string =>
  name.toString("latin1").replaceAll(/[\u0080-\u00ff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
