/**
 * Keeps what a job left in its output folder: ordinary files of its own, under their relative paths. Each is opened once
 * and sent from there. Files that cannot be kept are reported, and the others are still kept.
 */
import { isSystemError } from "../../core/errors.ts";
import {
  ARTIFACT_MAX_BYTES,
  ARTIFACT_MAX_COUNT,
  ARTIFACTS_MAX_TOTAL_BYTES,
  FAILURE_MESSAGE_MAX_LENGTH,
  REFUSED_FILES_TOLD_MAX_COUNT,
} from "../../core/limits.ts";
import { showPath } from "../../core/package/package-path.ts";
import type { ArtifactContent, JobFiles } from "../../core/ports/job-files.ts";
import { type Found, type OutputFolder, tooLarge, type WalkLimits, walkOutput } from "./output-walk.ts";
import { type JobFile, refusalOf } from "../process/files/job-file.ts";

/** Uploads going on at the same time for one job. */
const PARALLEL_UPLOADS = 4;

export interface KeptArtifacts {
  readonly count: number;
  /** Files of the job that were not kept. */
  readonly refusedCount: number;
  /** The first of them, as a sentence. Undefined: none. */
  readonly firstRefused: string | undefined;
  /** What the job's log is to say: what was not kept, and what was left out. */
  readonly notes: readonly string[];
}

export interface ArtifactsDeps extends WalkLimits {
  /** Repeats itself through outages. Throws InvalidRequestError for a path no artifact can have. */
  readonly put: (...artifact: Parameters<JobFiles["putArtifact"]>) => Promise<void>;
}

export interface ArtifactsRequest {
  readonly jobId: string;
  readonly claimId: string;
  readonly output: OutputFolder;
}

/**
 * Throws JobFailedError "ArtifactsTooLarge" before the first upload when a limit is exceeded; else faults of the machine
 * and of storage, and the signal's reason.
 */
export async function keepArtifacts(
  { jobId, claimId, output }: ArtifactsRequest,
  deps: ArtifactsDeps,
): Promise<KeptArtifacts> {
  const measured = createTally();
  let isEmpty = true;
  for await (const found of walkOutput(output, deps)) {
    isEmpty = false;
    if (found.kind === "file") measured.add(found.path, found.bytes);
  }

  const tally = createTally();
  const report = createReport();
  if (isEmpty) return report.end(0);
  const uploads = createTurns(PARALLEL_UPLOADS);
  try {
    for await (const found of walkOutput(output, deps)) {
      if (found.kind !== "file") report.add(found);
      else {
        await uploads.free();
        const opened = await found.open();
        if ("refused" in opened) report.refuse(showPath(found.path), opened.refused);
        else uploads.start(() => send(found.path, opened));
      }
    }
  } finally {
    await uploads.settled();
  }
  await uploads.done();
  return report.end(tally.count());

  async function send(path: string, opened: JobFile): Promise<void> {
    await using file = opened;
    tally.add(path, file.bytes);
    try {
      await deps.put(jobId, claimId, path, contentOf(file), deps.signal);
    } catch (error) {
      const refused = refusalOfUpload(error);
      tally.remove(file.bytes);
      report.refuse(showPath(path), refused);
    }
  }
}

/** What a job that succeeded fails with when a file was refused. */
export function refusal({ refusedCount, firstRefused = "" }: KeptArtifacts) {
  const others = refusedCount === 1 ? "" : ` And ${refusedCount - 1} more.`;
  const message = `The job ended well, but not all it left in its output folder could be kept: ${firstRefused}${others}`;
  return { code: "ArtifactRefused", message: message.slice(0, FAILURE_MESSAGE_MAX_LENGTH) } as const;
}

/** The file may still be changed by a process that outlived its job: what it no longer has cannot be sent. */
function contentOf({ handle, bytes }: JobFile): ArtifactContent {
  return {
    bytes,
    async read(position, length) {
      const buffer = Buffer.alloc(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
        if (bytesRead === 0) throw new FileShrankError();
        filled += bytesRead;
      }
      return buffer;
    },
  };
}

class FileShrankError extends Error {
  readonly code = "shorter than it was";
}

/** Throws what is not the file's fault. */
function refusalOfUpload(error: unknown): string {
  if (isSystemError(error)) {
    // Storage's own refusal has a cause; without one it is a fault of ours.
    const isRefused = error.code === "InvalidRequest" || (error.code === "InternalError" && error.cause !== undefined);
    if (isRefused) return "is not taken by storage";
    throw error;
  }
  return refusalOf(error).refused;
}

interface Tally {
  /** Throws JobFailedError "ArtifactsTooLarge". */
  add(path: string, bytes: number): void;
  remove(bytes: number): void;
  count(): number;
}

function createTally(): Tally {
  let count = 0;
  let total = 0;
  return {
    add(path, bytes) {
      if (bytes > ARTIFACT_MAX_BYTES) {
        throw tooLarge(`Artifact ${showPath(path)} has ${bytes} bytes; at most ${ARTIFACT_MAX_BYTES} are kept.`);
      }
      if (++count > ARTIFACT_MAX_COUNT) throw tooLarge(`The job left more than ${ARTIFACT_MAX_COUNT} artifacts.`);
      total += bytes;
      if (total > ARTIFACTS_MAX_TOTAL_BYTES) {
        throw tooLarge(`The artifacts have more than ${ARTIFACTS_MAX_TOTAL_BYTES} bytes together.`);
      }
    },
    remove(bytes) {
      count -= 1;
      total -= bytes;
    },
    count: () => count,
  };
}

function createReport() {
  const notes: string[] = [];
  const counts = { refused: 0, "left-out": 0 };
  let firstRefused: string | undefined;

  function add({ kind, name, why }: Exclude<Found, { kind: "file" }>): void {
    const text = `${name} ${why}.`;
    if (kind === "refused") firstRefused ??= text;
    if (++counts[kind] <= REFUSED_FILES_TOLD_MAX_COUNT) {
      notes.push(`${kind === "refused" ? "Not kept" : "Left out"}: ${text}`);
    }
  }

  return {
    add,
    refuse: (name: string, why: string) => add({ kind: "refused", name, why }),
    end(count: number): KeptArtifacts {
      const untold = (kind: keyof typeof counts): number => Math.max(0, counts[kind] - REFUSED_FILES_TOLD_MAX_COUNT);
      if (untold("refused") > 0) notes.push(`Not kept: ${untold("refused")} more.`);
      if (untold("left-out") > 0) notes.push(`Left out: ${untold("left-out")} more.`);
      return { count, refusedCount: counts.refused, firstRefused, notes };
    },
  };
}

/** Work of which so much goes on at the same time. After a failure no more is started. */
function createTurns(atOnce: number) {
  const running = new Set<Promise<void>>();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  return {
    /** Rejects with the first failure. */
    async free(): Promise<void> {
      while (running.size >= atOnce) await Promise.race([...running, failure.promise]);
    },
    start(work: () => Promise<void>): void {
      const turn = work()
        .catch((error: unknown) => failure.reject(error))
        .finally(() => running.delete(turn));
      running.add(turn);
    },
    async settled(): Promise<void> {
      await Promise.all(running);
    },
    done: (): Promise<void> => Promise.race([failure.promise, Promise.resolve()]),
  };
}
