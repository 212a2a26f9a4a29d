/** A WebhookStore and its DeliveryStore in memory, in one table. */
import { type StoredRow, decodePosition, encodePosition, readable } from "../../../runtime/azure/tables/rows.ts";
import {
  changedDeliveryCells,
  deliveryCells,
  webhookDeliveryOf,
  endedKeys,
  endedPartition,
  WAITING_PARTITION,
  waitingKeys,
  waitingPrefix,
  webhookCells,
  webhookKeys,
  webhookOf,
} from "../../../runtime/azure/tables/webhook-entity.ts";
import { WEBHOOK_DELIVERIES_KEPT } from "../../../runtime/core/limits.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { DeliveryStore, WebhookKey, WebhookStore } from "../../../runtime/core/ports/webhook-store.ts";
import { WEBHOOK_NAME_PATTERN } from "../../../runtime/core/http/webhook-api.ts";
import { type WebhookDelivery, waitingAgain } from "../../../runtime/core/job/webhook.ts";
import { type KeyedRow, MemoryTable, pageOf } from "./memory-table.ts";

export interface MemoryWebhooks {
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
}

export function createMemoryWebhooks(table = new MemoryTable()): MemoryWebhooks {
  return { webhooks: webhooksIn(table), deliveries: deliveriesIn(table) };
}

/** Pages of a list: first the deliveries that wait, then those that have ended. */
const PARTS = [waitingOf, endedOf];

function waitingOf(table: MemoryTable, webhook: WebhookKey, after = ""): Promise<readonly KeyedRow[]> {
  const prefix = waitingPrefix(webhook);
  return table.rows({ partitionKey: WAITING_PARTITION, after: prefix + after, before: behind(prefix) });
}

function endedOf(table: MemoryTable, webhook: WebhookKey, after = ""): Promise<readonly KeyedRow[]> {
  return table.rows({ partitionKey: endedPartition(webhook), after });
}

/** The first key after all those that begin with a prefix that ends in a dot. */
const behind = (prefix: string): string => `${prefix.slice(0, -1)}/`;

function webhooksIn(table: MemoryTable): WebhookStore {
  return {
    async create(webhook) {
      const result = await table.write(
        webhookKeys(webhook.tenantName, webhook.webhookName),
        webhookCells(webhook),
        undefined,
      );
      return result.written;
    },

    async get(tenantName, webhookName) {
      const row = await table.get(webhookKeys(tenantName, webhookName));
      return row && { value: webhookOf(row.cells), etag: row.etag };
    },

    async replace(webhook, etag) {
      const keys = webhookKeys(webhook.tenantName, webhook.webhookName);
      return (await table.write(keys, webhookCells(webhook), etag)).written;
    },

    async list(tenantName, { pageSize, continuationToken }) {
      const isName = (name: string): boolean => WEBHOOK_NAME_PATTERN.test(name);
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isName).after;
      return pageOf(await table.rows({ partitionKey: tenantName, after }), pageSize, webhookOf);
    },

    of: async (tenantName) => (await table.rows({ partitionKey: tenantName })).map(({ cells }) => webhookOf(cells)),

    async remove(tenantName, webhookName) {
      const keys = webhookKeys(tenantName, webhookName);
      const row = await table.get(keys);
      if (row === undefined) return false;
      await table.remove(keys);
      for (const part of PARTS) for (const old of await part(table, webhookOf(row.cells))) await table.remove(old);
      return true;
    },
  };
}

function deliveriesIn(table: MemoryTable): DeliveryStore {
  return {
    async add(delivery) {
      if ((await table.get(endedKeys(delivery))) !== undefined) return;
      await table.write(waitingKeys(delivery), deliveryCells(delivery), undefined);
    },

    async due(after, now, maxCount, onUnreadable) {
      const rows = await table.rows({ partitionKey: WAITING_PARTITION, after });
      return rows
        .flatMap(({ cells, etag }) => readable({ ...cells, etag }, storedDelivery, onUnreadable))
        .filter(({ value }) => value.nextTryAt !== undefined && value.nextTryAt <= now)
        .slice(0, maxCount);
    },

    placeOf: (delivery) => waitingKeys(delivery).rowKey,
    placeAfter: (tenantName, webhookId) =>
      behind(webhookId === undefined ? `${tenantName}.` : waitingPrefix({ tenantName, webhookId })),

    waitingCount: async (webhook, maxCount) => Math.min((await waitingOf(table, webhook)).length, maxCount),

    async change(delivery, etag, changes) {
      const result = await table.write(waitingKeys(delivery), changedDeliveryCells(changes), etag);
      return result.written ? result.etag : undefined;
    },

    async end(delivery) {
      await table.turn();
      const keys = endedKeys(delivery);
      table.put(keys, { ...table.peek(keys)?.cells, ...deliveryCells(delivery) });
      await table.remove(waitingKeys(delivery));
      const ended = await endedOf(table, delivery);
      for (const old of ended.slice(WEBHOOK_DELIVERIES_KEPT)) await table.remove(old);
    },

    async again(webhook, messageId, now) {
      for (const part of PARTS) {
        const row = (await part(table, webhook)).find(({ cells }) => cells["messageId"] === messageId);
        if (row === undefined) continue;
        const waiting = waitingAgain(webhookDeliveryOf(row.cells), now);
        const keys = waitingKeys(waiting);
        table.put(keys, { ...table.peek(keys)?.cells, ...deliveryCells(waiting) });
        await table.remove(endedKeys(waiting));
        return waiting;
      }
      return undefined;
    },

    async drop(delivery) {
      await table.remove(waitingKeys(delivery));
    },

    async list(webhook, { pageSize, continuationToken }) {
      const isKey = (key: string): boolean => /^[0-9a-z]{1,60}$/.test(key);
      const start =
        continuationToken === undefined
          ? { shard: 0, after: "" }
          : decodePosition(continuationToken, PARTS.length, isKey);
      const items: WebhookDelivery[] = [];
      for (const [shard, part] of PARTS.entries()) {
        if (shard < start.shard) continue;
        for (const { cells } of await part(table, webhook, shard === start.shard ? start.after : "")) {
          const delivery = webhookDeliveryOf(cells);
          // Between the two steps of its end it is in both.
          if (shard === 1 && items.some(({ key }) => key === delivery.key)) continue;
          items.push(delivery);
          if (items.length === pageSize) {
            return { items, continuationToken: encodePosition({ shard, after: delivery.key }) };
          }
        }
      }
      return { items, continuationToken: undefined };
    },
  };
}

const storedDelivery = ({ cells, etag }: StoredRow): Stored<WebhookDelivery> => ({
  value: webhookDeliveryOf(cells),
  etag,
});
