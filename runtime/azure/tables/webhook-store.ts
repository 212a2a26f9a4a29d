/** Webhooks of tenants in table `webhooks`. Each tenant has a partition. */
import { odata } from "@azure/data-tables";
import type { Page } from "../../core/ports/stored.ts";
import type { DeliveryStore, WebhookStore } from "../../core/ports/webhook-store.ts";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import type { Webhook } from "../../core/job/webhook.ts";
import { WEBHOOK_NAME_PATTERN } from "../../core/http/webhook-api.ts";
import type { StorageClients } from "../connect.ts";
import { decodePosition, encodePosition, putRow, readRow } from "./rows.ts";
import { isExisting, isMissing, storageError } from "../translate-error.ts";
import type { RemoveDeliveries } from "./webhook-delivery-store.ts";
import { webhookCells, webhookKeys, webhookOf } from "./webhook-entity.ts";

export interface WebhookStoreDeps {
  readonly storage: Pick<StorageClients, "table">;
  readonly deliveries: DeliveryStore & RemoveDeliveries;
}

export function createWebhookStore({ storage, deliveries }: WebhookStoreDeps): WebhookStore {
  const table = storage.table(TABLES.webhooks);

  async function page(tenantName: string, after: string, pageSize: number): Promise<Page<Webhook>> {
    const filter = odata`PartitionKey eq ${tenantName} and RowKey gt ${after}`;
    const items: Webhook[] = [];
    try {
      const pages = table.retrying.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: pageSize });
      for await (const rows of pages) {
        for (const row of rows) {
          const webhook = webhookOf(row);
          items.push(webhook);
          if (items.length < pageSize) continue;
          return { items, continuationToken: encodePosition({ shard: 0, after: webhook.webhookName }) };
        }
      }
    } catch (error) {
      throw storageError(error, "listing webhooks");
    }
    return { items, continuationToken: undefined };
  }

  async function get(tenantName: string, webhookName: string) {
    const { partitionKey, rowKey } = webhookKeys(tenantName, webhookName);
    const row = await readRow(table, partitionKey, rowKey);
    return row && { value: webhookOf(row.cells), etag: row.etag };
  }

  return {
    async create(webhook) {
      const entity = { ...webhookKeys(webhook.tenantName, webhook.webhookName), ...webhookCells(webhook) };
      try {
        await table.retrying.createEntity(entity);
        return true;
      } catch (error) {
        if (!isExisting(error)) throw storageError(error, "creating a webhook");
      }
      // The SDK may have repeated the insert. Ids are never used twice, so the row's id shows whether it is ours.
      return (await get(webhook.tenantName, webhook.webhookName))?.value.webhookId === webhook.webhookId;
    },

    get,

    async replace(webhook, etag) {
      const keys = webhookKeys(webhook.tenantName, webhook.webhookName);
      return (await putRow(table, keys, webhookCells(webhook), etag)).written;
    },

    async list(tenantName, { pageSize, continuationToken }) {
      const isName = (after: string): boolean => WEBHOOK_NAME_PATTERN.test(after);
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isName).after;
      return page(tenantName, after, pageSize);
    },

    of: async (tenantName) => (await page(tenantName, "", ALL)).items,

    async remove(tenantName, webhookName) {
      const stored = await get(tenantName, webhookName);
      if (stored === undefined) return false;
      const { partitionKey, rowKey } = webhookKeys(tenantName, webhookName);
      try {
        await table.retrying.deleteEntity(partitionKey, rowKey);
      } catch (error) {
        if (!isMissing(error)) throw storageError(error, "removing a webhook");
      }
      // After a crash here the remaining deliveries are unreachable, because the id is never used again.
      await deliveries.removeAll(stored.value);
      return true;
    },
  };
}

/** The service's limit for one request. A tenant has far fewer. */
const ALL = 1_000;
