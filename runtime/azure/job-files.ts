/**
 * Parameters, artifacts and logs of jobs, as blobs. Artifacts and logs lie under the id of the claim that made them,
 * because a blob, unlike a row, does not refuse a worker that has lost its job.
 */
import type { Artifact, JobFiles, OpenedBlob } from "../core/ports/job-files.ts";
import { CONTAINERS } from "../core/topology.ts";
import { artifactBlobName, artifactsPrefix, isSafePath, logBlobName, parametersBlobName } from "./blob-names.ts";
import type { StorageClients } from "./connect.ts";
import { contentTypeOf } from "./content-type.ts";
import { createLogAppender } from "./log-appender.ts";
import { openBlob, readAll } from "./open-blob.ts";
import { isBeyondEnd, storageError } from "./translate-error.ts";

/** Held in memory for each upload; a blob has at most 50,000 blocks. */
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
      // Read here and not by the SDK: a file that cannot be read is no fault of storage.
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
    // There is nothing to read.
  },
};

/** Only a request that names a version is answered "unchanged". */
const found = <T extends OpenedBlob>(answer: T | "unchanged" | undefined): T | undefined =>
  answer === "unchanged" ? undefined : answer;
