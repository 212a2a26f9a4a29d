/** Removes rows and blobs for good. A delete in a transaction of the SDK has no condition, so each row is deleted alone. */
import { odata, type TableClient } from "@azure/data-tables";
import type { ContainerClient } from "@azure/storage-blob";
import { CONTAINERS, TABLES } from "../core/deployment/storage-layout.ts";
import { InvariantError } from "../core/errors.ts";
import { partitionOf } from "../core/job/ids.ts";
import type { Part, Removal } from "../core/ports/removal.ts";
import { artifactsOf, blobsPrefix, logBlobName, parametersBlobName } from "./blobs/blob-names.ts";
import type { StorageClients } from "./connect.ts";
import { batchKeys, storedBatch } from "./tables/batch-store.ts";
import type { Row } from "./tables/columns.ts";
import { jobKeys } from "./tables/job-entity.ts";
import { storedJob } from "./tables/job-store.ts";
import { keyKeys, keyOf } from "./tables/key-store.ts";
import { removeRows } from "./tables/remove-rows.ts";
import { type RowKeys, readRow, readable } from "./tables/rows.ts";
import { filterOf, tenantRows } from "./tables/tenant-rows.ts";
import { COUNTER_PREFIX } from "./tables/writer-counter.ts";
import { isConditionFailed, isMissing, statusOf, storageError } from "./translate-error.ts";

/** The service's limit for one request. */
const PAGE_SIZE = 1_000;
/** Concurrent requests. */
const AT_ONCE = 25;

type RowPage = readonly (Row & { readonly etag?: string })[];

export function createRemoval({ storage }: { readonly storage: StorageClients }): Removal {
  const jobs = storage.table(TABLES.jobs).retrying;
  const batches = storage.table(TABLES.batches).retrying;
  const keys = storage.table(TABLES.keys);
  const input = storage.blobs.getContainerClient(CONTAINERS.input);
  const output = storage.blobs.getContainerClient(CONTAINERS.output);
  const logs = storage.blobs.getContainerClient(CONTAINERS.logs);
  const packages = storage.blobs.getContainerClient(CONTAINERS.packages);

  return {
    async batches({ from, onUnreadable, tenantName }) {
      const filter = tenantName === undefined ? "" : odata`PartitionKey eq ${tenantName}`;
      const { items, next } = await page(batches, filter, from);
      return { items: items.flatMap((row) => readable(row, storedBatch, onUnreadable)), next };
    },

    async jobs({ batchId, shardCount }, { from = "0 ", onUnreadable }) {
      const shard = Number.parseInt(from, 10);
      const token = from.slice(from.indexOf(" ") + 1);
      const filter = odata`PartitionKey eq ${partitionOf(batchId, shard)} and RowKey lt ${COUNTER_PREFIX}`;
      const { items, next } = await page(jobs, filter, token === "" ? undefined : token);
      const following = shard + 1 < shardCount ? `${shard + 1} ` : undefined;
      return {
        items: items.flatMap((row) => readable(row, storedJob, onUnreadable)),
        next: next === undefined ? following : `${shard} ${next}`,
      };
    },

    job: (jobId, etag) => removeRow(jobs, jobKeys(jobId), etag),

    async counters({ batchId, shardCount }) {
      for (let shard = 0; shard < shardCount; shard++) {
        const filter = odata`PartitionKey eq ${partitionOf(batchId, shard)} and RowKey ge ${COUNTER_PREFIX}`;
        let next: string | undefined;
        do {
          const found = await page(jobs, filter, next);
          await inGroups(found.items, (row) => removeRow(jobs, keysOf(row)));
          next = found.next;
        } while (next !== undefined);
      }
    },

    batch: (batchId, etag) => removeRow(batches, batchKeys(batchId), etag),

    async key(tenantName, name, id) {
      const { partitionKey, rowKey } = keyKeys(tenantName, name);
      const row = await readRow(keys, partitionKey, rowKey);
      if (row !== undefined && keyOf(row.cells).id === id) {
        await removeRow(keys.retrying, { partitionKey, rowKey }, row.etag);
      }
    },

    logs: (jobId, claimIds) => inGroups(claimIds, (claimId) => removeBlob(logs, logBlobName(jobId, claimId))),
    async artifacts(jobId) {
      while ((await removeBlobs(output, artifactsOf(jobId), PAGE_SIZE)) > 0);
    },
    parameters: (jobId) => removeBlob(input, parametersBlobName(jobId)),

    async blobs(of, maxCount) {
      let removed = 0;
      for (const container of [input, logs, output]) {
        removed += await removeBlobs(container, blobsPrefix(of), maxCount - removed);
        if (removed >= maxCount) break;
      }
      return removed;
    },

    packages: (tenantName, maxCount) => removeBlobs(packages, blobsPrefix({ tenantName }), maxCount),

    async openJobs(tenantName, { from }) {
      const [range] = tenantRows("jobs", tenantName);
      if (range === undefined) throw new InvariantError("Jobs have a range of rows.");
      const filter = `${filterOf(range)} and (${OPEN})`;
      const { items, next } = await page(jobs, filter, from);
      // Without anyone to tell: while there is a job that this release cannot read, the tenant is not erased.
      return { items: items.flatMap((row) => readable(row, storedJob, undefined)), next };
    },

    async rows(tenantName, kind) {
      for (const range of tenantRows(kind, tenantName)) {
        const table = storage.table(TABLES[range.table]);
        let next: string | undefined;
        do {
          // The service may answer an empty part before the next one.
          const found = await page(table.retrying, filterOf(range), next, KEYS);
          if (found.items.length > 0) {
            await removeRows(table, found.items.map(keysOf), "removing rows of a tenant");
            return found.items.length;
          }
          next = found.next;
        } while (next !== undefined);
      }
      return 0;
    },
  };
}

const OPEN = odata`state eq ${"queued"} or state eq ${"running"}`;
const KEYS = ["PartitionKey", "RowKey"];

const keysOf = (row: Row): RowKeys => ({
  partitionKey: String(row["partitionKey"]),
  rowKey: String(row["rowKey"]),
});

async function page(
  table: TableClient,
  filter: string,
  from: string | undefined,
  select?: string[],
): Promise<Part<RowPage[number]>> {
  try {
    const pages = table
      .listEntities({ queryOptions: { ...(filter !== "" && { filter }), ...(select && { select }) } })
      .byPage({ maxPageSize: PAGE_SIZE, ...(from !== undefined && { continuationToken: from }) });
    for await (const found of pages) return { items: found, next: found.continuationToken };
    return { items: [], next: undefined };
  } catch (error) {
    throw storageError(error, "reading rows to remove");
  }
}

/** True also if there is no such row any more: then the SDK may have repeated the request after a lost answer. */
async function removeRow(table: TableClient, { partitionKey, rowKey }: RowKeys, etag = "*"): Promise<boolean> {
  try {
    await table.deleteEntity(partitionKey, rowKey, { etag });
    return true;
  } catch (error) {
    if (isMissing(error)) return true;
    if (isConditionFailed(error)) return false;
    throw storageError(error, "removing a row");
  }
}

async function removeBlob(container: ContainerClient, name: string): Promise<void> {
  try {
    await container.deleteBlob(name, { deleteSnapshots: "include" });
  } catch (error) {
    if (statusOf(error) !== 404) throw storageError(error, "removing a blob");
  }
}

async function removeBlobs(container: ContainerClient, prefix: string, maxCount: number): Promise<number> {
  if (maxCount <= 0) return 0;
  try {
    const pages = container.listBlobsFlat({ prefix }).byPage({ maxPageSize: Math.min(maxCount, PAGE_SIZE) });
    for await (const { segment } of pages) {
      // The service may answer an empty part before the next one.
      if (segment.blobItems.length === 0) continue;
      await inGroups(segment.blobItems, ({ name }) => removeBlob(container, name));
      return segment.blobItems.length;
    }
    return 0;
  } catch (error) {
    throw storageError(error, "removing blobs");
  }
}

async function inGroups<T>(items: readonly T[], step: (item: T) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += AT_ONCE) await Promise.all(items.slice(i, i + AT_ONCE).map(step));
}
