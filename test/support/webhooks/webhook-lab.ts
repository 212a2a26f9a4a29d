/**
 * A storage account of a test file's own with webhooks in it, and instances of what announces and delivers: deliveries of all
 * tenants lie together, and a delivering process takes them all.
 */
import { silentEvents, silentLog, silentUnreadable, silentMetrics } from "../silent.ts";
import { createAnnounce, type Announce } from "../../../runtime/api/webhooks/announce.ts";
import { createDeliverer, type Deliverer } from "../../../runtime/api/webhooks/deliver.ts";
import { createPost, type Post } from "../../../runtime/api/webhooks/post.ts";
import {
  createBatchStore,
  createDeliveryStore,
  createWebhookStore,
  type StorageClients,
} from "../../../runtime/azure/index.ts";
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { Logger } from "../../../runtime/core/logger.ts";
import type { Metrics } from "../../../runtime/telemetry/metrics.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { DeliveryStore, WebhookStore } from "../../../runtime/core/ports/webhook-store.ts";
import { NO_COUNTS, type StateCounts } from "../../../runtime/core/job/states.ts";
import type { WebhookDelivery, Webhook } from "../../../runtime/core/job/webhook.ts";
import {
  type BatchCompletion,
  type BatchCompletionDeps,
  createBatchCompletion,
} from "../../../runtime/lifecycle/batch-completion.ts";
import type { OwnAccount } from "../stores/azurite.ts";
import { batchOf, webhookOf } from "../builders.ts";
import { ownStorage, testStorage } from "../stores/test-storage.ts";

export interface Stores {
  readonly batches: BatchStore;
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
}

export interface Instance {
  readonly announce: Announce;
  readonly deliverer: Deliverer;
  /** Announces the batches and delivers all that is due, until nothing is under way. */
  run(...batchIds: readonly string[]): Promise<void>;
}

export interface InstanceOptions {
  /** As this instance sees them. */
  readonly stores?: Stores;
  readonly post?: Post;
  readonly log?: Logger;
  readonly metrics?: Metrics;
}

export interface WebhookLab extends Stores {
  readonly storage: StorageClients;
  readonly connectionString: string;
  /** The time for everything here; a test moves it. */
  clock: Date;
  pass(ms: number): void;
  instance(options?: InstanceOptions): Instance;
  webhook(fields: Partial<Webhook>): Promise<Webhook>;
  /** A closed batch of which all jobs have ended, completed as workers do it. */
  completedBatch(tenantName: string, options?: { readonly counts?: StateCounts }): Promise<Batch>;
  /** All that is to be seen of a webhook's deliveries. */
  deliveriesOf(webhook: Webhook): Promise<readonly WebhookDelivery[]>;
  batchOf(batchId: string): Promise<Batch>;
}

/** Receivers on this machine. */
export const postHere: Post = createPost({
  resolve: () => Promise.reject(new Error("Nobody has a name here.")),
  allowLoopback: true,
  timeoutMs: 5_000,
});

export async function startWebhookLab(account: OwnAccount): Promise<WebhookLab> {
  const connectionString = await ownStorage(account);
  const storage = testStorage(connectionString);
  const batches = createBatchStore({ storage });
  const deliveries = createDeliveryStore({ storage });
  const webhooks = createWebhookStore({ storage, deliveries });
  const own: Stores = { batches, webhooks, deliveries };
  const state = { clock: new Date("2026-03-01T00:00:00Z") };
  const now = (): Date => state.clock;

  return {
    ...own,
    storage,
    connectionString,
    get clock() {
      return state.clock;
    },
    set clock(at) {
      state.clock = at;
    },
    pass(ms) {
      state.clock = new Date(state.clock.getTime() + ms);
    },
    instance({ stores = own, post = postHere, log = silentLog, metrics = silentMetrics } = {}) {
      const announce = createAnnounce({ ...stores, now, log });
      const deliverer = createDeliverer({
        ...stores,
        post,
        unreadable: silentUnreadable,
        metrics,
        now,
        random: () => 0.5,
        log,
      });
      return {
        announce,
        deliverer,
        async run(...batchIds) {
          for (const batchId of batchIds) await announce(batchId);
          while (await deliverer.round()) await deliverer.next();
          await deliverer.idle();
        },
      };
    },
    async webhook(fields) {
      const webhook = webhookOf(fields);
      await webhooks.create(webhook);
      return webhook;
    },
    async completedBatch(tenantName, { counts = { ...NO_COUNTS, succeeded: 2, failed: 1 } } = {}) {
      const batch = await batches.create(batchOf({ tenantName, state: "closed" }));
      await completionOver(batches, counts, now).afterJobEnded(batch.batchId);
      return (await batches.get(batch.batchId))!.value;
    },
    deliveriesOf: async (webhook) => (await deliveries.list(webhook, { pageSize: 1_000 })).items,
    batchOf: async (batchId) => (await batches.get(batchId))!.value,
  };
}

/** Completes batches whose jobs are counted so, and are nowhere. */
export const completionOver = (
  batches: BatchCompletionDeps["batches"],
  counts: StateCounts,
  now: () => Date,
): BatchCompletion => {
  return createBatchCompletion({
    batches,
    jobs: { snapshot: () => Promise.resolve({ counts, failures: 0, version: "1", changedAt: undefined }) },
    events: silentEvents,
    now,
  });
};
