/** Reading blobs as streams, with "no such blob" and "not changed" as values. */
import { Readable } from "node:stream";
import type { BlobClient } from "@azure/storage-blob";
import { RELEASES } from "../../core/deployment/storage-layout.ts";
import { InvalidRequestError, InvariantError } from "../../core/errors.ts";
import { TENANT_NAME_PATTERN, parseJobId } from "../../core/job/ids.ts";
import { type OpenedBlob, artifactPathProblem } from "../../core/ports/job-files.ts";
import {
  RELEASE_POINTER_MAX_BYTES,
  type ReleasePointer,
  type ReleaseReader,
  parseReleasePointer,
} from "../../core/ports/release-reader.ts";
import type { StorageClients } from "../connect.ts";
import { isMissing, isUnchanged, storageError } from "../translate-error.ts";

export interface VersionedBlob extends OpenedBlob {
  /** Changes with every write. */
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Gives the connection up without reading to the end. */
  close(): void;
}

export interface OpenOptions {
  /** Answers "unchanged", without the content, while the blob has this version. */
  readonly knownVersion?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where to start. Default 0. */
  readonly fromByte?: number;
}

/** One request. Rejects with the signal's reason once it has fired. */
export async function openBlob(
  blob: BlobClient,
  { knownVersion, signal, fromByte = 0 }: OpenOptions = {},
): Promise<VersionedBlob | "unchanged" | undefined> {
  try {
    const response = await blob.download(fromByte, undefined, {
      ...(knownVersion === undefined ? {} : { conditions: { ifNoneMatch: knownVersion } }),
      ...(signal === undefined ? {} : { abortSignal: signal }),
    });
    const { readableStreamBody: body, contentLength, contentType, etag, metadata = {} } = response;
    if (!(body instanceof Readable) || contentLength === undefined || etag === undefined) {
      throw new InvariantError("A blob was answered without content, length or version.");
    }
    return {
      bytes: contentLength,
      contentType: contentType ?? "application/octet-stream",
      version: etag,
      metadata,
      stream: chunksOf(body, signal),
      close: () => body.destroy(),
    };
  } catch (error) {
    signal?.throwIfAborted();
    if (isUnchanged(error)) return "unchanged";
    if (isMissing(error)) return undefined;
    throw storageError(error, "opening a blob");
  }
}

async function* chunksOf(body: Readable, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    signal?.throwIfAborted();
    throw storageError(error, "reading a blob");
  }
}

export async function readAll({ stream }: Pick<OpenedBlob, "stream">): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

// Names of blobs. A tenant's blobs lie below its name and an attempt's below its claim, so every part is checked again
// here, whoever made it: no name may lead out of its place.

const CLAIM_ID = /^[A-Za-z0-9-]{1,64}$/;

/** A relative path with forward slashes that stays where it is put. */
export const isSafePath = (path: string): boolean => artifactPathProblem(path) === undefined;

/** Undefined for a name no package can have. */
export function packageBlobName(tenantName: string, packageName: string): string | undefined {
  const safe = TENANT_NAME_PATTERN.test(tenantName) && isSafePath(packageName) && !packageName.includes("/");
  return safe ? `${tenantName}/${packageName}` : undefined;
}

/** `{tenantName}/{jobId}` */
function jobFolder(jobId: string): string {
  const parts = parseJobId(jobId);
  if (parts === undefined) throw new InvariantError("Not a job id.");
  return `${parts.tenantName}/${jobId}`;
}

function claimFolder(jobId: string, claimId: string): string {
  if (!CLAIM_ID.test(claimId)) throw new InvariantError("Not a claim id.");
  return `${jobFolder(jobId)}/${claimId}`;
}

export const parametersBlobName = (jobId: string): string => `${jobFolder(jobId)}/parameters.json`;

export const logBlobName = (jobId: string, claimId: string): string => `${claimFolder(jobId, claimId)}.log`;

export const artifactsPrefix = (jobId: string, claimId: string): string => `${claimFolder(jobId, claimId)}/`;

/** Throws InvalidRequestError for a path that is not safe. */
export function artifactBlobName(jobId: string, claimId: string, path: string): string {
  if (!isSafePath(path)) {
    throw new InvalidRequestError(
      "InvalidRequest",
      "An artifact's path must be relative, with plain names between slashes.",
    );
  }
  return artifactsPrefix(jobId, claimId) + path;
}

// The pointer to the code that workers should run, as a deployment last wrote it.

export function createReleaseReader({ storage }: { readonly storage: Pick<StorageClients, "blobs"> }): ReleaseReader {
  const blob = storage.blobs.getContainerClient(RELEASES.container).getBlobClient(RELEASES.workerPointer);
  return {
    async current(signal): Promise<ReleasePointer | undefined> {
      const opened = await openBlob(blob, { signal });
      if (opened === undefined || opened === "unchanged") return undefined;
      if (opened.bytes > RELEASE_POINTER_MAX_BYTES) {
        opened.close();
        throw new InvariantError(`The release pointer has ${opened.bytes} bytes; it cannot be one.`);
      }
      const pointer = parseReleasePointer((await readAll(opened)).toString());
      if (pointer === undefined) throw new InvariantError("The release pointer lacks version, blob or sha256.");
      return pointer;
    },
  };
}
