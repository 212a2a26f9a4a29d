/**
 * Parameters, artifacts and logs of jobs, as blobs. The names of artifacts and logs contain the id of their claim: a
 * worker that has lost its job can still write blobs, and must not overwrite those of its successor.
 */
import type { AppendBlobClient } from "@azure/storage-blob";
import { CONTAINERS } from "../../core/deployment/storage-layout.ts";
import type { Artifact, JobFiles, OpenedBlob } from "../../core/ports/job-files.ts";
import type { StorageClients } from "../connect.ts";
import { isBeyondEnd, isConditionFailed, isExisting, storageError } from "../translate-error.ts";
import { artifactBlobName, artifactsPrefix, isSafePath, logBlobName, parametersBlobName } from "./blob-names.ts";
import { openBlob, readAll } from "./open-blob.ts";

/** Each upload keeps one block in memory. A blob has at most 50,000 blocks. */
const BLOCK_BYTES = 4 * 1024 * 1024;

export function createJobFiles({ storage }: { readonly storage: Pick<StorageClients, "blobs"> }): JobFiles {
  const input = storage.blobs.getContainerClient(CONTAINERS.input);
  const output = storage.blobs.getContainerClient(CONTAINERS.output);
  const logs = storage.blobs.getContainerClient(CONTAINERS.logs);
  const logAppender = createLogAppender();

  return {
    async putParameters(jobId, json) {
      const blob = input.getBlockBlobClient(parametersBlobName(jobId));
      try {
        await blob.upload(json, Buffer.byteLength(json), { blobHTTPHeaders: { blobContentType: "application/json" } });
      } catch (error) {
        throw storageError(error, "storing parameters");
      }
    },

    async getParameters(jobId) {
      const opened = found(await openBlob(input.getBlobClient(parametersBlobName(jobId))));
      return opened && (await readAll(opened)).toString();
    },

    async putArtifact(jobId, claimId, path, content, signal) {
      const blob = output.getBlockBlobClient(artifactBlobName(jobId, claimId, path));
      const options = {
        blobHTTPHeaders: { blobContentType: contentTypeOf(path) },
        ...(signal === undefined ? {} : { abortSignal: signal }),
      };
      const send = async (work: () => Promise<unknown>): Promise<void> => {
        try {
          await work();
        } catch (error) {
          signal?.throwIfAborted();
          throw storageError(error, "uploading an artifact");
        }
      };
      signal?.throwIfAborted();
      const { bytes } = content;
      // The SDK does not read the file, because an unreadable file is not a storage error.
      const blockAt = (start: number): Promise<Buffer> => content.read(start, Math.min(BLOCK_BYTES, bytes - start));
      if (bytes <= BLOCK_BYTES) {
        const whole = await blockAt(0);
        return send(() => blob.upload(whole, whole.length, options));
      }
      const blocks: string[] = [];
      for (let start = 0; start < bytes; start += BLOCK_BYTES) {
        const block = await blockAt(start);
        // All ids of a blob must have the same length.
        const id = Buffer.from(String(blocks.length).padStart(6, "0")).toString("base64");
        await send(() => blob.stageBlock(id, block, block.length, signal === undefined ? {} : { abortSignal: signal }));
        blocks.push(id);
      }
      await send(() => blob.commitBlockList(blocks, options));
    },

    async listArtifacts(jobId, claimId) {
      const prefix = artifactsPrefix(jobId, claimId);
      const artifacts: Artifact[] = [];
      try {
        for await (const { name, properties } of output.listBlobsFlat({ prefix })) {
          artifacts.push({ path: name.slice(prefix.length), bytes: properties.contentLength ?? 0 });
        }
      } catch (error) {
        throw storageError(error, "listing artifacts");
      }
      return artifacts;
    },

    async openArtifact(jobId, claimId, path) {
      if (!isSafePath(path)) return undefined;
      return found(await openBlob(output.getBlobClient(artifactBlobName(jobId, claimId, path))));
    },

    async appendLog(jobId, claimId, chunk) {
      await logAppender.append(logs.getAppendBlobClient(logBlobName(jobId, claimId)), chunk);
    },

    async openLog(jobId, claimId, fromByte = 0) {
      try {
        return found(await openBlob(logs.getBlobClient(logBlobName(jobId, claimId)), { fromByte }));
      } catch (error) {
        if (!isBeyondEnd(error)) throw error;
        return { bytes: 0, contentType: LOG_CONTENT_TYPE, stream: NOTHING };
      }
    },
  };
}

const LOG_CONTENT_TYPE = "text/plain; charset=utf-8";
const NOTHING: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {
    // No content.
  },
};

/** These requests name no version, so "unchanged" does not occur. */
const found = <T extends OpenedBlob>(answer: T | "unchanged" | undefined): T | undefined =>
  answer === "unchanged" ? undefined : answer;

const UNKNOWN = "application/octet-stream";

/** The types that browsers and tools show directly. */
const BY_ENDING: Readonly<Record<string, string>> = {
  avif: "image/avif",
  bmp: "image/bmp",
  css: "text/css; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  gif: "image/gif",
  gz: "application/gzip",
  html: "text/html; charset=utf-8",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  log: "text/plain; charset=utf-8",
  md: "text/markdown; charset=utf-8",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  pdf: "application/pdf",
  png: "image/png",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  svg: "image/svg+xml",
  tif: "image/tiff",
  tiff: "image/tiff",
  txt: "text/plain; charset=utf-8",
  wav: "audio/wav",
  webm: "video/webm",
  webp: "image/webp",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xml: "application/xml",
  yaml: "application/yaml",
  yml: "application/yaml",
  zip: "application/zip",
};

/** The content type of an artifact, by the ending of its name. */
export function contentTypeOf(path: string): string {
  const ending = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(BY_ENDING, ending) ? (BY_ENDING[ending] ?? UNKNOWN) : UNKNOWN;
}

interface LogAppender {
  append(blob: AppendBlobClient, chunk: Uint8Array): Promise<void>;
}

/** Blocks of an append blob: at most 4 MiB each, 50,000 in total. */
const BLOCK_MAX_BYTES = 4 * 1024 * 1024;
/** Logs whose length is remembered. For other logs, an append costs one more request. */
const REMEMBERED_LOGS = 1_000;
const ANSWER_WITHIN_MS = 30_000;

const soon = (): { abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(ANSWER_WITHIN_MS) });

/**
 * Appends chunks to logs. Every append names its position, so that a chunk repeated after a lost answer is written
 * once. A log has one writer: the holder of the claim in its name.
 */
function createLogAppender(): LogAppender {
  /** Position of the next chunk, by blob name. Least recently used first. */
  const ends = new Map<string, number>();

  function remember(name: string, end: number): void {
    ends.delete(name);
    ends.set(name, end);
    for (const oldest of ends.keys()) {
      if (ends.size <= REMEMBERED_LOGS) return;
      ends.delete(oldest);
    }
  }

  return {
    async append(blob, chunk) {
      try {
        const start = ends.get(blob.name) ?? (await createOrFindEnd(blob));
        remember(blob.name, start);
        for (let offset = 0; offset < chunk.length; offset += BLOCK_MAX_BYTES) {
          await appendAt(blob, start + offset, chunk.subarray(offset, offset + BLOCK_MAX_BYTES));
        }
        remember(blob.name, start + chunk.length);
      } catch (error) {
        throw storageError(error, "appending to a log");
      }
    },
  };
}

async function createOrFindEnd(blob: AppendBlobClient): Promise<number> {
  try {
    const blobHTTPHeaders = { blobContentType: "text/plain; charset=utf-8" };
    await blob.create({ conditions: { ifNoneMatch: "*" }, blobHTTPHeaders, ...soon() });
    return 0;
  } catch (error) {
    if (!isExisting(error)) throw error;
    return lengthOf(blob);
  }
}

async function lengthOf(blob: AppendBlobClient): Promise<number> {
  return (await blob.getProperties(soon())).contentLength ?? 0;
}

async function appendAt(blob: AppendBlobClient, position: number, block: Uint8Array): Promise<void> {
  try {
    await blob.appendBlock(block, block.length, { conditions: { appendPosition: position }, ...soon() });
  } catch (error) {
    // The log already contains the block: only the answer was lost.
    if (isConditionFailed(error) && (await lengthOf(blob)) >= position + block.length) return;
    throw error;
  }
}
