/**
 * Appends to logs so that a chunk repeated after a lost answer is there once: every append names the position it
 * belongs to. A log has one writer, the holder of the claim in its name.
 */
import type { AppendBlobClient } from "@azure/storage-blob";
import { isConditionFailed, isExisting, storageError } from "./translate-error.ts";

export interface LogAppender {
  append(blob: AppendBlobClient, chunk: Uint8Array): Promise<void>;
}

/** Blocks of an append blob: at most 4 MiB each, 50,000 in total. */
const BLOCK_MAX_BYTES = 4 * 1024 * 1024;
/** Logs whose end is remembered; another one costs a request to find its end. */
const REMEMBERED_LOGS = 1_000;
const ANSWER_WITHIN_MS = 30_000;

const soon = (): { abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(ANSWER_WITHIN_MS) });

export function createLogAppender(): LogAppender {
  /** Where the next chunk belongs, by blob name; least recently used first. */
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
    // Longer than where we stand: the block arrived, and only the answer was lost.
    if (isConditionFailed(error) && (await lengthOf(blob)) >= position + block.length) return;
    throw error;
  }
}
