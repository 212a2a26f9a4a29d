/** Webhooks of tenants, and what is to be delivered to them. */
import type { WebhookDelivery, Webhook } from "../job/webhook.ts";
import type { OnUnreadable, Page, PageRequest, Stored } from "./stored.ts";

export interface WebhookStore {
  /** Inserts it unless the tenant has one of this name. False: it has. */
  create(webhook: Webhook): Promise<boolean>;
  get(tenantName: string, webhookName: string): Promise<Stored<Webhook> | undefined>;
  /** Replaces the given version. False: another writer changed or removed it, or the outcome is unknown. */
  replace(webhook: Webhook, etag: string): Promise<boolean>;
  /** By name. Throws InvalidRequestError for a token it did not make. */
  list(tenantName: string, request: PageRequest): Promise<Page<Webhook>>;
  /** All of a tenant's. */
  of(tenantName: string): Promise<readonly Webhook[]>;
  /** Takes its deliveries too. False: there was none. */
  remove(tenantName: string, webhookName: string): Promise<boolean>;
}

/** Names a webhook that had, or has, deliveries. */
export type WebhookKey = Pick<Webhook, "tenantName" | "webhookId">;
export type DeliveryKey = Pick<WebhookDelivery, "tenantName" | "webhookId" | "key">;

export interface DeliveryStore {
  /** Unless it waits or has ended already. */
  add(delivery: WebhookDelivery): Promise<void>;
  /**
   * Up to so many that are to be tried by now, of all tenants, from behind `after` in the order of `placeOf`. Fewer: there
   * are no more.
   */
  due(
    after: string,
    now: Date,
    maxCount: number,
    onUnreadable?: OnUnreadable,
  ): Promise<readonly Stored<WebhookDelivery>[]>;
  /** Where a delivery stands in the order of `due`; every one of a webhook, or of a tenant, stands before the others. */
  placeOf(delivery: DeliveryKey): string;
  /** The place behind all of a webhook's deliveries; without an id, of a tenant's. */
  placeAfter(tenantName: string, webhookId?: string): string;
  /** How many wait for a webhook; stops counting at `maxCount`. */
  waitingCount(webhook: WebhookKey, maxCount: number): Promise<number>;
  /** Writes on the given version and returns the new one. Undefined: not written, or the outcome is unknown. */
  change(delivery: DeliveryKey, etag: string, changes: DeliveryChanges): Promise<string | undefined>;
  /** Keeps it among the latest that have ended, and lets it wait no more. */
  end(delivery: WebhookDelivery): Promise<void>;
  /**
   * Lets one that is kept wait again, for its first try at `now`, under the same message id; one that waits is due now.
   * Undefined: there is none of this id.
   */
  again(webhook: WebhookKey, messageId: string, now: Date): Promise<WebhookDelivery | undefined>;
  /** Lets it wait no more, and keeps nothing. */
  drop(delivery: DeliveryKey): Promise<void>;
  /**
   * Those that wait, then the latest that have ended; each newest first. Throws InvalidRequestError for a token it did
   * not make.
   */
  list(webhook: WebhookKey, request: PageRequest): Promise<Page<WebhookDelivery>>;
}

/** `undefined` clears a field; an absent one stays. */
export type DeliveryChanges = {
  readonly [K in "tries" | "nextTryAt" | "triedAt" | "answerCode" | "answer" | "error"]?: WebhookDelivery[K];
};
