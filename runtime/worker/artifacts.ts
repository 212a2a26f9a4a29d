/** Uploads what a job left in its output folder: plain files below it, under their relative paths. */
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { JobFailedError } from "../core/errors.ts";
import { ARTIFACTS_MAX_TOTAL_BYTES, ARTIFACT_MAX_BYTES, ARTIFACT_MAX_COUNT } from "../core/limits.ts";
import type { JobFiles } from "../core/ports/job-files.ts";

/** Uploads going on at the same time for one job. */
const PARALLEL_UPLOADS = 4;

interface FoundFile {
  readonly path: string;
  readonly localFile: string;
  readonly bytes: number;
}

/** How many were uploaded. Throws JobFailedError "ArtifactsTooLarge" before the first upload when a limit is exceeded. */
export async function uploadArtifacts(
  files: Pick<JobFiles, "putArtifact">,
  { jobId, claimId, outputPath }: { readonly jobId: string; readonly claimId: string; readonly outputPath: string },
  signal: AbortSignal,
): Promise<number> {
  const found = await findFiles(outputPath);
  assertWithinLimits(found);
  const waiting = [...found];
  const uploadNext = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      signal.throwIfAborted();
      await files.putArtifact(jobId, claimId, file.path, file.localFile, signal);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_UPLOADS }, uploadNext));
  return found.length;
}

/** Links are left out: one could point at anything this worker can read. */
async function findFiles(root: string): Promise<FoundFile[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const plain = entries.filter((entry) => entry.isFile());
  return Promise.all(
    plain.map(async (entry) => {
      const localFile = join(entry.parentPath, entry.name);
      const { size } = await stat(localFile);
      return { path: relative(root, localFile).split(sep).join("/"), localFile, bytes: size };
    }),
  );
}

function assertWithinLimits(files: readonly FoundFile[]): void {
  if (files.length > ARTIFACT_MAX_COUNT) {
    throw tooLarge(`The job left ${files.length} artifacts; at most ${ARTIFACT_MAX_COUNT} are kept.`);
  }
  for (const { path, bytes } of files) {
    if (bytes > ARTIFACT_MAX_BYTES) {
      throw tooLarge(`Artifact ${path} has ${bytes} bytes; at most ${ARTIFACT_MAX_BYTES} are kept.`);
    }
  }
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > ARTIFACTS_MAX_TOTAL_BYTES) {
    throw tooLarge(`The artifacts have ${total} bytes together; at most ${ARTIFACTS_MAX_TOTAL_BYTES} are kept.`);
  }
}

const tooLarge = (message: string): JobFailedError =>
  new JobFailedError("ArtifactsTooLarge", message, { retryable: false });
