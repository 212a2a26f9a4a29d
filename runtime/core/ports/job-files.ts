/** What attempts read and leave behind, as blobs. */

export interface Artifact {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
}

/** The bytes of an artifact, read by position any number of times: a repeated upload sends the same. */
export interface ArtifactContent {
  readonly bytes: number;
  /** Exactly so many, from a position. What it rejects with goes to the caller as it is. */
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
  /** From a byte on; a log that has no more yet is an empty one. Undefined: there is none. */
  openLog(jobId: string, claimId: string, fromByte?: number): Promise<OpenedBlob | undefined>;
}

export interface OpenedBlob {
  readonly bytes: number;
  readonly contentType: string;
  readonly stream: AsyncIterable<Uint8Array>;
}
