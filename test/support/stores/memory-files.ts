/** JobFiles in memory. */
import {
  artifactBlobName,
  artifactsOf,
  artifactsPrefix,
  blobsPrefix,
  isSafePath,
  logBlobName,
  parametersBlobName,
} from "../../../runtime/azure/blobs/blob-names.ts";
import { contentTypeOf } from "../../../runtime/azure/blobs/job-files.ts";
import type { JobFiles, OpenedBlob } from "../../../runtime/core/ports/job-files.ts";
import type { BlobsOf } from "../../../runtime/core/ports/removal.ts";
import { nextTurn, type Turn } from "./memory-table.ts";

/** The files, and what removes them for good. */
export interface MemoryFiles extends JobFiles {
  removeLogs(jobId: string, claimIds: readonly string[]): Promise<void>;
  removeArtifacts(jobId: string): Promise<void>;
  removeParameters(jobId: string): Promise<void>;
  removeAll(of: BlobsOf, maxCount: number): Promise<number>;
}

export function createMemoryFiles(turn: Turn = nextTurn): MemoryFiles {
  const parameters = new Map<string, string>();
  const artifacts = new Map<string, Uint8Array>();
  const logs = new Map<string, Buffer>();

  return {
    async putParameters(jobId, json) {
      const name = parametersBlobName(jobId);
      await turn();
      parameters.set(name, json);
    },

    async getParameters(jobId) {
      const name = parametersBlobName(jobId);
      await turn();
      return parameters.get(name);
    },

    async putArtifact(jobId, claimId, path, { bytes, read }, signal) {
      const name = artifactBlobName(jobId, claimId, path);
      const content = await read(0, bytes);
      signal?.throwIfAborted();
      artifacts.set(name, content);
    },

    async listArtifacts(jobId, claimId) {
      const prefix = artifactsPrefix(jobId, claimId);
      await turn();
      return [...artifacts]
        .filter(([name]) => name.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { length }]) => ({ path: name.slice(prefix.length), bytes: length }));
    },

    async openArtifact(jobId, claimId, path) {
      if (!isSafePath(path)) return undefined;
      const name = artifactBlobName(jobId, claimId, path);
      await turn();
      const content = artifacts.get(name);
      return content && opened(content, contentTypeOf(path));
    },

    async appendLog(jobId, claimId, chunk) {
      const name = logBlobName(jobId, claimId);
      await turn();
      logs.set(name, Buffer.concat([logs.get(name) ?? Buffer.alloc(0), chunk]));
    },

    async openLog(jobId, claimId, fromByte = 0) {
      const name = logBlobName(jobId, claimId);
      await turn();
      const content = logs.get(name);
      return content && opened(content.subarray(fromByte), "text/plain; charset=utf-8");
    },

    async removeLogs(jobId, claimIds) {
      await turn();
      for (const claimId of claimIds) logs.delete(logBlobName(jobId, claimId));
    },

    async removeArtifacts(jobId) {
      await turn();
      for (const name of below(artifactsOf(jobId), artifacts)) artifacts.delete(name);
    },

    async removeParameters(jobId) {
      await turn();
      parameters.delete(parametersBlobName(jobId));
    },

    async removeAll(of, maxCount) {
      await turn();
      const prefix = blobsPrefix(of);
      const names = [parameters, logs, artifacts].flatMap((kind) =>
        below(prefix, kind).map((name) => () => kind.delete(name)),
      );
      const now = names.slice(0, maxCount);
      for (const remove of now) remove();
      return now.length;
    },
  };
}

const below = (prefix: string, blobs: ReadonlyMap<string, unknown>): readonly string[] =>
  [...blobs.keys()].filter((name) => name.startsWith(prefix));

const opened = (content: Uint8Array, contentType: string): OpenedBlob => ({
  bytes: content.length,
  contentType,
  stream: chunksOf(content),
});

async function* chunksOf(content: Uint8Array): AsyncIterable<Uint8Array> {
  await Promise.resolve();
  if (content.length > 0) yield content;
}
