/**
 * Deliveries to webhooks in table `webhooks`. All waiting deliveries are one partition. The ended ones of a webhook are
 * another.
 */
import { odata } from "@azure/data-tables";
import { WEBHOOK_DELIVERIES_KEPT } from "../../core/limits.ts";
import type { DeliveryStore, WebhookKey } from "../../core/ports/webhook-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { type WebhookDelivery, waitingAgain } from "../../core/job/webhook.ts";
import type { Row } from "./columns.ts";
import type { StorageClients } from "../connect.ts";
import { type RowKeys, type StoredRow, decodePosition, encodePosition, putRow, readRow, readable } from "./rows.ts";
import { isExisting, isMissing, storageError } from "../translate-error.ts";
import {
  changedDeliveryCells,
  deliveryCells,
  webhookDeliveryOf,
  endedKeys,
  endedPartition,
  WAITING_PARTITION,
  waitingKeys,
  waitingPrefix,
} from "./webhook-entity.ts";

export interface RemoveDeliveries {
  /** Removes all deliveries of a deleted webhook. */
  removeAll(webhook: WebhookKey): Promise<void>;
}

/** A list has two parts: first the waiting deliveries, then the ended ones. */
const PARTS = 2;
const KEY_PATTERN = /^[0-9a-z]{1,60}$/;

export function createDeliveryStore({
  storage,
}: {
  readonly storage: Pick<StorageClients, "table">;
}): DeliveryStore & RemoveDeliveries {
  const table = storage.table(TABLES.webhooks);

  async function* rows(filter: string, { pageSize, keysOnly = false }: RowsOptions): AsyncIterable<Row> {
    try {
      const pages = table.retrying
        .listEntities({ queryOptions: { filter, ...(keysOnly && { select: ["PartitionKey", "RowKey"] }) } })
        .byPage({ maxPageSize: pageSize });
      for await (const page of pages) yield* page;
    } catch (error) {
      throw storageError(error, "reading deliveries");
    }
  }

  async function removeRow({ partitionKey, rowKey }: RowKeys): Promise<void> {
    try {
      await table.retrying.deleteEntity(partitionKey, rowKey);
    } catch (error) {
      if (!isMissing(error)) throw storageError(error, "removing a delivery");
    }
  }

  async function removeRows(filter: string): Promise<void> {
    for await (const row of rows(filter, { pageSize: PAGE_MAX, keysOnly: true })) {
      await removeRow({ partitionKey: String(row["partitionKey"]), rowKey: String(row["rowKey"]) });
    }
  }

  /** The waiting deliveries of a webhook, after a key. */
  const waitingOf = (webhook: WebhookKey, after = ""): string => {
    const prefix = waitingPrefix(webhook);
    return odata`PartitionKey eq ${WAITING_PARTITION} and RowKey gt ${prefix + after} and RowKey lt ${behind(prefix)}`;
  };
  const endedOf = (webhook: WebhookKey, after = ""): string =>
    odata`PartitionKey eq ${endedPartition(webhook)} and RowKey gt ${after}`;

  /** Keeps only the latest ended deliveries. */
  async function prune(webhook: WebhookKey): Promise<void> {
    let count = 0;
    for await (const row of rows(endedOf(webhook), { pageSize: PAGE_MAX, keysOnly: true })) {
      if (++count <= WEBHOOK_DELIVERIES_KEPT) continue;
      await removeRow({ partitionKey: String(row["partitionKey"]), rowKey: String(row["rowKey"]) });
    }
  }

  return {
    async add(delivery) {
      const ended = endedKeys(delivery);
      if ((await readRow(table, ended.partitionKey, ended.rowKey)) !== undefined) return;
      try {
        await table.retrying.createEntity({ ...waitingKeys(delivery), ...deliveryCells(delivery) });
      } catch (error) {
        if (!isExisting(error)) throw storageError(error, "adding a delivery");
      }
    },

    async due(after, now, maxCount, onUnreadable) {
      const found: Stored<WebhookDelivery>[] = [];
      const filter = odata`PartitionKey eq ${WAITING_PARTITION} and RowKey gt ${after} and nextTryAt le ${now}`;
      for await (const row of rows(filter, { pageSize: maxCount })) {
        found.push(...readable(row, storedDelivery, onUnreadable));
        if (found.length === maxCount) break;
      }
      return found;
    },

    placeOf: (delivery) => waitingKeys(delivery).rowKey,
    placeAfter: (tenantName, webhookId) =>
      behind(webhookId === undefined ? `${tenantName}.` : waitingPrefix({ tenantName, webhookId })),

    async waitingCount(webhook, maxCount) {
      let count = 0;
      for await (const { rowKey } of rows(waitingOf(webhook), {
        pageSize: Math.min(maxCount, PAGE_MAX),
        keysOnly: true,
      })) {
        if (rowKey !== undefined && ++count >= maxCount) break;
      }
      return count;
    },

    async change(delivery, etag, changes) {
      const keys = waitingKeys(delivery);
      const result = await putRow(table, keys, changedDeliveryCells(changes), etag);
      return result.written ? result.etag : undefined;
    },

    async end(delivery) {
      try {
        await table.retrying.upsertEntity({ ...endedKeys(delivery), ...deliveryCells(delivery) }, "Merge");
      } catch (error) {
        throw storageError(error, "ending a delivery");
      }
      // Last, so that a crash in between repeats the delivery and does not lose it.
      await removeRow(waitingKeys(delivery));
      await prune(delivery);
    },

    async again(webhook, messageId, now) {
      for (const filter of [waitingOf(webhook), endedOf(webhook)]) {
        for await (const row of rows(filter, { pageSize: PAGE_MAX })) {
          const delivery = webhookDeliveryOf(row);
          if (delivery.messageId !== messageId) continue;
          const waiting = waitingAgain(delivery, now);
          try {
            await table.retrying.upsertEntity({ ...waitingKeys(waiting), ...deliveryCells(waiting) }, "Merge");
          } catch (error) {
            throw storageError(error, "sending a delivery again");
          }
          // Last: after a crash in between it is in both lists until it has ended again.
          await removeRow(endedKeys(delivery));
          return waiting;
        }
      }
      return undefined;
    },

    drop: (delivery) => removeRow(waitingKeys(delivery)),

    async list(webhook, { pageSize, continuationToken }) {
      const isKey = (after: string): boolean => KEY_PATTERN.test(after);
      const { shard, after } =
        continuationToken === undefined ? { shard: 0, after: "" } : decodePosition(continuationToken, PARTS, isKey);
      const items: WebhookDelivery[] = [];
      for (let part = shard; part < PARTS; part++) {
        const from = part === shard ? after : "";
        const filter = part === 0 ? waitingOf(webhook, from) : endedOf(webhook, from);
        for await (const row of rows(filter, { pageSize })) {
          const delivery = webhookDeliveryOf(row);
          // A delivery that is just ending can be in both parts.
          if (part === 1 && items.some(({ key }) => key === delivery.key)) continue;
          items.push(delivery);
          if (items.length === pageSize) {
            return { items, continuationToken: encodePosition({ shard: part, after: delivery.key }) };
          }
        }
      }
      return { items, continuationToken: undefined };
    },

    async removeAll(webhook) {
      await removeRows(waitingOf(webhook));
      await removeRows(odata`PartitionKey eq ${endedPartition(webhook)}`);
    },
  };
}

const storedDelivery = ({ cells, etag }: StoredRow): Stored<WebhookDelivery> => ({
  value: webhookDeliveryOf(cells),
  etag,
});

interface RowsOptions {
  readonly pageSize: number;
  readonly keysOnly?: boolean;
}

/** The service's limit for one request. */
const PAGE_MAX = 1_000;

/** The first key after all keys with the prefix, which ends in a dot. */
const behind = (prefix: string): string => `${prefix.slice(0, -1)}/`;
