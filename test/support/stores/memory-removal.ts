/** Removal, RetentionStore and ErasureStore in memory, over the tables and files of the other stores. */
import { batchKeys, storedBatch } from "../../../runtime/azure/tables/batch-store.ts";
import { jobKeys } from "../../../runtime/azure/tables/job-entity.ts";
import { keyKeys, keyOf } from "../../../runtime/azure/tables/key-store.ts";
import {
  ERASURE_PARTITION,
  erasureCells,
  erasureKeys,
  erasureOf,
} from "../../../runtime/azure/tables/erasure-store.ts";
import {
  RETENTION_PARTITION,
  retentionCells,
  retentionKeys,
  retentionOf,
} from "../../../runtime/azure/tables/retention-store.ts";
import { readable } from "../../../runtime/azure/tables/rows.ts";
import { isIn, tenantRows } from "../../../runtime/azure/tables/tenant-rows.ts";
import type { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { partitionOf } from "../../../runtime/core/job/ids.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import type { ErasureStore } from "../../../runtime/core/ports/erasure-store.ts";
import type { Removal } from "../../../runtime/core/ports/removal.ts";
import type { RetentionStore } from "../../../runtime/core/ports/retention-store.ts";
import type { MemoryFiles } from "./memory-files.ts";
import { storedJob } from "./memory-jobs.ts";
import type { MemoryPackages } from "./memory-packages.ts";
import type { KeyedRow, MemoryTable } from "./memory-table.ts";

export interface MemoryRemovalDeps extends Readonly<Record<keyof typeof TABLES, MemoryTable>> {
  readonly files: MemoryFiles;
  readonly packagesOf: Pick<MemoryPackages, "removeAll">;
  /** Rows of a part. Small, so that tests see several. */
  readonly pageSize?: number;
}

export function createMemoryRemoval(deps: MemoryRemovalDeps): Removal {
  const { jobs, batches, keys, files, packagesOf, pageSize = 50 } = deps;
  const placeOf = ({ partitionKey, rowKey }: KeyedRow): string => `${partitionKey} ${rowKey}`;

  /** The rows after a place. */
  function part(rows: readonly KeyedRow[], from = "") {
    const rest = rows.filter((row) => placeOf(row) > from);
    const items = rest.slice(0, pageSize);
    const last = rest.length > items.length ? items.at(-1) : undefined;
    return { rows: items.map(({ cells, etag }) => ({ ...cells, etag })), next: last && placeOf(last) };
  }

  return {
    async batches({ from, onUnreadable, tenantName }) {
      const all = (await batches.all()).filter((row) => tenantName === undefined || row.partitionKey === tenantName);
      const { rows, next } = part(all, from);
      return { items: rows.flatMap((row) => readable(row, storedBatch, onUnreadable)), next };
    },
    async jobs({ batchId, shardCount }, { from, onUnreadable }) {
      const all: KeyedRow[] = [];
      for (let shard = 0; shard < shardCount; shard++) {
        all.push(...(await jobs.rows({ partitionKey: partitionOf(batchId, shard) })));
      }
      const { rows, next } = part(all, from);
      return { items: rows.flatMap((row) => readable(row, storedJob, onUnreadable)), next };
    },
    job: (jobId, etag) => removed(jobs, jobKeys(jobId), etag),
    // The memory jobs keep their counters apart, without rows.
    counters: () => jobs.turn(),
    batch: (batchId, etag) => removed(batches, batchKeys(batchId), etag),
    async key(tenantName, name, id) {
      const row = await keys.get(keyKeys(tenantName, name));
      if (row !== undefined && keyOf(row.cells).id === id) await keys.remove(keyKeys(tenantName, name), row.etag);
    },
    logs: (jobId, claimIds) => files.removeLogs(jobId, claimIds),
    artifacts: (jobId) => files.removeArtifacts(jobId),
    parameters: (jobId) => files.removeParameters(jobId),
    blobs: (of, maxCount) => files.removeAll(of, maxCount),
    packages: (tenantName, maxCount) => packagesOf.removeAll(tenantName, maxCount),
    async openJobs(tenantName, { from }) {
      const [range] = tenantRows("jobs", tenantName);
      const all = (await jobs.all()).filter((row) => range !== undefined && isIn(range, row));
      const { rows, next } = part(all, from);
      const stored = rows.flatMap((row) => readable(row, storedJob, undefined));
      return { items: stored.filter(({ value }) => !isTerminal(value.state)), next };
    },
    async rows(tenantName, kind) {
      for (const range of tenantRows(kind, tenantName)) {
        const table = deps[range.table];
        const found = (await table.all()).filter((row) => isIn(range, row)).slice(0, pageSize);
        await Promise.all(found.map((row) => table.remove(row)));
        if (found.length > 0) return found.length;
      }
      return 0;
    },
  };
}

const removed = async (table: MemoryTable, keys: Parameters<MemoryTable["remove"]>[0], etag: string) =>
  (await table.remove(keys, etag)) || table.peek(keys) === undefined;

export function createMemoryRetentions(table: MemoryTable): RetentionStore {
  return {
    async get(tenantName) {
      const row = await table.get(retentionKeys(tenantName));
      return row && retentionOf(row.cells);
    },
    async put(retention) {
      const keys = retentionKeys(retention.tenantName);
      await table.turn();
      table.put(keys, { ...table.peek(keys)?.cells, ...retentionCells(retention) });
    },
    async remove(tenantName) {
      await table.remove(retentionKeys(tenantName));
    },
    all: async () => (await table.rows({ partitionKey: RETENTION_PARTITION })).map(({ cells }) => retentionOf(cells)),
  };
}

export const createMemoryErasures = (table: MemoryTable): ErasureStore => ({
  async get(tenantName) {
    const row = await table.get(erasureKeys(tenantName));
    return row && { value: erasureOf(row.cells), etag: row.etag };
  },
  put: async (erasure, etag) =>
    (await table.write(erasureKeys(erasure.tenantName), erasureCells(erasure), etag)).written,
  all: async () => (await table.rows({ partitionKey: ERASURE_PARTITION })).map(({ cells }) => erasureOf(cells)),
});
