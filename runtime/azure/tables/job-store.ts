/**
 * Jobs and their counts in table `jobs`. Writes go through one group-committing writer per partition. Reads are point
 * reads and range queries. The caller decides by the protocol what a refused write means.
 */
import { odata } from "@azure/data-tables";
import { InvariantError, UnavailableError } from "../../core/errors.ts";
import { parseJobId, partitionOf } from "../../core/job/ids.ts";
import type { Batch, Job } from "../../core/job/job.ts";
import type { CounterSnapshot, JobStore, WriteResult } from "../../core/ports/job-store.ts";
import type { Page, Stored } from "../../core/ports/stored.ts";
import {
  addCounts,
  assertChange,
  countChange,
  type JobState,
  NO_COUNTS,
  type StateCounts,
} from "../../core/job/states.ts";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import type { StorageClients } from "../connect.ts";
import { changedCells, jobCells, jobKeys, jobOf, OUTLINE_PROPERTIES, outlineOf } from "./job-entity.ts";
import {
  type PagePosition,
  type RowResult,
  type StoredRow,
  decodePosition,
  encodePosition,
  etagOf,
  readRow,
  readable,
} from "./rows.ts";
import { createPartitionWriters } from "./partition-writer.ts";
import { storageError } from "../translate-error.ts";
import { COUNTER_PREFIX, countsOf, failuresOf } from "./writer-counter.ts";

export interface JobStoreDeps {
  readonly storage: Pick<StorageClients, "table">;
  /**
   * Names this process in counter rows: letters, digits, dots, hyphens and underscores. Two processes with the same id
   * slow each other down. A restarted process should use its id again, because every id leaves a row in each partition
   * that it wrote to.
   */
  readonly writerId: string;
}

/** The service's limit for one request. */
const SCAN_PAGE_SIZE = 1_000;

/** A writer's counter row. */
interface CounterRow {
  readonly counts: StateCounts;
  readonly failures: number;
  readonly version: string;
  readonly changedAt: number;
}

export function createJobStore({ storage, writerId }: JobStoreDeps): JobStore {
  const table = storage.table(TABLES.jobs);
  const writers = createPartitionWriters(table, writerId);

  /** The rows of one shard after a row key, in pages of the service. */
  async function* pages(shard: string, after: string, state: JobState | undefined, pageSize: number) {
    const inState = state === undefined ? "" : odata` and state eq ${state}`;
    const filter = odata`PartitionKey eq ${shard} and RowKey gt ${after} and RowKey lt ${COUNTER_PREFIX}` + inState;
    try {
      yield* table.retrying.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: pageSize });
    } catch (error) {
      throw storageError(error, "listing jobs");
    }
  }

  async function countersOf(partition: string): Promise<readonly CounterRow[]> {
    const filter = odata`PartitionKey eq ${partition} and RowKey ge ${COUNTER_PREFIX}`;
    const counters: CounterRow[] = [];
    try {
      for await (const row of table.retrying.listEntities({ queryOptions: { filter } })) {
        const version = `${partition} ${row.rowKey ?? ""} ${etagOf(row)}`;
        const changedAt = Date.parse(row.timestamp ?? "");
        counters.push({ counts: countsOf(row), failures: failuresOf(row), version, changedAt });
      }
    } catch (error) {
      throw storageError(error, "counting jobs");
    }
    return counters;
  }

  async function snapshot(batch: Batch): Promise<CounterSnapshot> {
    const { batchId, shardCount } = batch;
    const frozen = frozenSnapshot(batch);
    if (frozen !== undefined) return frozen;
    const shards = Array.from({ length: shardCount }, (_, shard) => countersOf(partitionOf(batchId, shard)));
    const counters = (await Promise.all(shards)).flat();
    return {
      counts: counters.map(({ counts }) => counts).reduce(addCounts, NO_COUNTS),
      failures: counters.reduce((sum, { failures }) => sum + failures, 0),
      version: counters.map(({ version }) => version).join("\n"),
      changedAt: counters.length === 0 ? undefined : new Date(Math.max(...counters.map(({ changedAt }) => changedAt))),
    };
  }

  return {
    async insert(job) {
      const { partitionKey, rowKey } = jobKeys(job.jobId);
      if (job.state !== "queued") throw new InvariantError(`A job cannot be inserted as ${job.state}.`);
      const change = countChange(undefined, job.state);
      const write = { rowKey, cells: jobCells(job), etag: undefined, change };
      const result = asJob(await writers.of(partitionKey).write(write));
      if (result.written || result.current !== undefined) return result;
      // A refused insert finds a row. Without a row no try was answered, and one of them may still succeed later.
      throw new UnavailableError(
        "StorageUnavailable",
        "The outcome of the insert is unknown. Retry with an idempotency key.",
      );
    },

    async get(jobId) {
      const parts = parseJobId(jobId);
      if (parts === undefined) return undefined;
      const row = await readRow(table, parts.partition, jobId);
      return row && storedJob(row);
    },

    async update({ jobId, etag, from, to, changes }) {
      assertChange(from, to, changes);
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

    counts: async (batch) => (await snapshot(batch)).counts,

    snapshot,

    async *outlines({ batchId, shardCount }, since, onUnreadable) {
      const recent =
        since === undefined
          ? ""
          : odata` and (state eq ${"queued"} or state eq ${"running"} or endedAt ge ${since} or submittedAt ge ${since})`;
      for (let shard = 0; shard < shardCount; shard++) {
        const filter = odata`PartitionKey eq ${partitionOf(batchId, shard)} and RowKey lt ${COUNTER_PREFIX}` + recent;
        try {
          const rows = table.retrying.listEntities({ queryOptions: { filter, select: [...OUTLINE_PROPERTIES] } });
          for await (const row of rows) yield* readable(row, ({ cells }) => outlineOf(cells), onUnreadable);
        } catch (error) {
          throw storageError(error, "reading outlines of jobs");
        }
      }
    },

    async *scan(batch, state, onUnreadable) {
      for (let shard = 0; shard < batch.shardCount; shard++) {
        for await (const rows of pages(partitionOf(batch.batchId, shard), "", state, SCAN_PAGE_SIZE)) {
          for (const row of rows) yield* readable(row, storedJob, onUnreadable);
        }
      }
    },
  };
}

/** R48: the counters may be gone already. Their failures were told before. */
export const frozenSnapshot = ({ frozenCounts, completedAt, failureNotice }: Batch): CounterSnapshot | undefined =>
  frozenCounts && {
    ...{ counts: frozenCounts, failures: failureNotice?.to ?? 0, version: "frozen", changedAt: completedAt },
  };

export const storedJob = ({ cells, etag }: StoredRow): Stored<Job> => ({ value: jobOf(cells), etag });

const asJob = (result: RowResult): WriteResult =>
  result.written ? result : { written: false, current: result.current && storedJob(result.current) };

/** The start of a page. Accepts only positions in this batch. */
const positionIn = (batch: Batch, token: string): PagePosition =>
  decodePosition(token, batch.shardCount, (after, shard) => {
    const parts = parseJobId(after);
    return parts?.batchId === batch.batchId && parts.shard === shard;
  });

const pageEndingAt = (items: readonly Job[], position: PagePosition): Page<Job> => ({
  items,
  continuationToken: encodePosition(position),
});
