/** What attempts read and leave behind, as blobs. */
import { ARTIFACT_PATH_MAX_LENGTH } from "../limits.ts";

export interface Artifact {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
}

/** The bytes of an artifact, read by position any number of times: a repeated upload sends the same. */
export interface ArtifactContent {
  readonly bytes: number;
  /** Exactly `length` bytes from a position. Its errors reach the caller unchanged. */
  readonly read: (position: number, length: number) => Promise<Buffer>;
}

/** What attempts read and leave behind. Paths contain the claim id, because blobs are not fenced. */
export interface JobFiles {
  putParameters(jobId: string, json: string): Promise<void>;
  getParameters(jobId: string): Promise<string | undefined>;
  /** Throws InvalidRequestError for a path no artifact can have. */
  putArtifact(
    jobId: string,
    claimId: string,
    path: string,
    content: ArtifactContent,
    signal?: AbortSignal,
  ): Promise<void>;
  listArtifacts(jobId: string, claimId: string): Promise<readonly Artifact[]>;
  /** Undefined: no such artifact. */
  openArtifact(jobId: string, claimId: string, path: string): Promise<OpenedBlob | undefined>;
  /** Starts a log; `append` may be called any number of times, one at a time. */
  appendLog(jobId: string, claimId: string, chunk: Uint8Array): Promise<void>;
  /** From a byte on. Empty when the log has no more yet. Undefined: there is no log. */
  openLog(jobId: string, claimId: string, fromByte?: number): Promise<OpenedBlob | undefined>;
}

export interface OpenedBlob {
  readonly bytes: number;
  readonly contentType: string;
  readonly stream: AsyncIterable<Uint8Array>;
}

// Which paths a file that a job leaves may have: those that are the same as a blob's name, and stay where they are put.

/** Storage takes no control characters, and turns a backslash into a slash. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/;

/** What is wrong with a relative path, as the end of a sentence; undefined when nothing is. */
export function artifactPathProblem(path: string): string | undefined {
  if (path.length > ARTIFACT_PATH_MAX_LENGTH) return `has a path of more than ${ARTIFACT_PATH_MAX_LENGTH} characters`;
  if (!path.isWellFormed()) return "has a name that is not UTF-8";
  if (CONTROL.test(path)) return "has a name with control characters";
  if (path.includes("\\")) return "has a name with a backslash";
  const isStep = (segment: string): boolean => ["", ".", ".."].includes(segment);
  return path.split("/").some(isStep) ? "has a name that is a way and no name" : undefined;
}
