/**
 * The rows of table `webhooks`.
 *
 * | row                       | PartitionKey               | RowKey                               |
 * |---------------------------|----------------------------|--------------------------------------|
 * | a webhook                 | tenantName                 | webhookName                          |
 * | a delivery that waits     | `~waiting`                 | `{tenantName}.{webhookId}.{key}`     |
 * | a delivery that has ended | `{tenantName}.{webhookId}` | key: newest first                    |
 *
 * All waiting deliveries are one partition, so that one query finds those that are due.
 */
import * as z from "zod";
import { InvariantError } from "../../core/errors.ts";
import type { DeliveryChanges, DeliveryKey, WebhookKey } from "../../core/ports/webhook-store.ts";
import { DEFAULT_WEBHOOK_EVENTS, type WebhookDelivery, DELIVERY_STATES, type Webhook } from "../../core/job/webhook.ts";
import {
  type Cells,
  type Column,
  type Columns,
  added,
  flag,
  instant,
  integer,
  json,
  optional,
  optionalInstant,
  optionalJson,
  optionalText,
  readCells,
  type Row,
  text,
  word,
  writeCells,
} from "./columns.ts";
import type { RowKeys } from "./rows.ts";

export const WAITING_PARTITION = "~waiting";

/** Each change of the webhook writes its secrets again, so fields of a later release must stay. */
const secretSchema = z
  .looseObject({ value: z.string(), validUntil: z.iso.datetime().optional() })
  .transform(({ validUntil, ...secret }) => ({ ...secret, validUntil: validUntil ? new Date(validUntil) : undefined }));

const EVENTS = optionalJson("events", z.array(z.string()).readonly());

const WEBHOOK_COLUMNS: Columns<Omit<Webhook, "tenantName" | "webhookName">> = {
  webhookId: text("webhookId"),
  url: text("url"),
  /** A row of an earlier release has none. */
  events: { write: EVENTS.write, read: (row) => EVENTS.read(row) ?? DEFAULT_WEBHOOK_EVENTS },
  enabled: flag("enabled"),
  disabledBecause: optionalText("disabledBecause"),
  secrets: json("secrets", z.array(secretSchema).readonly()),
  failuresInRow: integer("failuresInRow"),
  createdAt: instant("createdAt"),
  createdBy: text("createdBy"),
  changedAt: instant("changedAt"),
};

type StoredDelivery = Omit<WebhookDelivery, "tenantName" | "webhookId" | "key">;

/** An earlier release needs a number in each row. */
const GENERATION: Column<number | undefined> = {
  write: (generation = 0) => ({ generation }),
  read: (row) => integer("generation").read(row) || undefined,
};

const DELIVERY_COLUMNS: Columns<StoredDelivery> = {
  webhookName: text("webhookName"),
  messageId: text("messageId"),
  eventType: added("eventType", text("eventType"), "batchCompleted"),
  batchId: optionalText("batchId"),
  generation: GENERATION,
  body: text("body"),
  createdAt: instant("createdAt"),
  state: word("state", DELIVERY_STATES),
  tries: integer("tries"),
  nextTryAt: optionalInstant("nextTryAt"),
  triedAt: optionalInstant("triedAt"),
  answerCode: optional("answerCode", integer("answerCode")),
  answer: optionalText("answer"),
  error: optionalText("error"),
};

export const webhookKeys = (tenantName: string, webhookName: string): RowKeys => ({
  partitionKey: tenantName,
  rowKey: webhookName,
});

export const webhookCells = (webhook: Webhook): Cells => writeCells(WEBHOOK_COLUMNS, webhook);

/** Throws UnreadableError when the row cannot be read. */
export const webhookOf = (row: Row): Webhook => ({
  tenantName: keyOf(row, "partitionKey"),
  webhookName: keyOf(row, "rowKey"),
  ...readCells("webhook", WEBHOOK_COLUMNS, row),
});

export const waitingKeys = ({ key, ...webhook }: DeliveryKey): RowKeys => ({
  partitionKey: WAITING_PARTITION,
  rowKey: `${waitingPrefix(webhook)}${key}`,
});

/** The prefix of the RowKeys of a webhook's waiting deliveries. */
export const waitingPrefix = ({ tenantName, webhookId }: WebhookKey): string => `${tenantName}.${webhookId}.`;

export const endedPartition = ({ tenantName, webhookId }: WebhookKey): string => `${tenantName}.${webhookId}`;

export const endedKeys = (delivery: DeliveryKey): RowKeys => ({
  partitionKey: endedPartition(delivery),
  rowKey: delivery.key,
});

export const deliveryCells = (delivery: WebhookDelivery): Cells => writeCells(DELIVERY_COLUMNS, delivery);

/** The cells of a merge. A field that is present with the value undefined is written as absent. */
export const changedDeliveryCells = (changes: DeliveryChanges): Cells =>
  writeCells(DELIVERY_COLUMNS, changes as Partial<StoredDelivery>);

/** The delivery in a waiting or ended row. Throws UnreadableError when the row cannot be read. */
export function webhookDeliveryOf(row: Row): WebhookDelivery {
  const partitionKey = keyOf(row, "partitionKey");
  const rowKey = keyOf(row, "rowKey");
  const path = partitionKey === WAITING_PARTITION ? rowKey : `${partitionKey}.${rowKey}`;
  const [tenantName, webhookId, key] = path.split(".");
  if (tenantName === undefined || webhookId === undefined || key === undefined) {
    throw new InvariantError("A delivery's row has invalid keys.");
  }
  return { tenantName, webhookId, key, ...readCells("delivery", DELIVERY_COLUMNS, row) };
}

function keyOf(row: Row, name: "partitionKey" | "rowKey"): string {
  const key = row[name];
  if (typeof key !== "string") throw new InvariantError("A row was read without its keys.");
  return key;
}
