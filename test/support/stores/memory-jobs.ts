/** A JobStore in memory: rows of one table, and their counts, which move in the moment the row does. */
import { changedCells, jobCells, jobKeys, jobOf, outlineOf } from "../../../runtime/azure/tables/job-entity.ts";
import { frozenSnapshot } from "../../../runtime/azure/tables/job-store.ts";
import {
  type RowResult,
  type StoredRow,
  decodePosition,
  encodePosition,
  readable,
} from "../../../runtime/azure/tables/rows.ts";
import { InvariantError } from "../../../runtime/core/errors.ts";
import { parseJobId, partitionOf } from "../../../runtime/core/job/ids.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import type { CounterSnapshot, JobStore, WriteResult } from "../../../runtime/core/ports/job-store.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import {
  addCounts,
  assertChange,
  countChange,
  isTerminal,
  type JobState,
  NO_COUNTS,
  type StateCounts,
} from "../../../runtime/core/job/states.ts";
import { type KeyedRow, MemoryTable } from "./memory-table.ts";

interface Counter {
  readonly counts: StateCounts;
  readonly failures: number;
  readonly version: string;
  readonly changedAt: number;
}

export function createMemoryJobs(table = new MemoryTable()): JobStore {
  const counters = new Map<string, Counter>();

  function count(partition: string, from: JobState | undefined, to: JobState): void {
    if (from === to) return;
    const { counts, failures, version } = counters.get(partition) ?? {
      ...{ counts: NO_COUNTS, failures: 0, version: partition },
    };
    const sum = addCounts(counts, countChange(from, to));
    const failed = failures + (to === "failed" ? 1 : 0);
    counters.set(partition, { counts: sum, failures: failed, version: `${version}.`, changedAt: Date.now() });
  }

  async function snapshot(batch: Batch): Promise<CounterSnapshot> {
    const { batchId, shardCount } = batch;
    await table.turn();
    const frozen = frozenSnapshot(batch);
    if (frozen !== undefined) return frozen;
    const found = Array.from(
      { length: shardCount },
      (_, shard) => counters.get(partitionOf(batchId, shard)) ?? [],
    ).flat();
    return {
      counts: found.map(({ counts }) => counts).reduce(addCounts, NO_COUNTS),
      failures: found.reduce((sum, { failures }) => sum + failures, 0),
      version: found.map(({ version }) => version).join("\n"),
      changedAt: found.length === 0 ? undefined : new Date(Math.max(...found.map(({ changedAt }) => changedAt))),
    };
  }

  async function rowsOf(
    partitionKey: string,
    after: string,
    state: JobState | undefined,
  ): Promise<readonly KeyedRow[]> {
    const rows = await table.rows({ partitionKey, after });
    return state === undefined ? rows : rows.filter(({ cells }) => cells["state"] === state);
  }

  return {
    async insert(job) {
      const keys = jobKeys(job.jobId);
      if (job.state !== "queued") throw new InvariantError(`A job cannot be inserted as ${job.state}.`);
      const landed = (): void => count(keys.partitionKey, undefined, job.state);
      return asJob(await table.write(keys, jobCells(job), undefined, { landed }));
    },

    async get(jobId) {
      const row = parseJobId(jobId) && (await table.get(jobKeys(jobId)));
      return row && storedJob(row);
    },

    async update({ jobId, etag, from, to, changes }) {
      assertChange(from, to, changes);
      const keys = jobKeys(jobId);
      const landed = (): void => count(keys.partitionKey, from, to);
      return asJob(await table.write(keys, changedCells(to, changes), etag, { landed }));
    },

    async list(batch, { pageSize, continuationToken, state }) {
      const start =
        continuationToken === undefined
          ? { shard: 0, after: "" }
          : decodePosition(continuationToken, batch.shardCount, (after, shard) => {
              const parts = parseJobId(after);
              return parts?.batchId === batch.batchId && parts.shard === shard;
            });
      const items: Job[] = [];
      for (let { shard, after } = start; shard < batch.shardCount; shard++, after = "") {
        for (const { cells, rowKey } of await rowsOf(partitionOf(batch.batchId, shard), after, state)) {
          items.push(jobOf(cells));
          if (items.length === pageSize) return { items, continuationToken: encodePosition({ shard, after: rowKey }) };
        }
      }
      return { items, continuationToken: undefined };
    },

    counts: async (batch) => (await snapshot(batch)).counts,

    snapshot,

    async *outlines(batch, since, onUnreadable) {
      for (let shard = 0; shard < batch.shardCount; shard++) {
        for (const { cells, etag } of await rowsOf(partitionOf(batch.batchId, shard), "", undefined)) {
          const isRecent = ({ state, endedAt, submittedAt }: Job): boolean =>
            since === undefined ||
            !isTerminal(state) ||
            submittedAt >= since ||
            (endedAt !== undefined && endedAt >= since);
          const read = (row: StoredRow) => (isRecent(jobOf(row.cells)) ? [outlineOf(row.cells)] : []);
          yield* readable({ ...cells, etag }, read, onUnreadable).flat();
        }
      }
    },

    async *scan(batch, state, onUnreadable) {
      for (let shard = 0; shard < batch.shardCount; shard++) {
        for (const { cells, etag } of await rowsOf(partitionOf(batch.batchId, shard), "", state)) {
          yield* readable({ ...cells, etag }, storedJob, onUnreadable);
        }
      }
    },
  };
}

/** The job in a row, with the row's version. */
export const storedJob = ({ cells, etag }: StoredRow): Stored<Job> => ({ value: jobOf(cells), etag });

const asJob = (result: RowResult): WriteResult =>
  result.written ? result : { written: false, current: result.current && storedJob(result.current) };
