/** Reads blobs as streams. A missing and an unchanged blob are values, not errors. */
import { Readable } from "node:stream";
import type { BlobClient } from "@azure/storage-blob";
import { InvariantError } from "../../core/errors.ts";
import type { OpenedBlob } from "../../core/ports/job-files.ts";
import { isMissing, isUnchanged, storageError } from "../translate-error.ts";

export interface VersionedBlob extends OpenedBlob {
  /** Changes with every write. */
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Closes the connection without reading to the end. */
  close(): void;
}

export interface OpenOptions {
  /** Resolves to "unchanged", without the content, if the blob still has this version. */
  readonly knownVersion?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The first byte to read. Default 0. */
  readonly fromByte?: number;
}

/** Sends one request. Undefined if there is no such blob. Rejects with the signal's reason once it has fired. */
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
      throw new InvariantError("Storage returned a blob without content, length or version.");
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
