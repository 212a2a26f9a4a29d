/**
 * Jobs and their counts in table `jobs`. Writes go through one group-committing writer per partition; reads are point
 * reads and range queries. What a refused write means is the caller's to decide, by the protocol.
 */
import { odata } from "@azure/data-tables";
import { InvariantError, UnavailableError } from "../core/errors.ts";
import { parseJobId, partitionOf } from "../core/ids.ts";
import type { Batch, Job } from "../core/job.ts";
import type { JobStore, Page, Stored, WriteResult } from "../core/ports.ts";
import { addCounts, assertTransition, countChange, type JobState, NO_COUNTS } from "../core/states.ts";
import { TABLES } from "../core/topology.ts";
import type { StorageClients } from "./connect.ts";
import { changedCells, jobCells, jobKeys, jobOf } from "./job-entity.ts";
import { decodePosition, encodePosition, type PagePosition } from "./page-token.ts";
import { createPartitionWriters } from "./partition-writers.ts";
import type { RowResult } from "./partition-writer.ts";
import { readRow, type StoredRow } from "./read-row.ts";
import { storageError } from "./translate-error.ts";
import { COUNTER_PREFIX, countsOf } from "./writer-counter.ts";

export interface JobStoreDeps {
  readonly storage: Pick<StorageClients, "table">;
  /**
   * Names this process in counter rows: letters, digits, dots, hyphens and underscores. No two processes may use one
   * at the same time (they would only slow each other down), and one that comes back should use its old one, because
   * every name leaves a row per partition it wrote to.
   */
  readonly writerId: string;
}

export function createJobStore({ storage, writerId }: JobStoreDeps): JobStore {
  const table = storage.table(TABLES.jobs);
  const writers = createPartitionWriters(table, writerId);

  /** The rows of one shard after a row key, a service page at a time. */
  async function* pages(shard: string, after: string, state: JobState | undefined, pageSize: number) {
    const inState = state === undefined ? "" : odata` and state eq ${state}`;
    const filter = odata`PartitionKey eq ${shard} and RowKey gt ${after} and RowKey lt ${COUNTER_PREFIX}` + inState;
    try {
      yield* table.retrying.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: pageSize });
    } catch (error) {
      throw storageError(error, "listing jobs");
    }
  }

  async function countsOfShard(batchId: string, shard: number) {
    const filter = odata`PartitionKey eq ${partitionOf(batchId, shard)} and RowKey ge ${COUNTER_PREFIX}`;
    let counts = NO_COUNTS;
    try {
      for await (const row of table.retrying.listEntities({ queryOptions: { filter } })) {
        counts = addCounts(counts, countsOf(row));
      }
    } catch (error) {
      throw storageError(error, "counting jobs");
    }
    return counts;
  }

  return {
    async insert(job) {
      const { partitionKey, rowKey } = jobKeys(job.jobId);
      if (job.state !== "queued") throw new InvariantError(`A job cannot be inserted as ${job.state}.`);
      const change = countChange(undefined, job.state);
      const write = { rowKey, cells: jobCells(job), etag: undefined, change };
      const result = asJob(await writers.of(partitionKey).write(write));
      if (result.written || result.current !== undefined) return result;
      // A refused insert finds a row. There is none: no try was answered, and one of them may still land.
      throw new UnavailableError("StorageUnavailable", "Storage did not say what became of an insert.");
    },

    async get(jobId) {
      const parts = parseJobId(jobId);
      if (parts === undefined) return undefined;
      const row = await readRow(table, parts.partition, jobId);
      return row && storedJob(row);
    },

    async update({ jobId, etag, from, to, changes }) {
      assertTransition(from, to);
      const { partitionKey, rowKey } = jobKeys(jobId);
      const cells = changedCells(to, changes);
      return asJob(await writers.of(partitionKey).write({ rowKey, cells, etag, change: countChange(from, to) }));
    },

    async list(batch, { pageSize, continuationToken, state }) {
      const start = continuationToken === undefined ? { shard: 0, after: "" } : positionIn(batch, continuationToken);
      const items: Job[] = [];
      for (let { shard, after } = start; shard < batch.shardCount; shard++, after = "") {
        for await (const rows of pages(partitionOf(batch.batchId, shard), after, state, pageSize - items.length)) {
          for (const row of rows) {
            items.push(jobOf(row));
            if (items.length === pageSize) return pageEndingAt(items, { shard, after: row.rowKey ?? "" });
          }
        }
      }
      return { items, continuationToken: undefined };
    },

    async counts(batch) {
      const shards = Array.from({ length: batch.shardCount }, (_, shard) => countsOfShard(batch.batchId, shard));
      return (await Promise.all(shards)).reduce(addCounts, NO_COUNTS);
    },
  };
}

const storedJob = ({ cells, etag }: StoredRow): Stored<Job> => ({ value: jobOf(cells), etag });

const asJob = (result: RowResult): WriteResult =>
  result.written ? result : { written: false, current: result.current && storedJob(result.current) };

/** Where a page starts. Only a position inside this very batch is accepted. */
const positionIn = (batch: Batch, token: string): PagePosition =>
  decodePosition(token, batch.shardCount, (after, shard) => {
    const parts = parseJobId(after);
    return parts?.batchId === batch.batchId && parts.shard === shard;
  });

const pageEndingAt = (items: readonly Job[], position: PagePosition): Page<Job> => ({
  items,
  continuationToken: encodePosition(position),
});
