/** Who delivers: the process that holds the lease, when a batch completes and at intervals. */
import { beforeAll, beforeEach, afterEach, expect, it, onTestFinished } from "vitest";
import { startWebhookDuty } from "../../../runtime/api/webhooks/duty.ts";
import { createLeaderLease } from "../../../runtime/azure/index.ts";
import { batchCompletedEvent, type PublishedEvent } from "../../../runtime/core/job/events.ts";
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { LeaderLease } from "../../../runtime/core/ports/worker-store.ts";
import { deliveryOf } from "../../support/builders.ts";
import { recordingLog } from "../../support/recording-log.ts";
import { silentLog } from "../../support/silent.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startWebhookLab, type WebhookLab } from "../../support/webhooks/webhook-lab.ts";
import { startReceiver, type WebhookReceiver } from "../../support/webhooks/webhook-receiver.ts";
import { randomUUID } from "node:crypto";

let lab: WebhookLab;
let receiver: WebhookReceiver;
beforeAll(async () => {
  lab = await startWebhookLab("webhookduty");
});
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver[Symbol.asyncDispose]());

const leaseOf = (name: string): LeaderLease =>
  createLeaderLease({
    storage: lab.storage,
    name,
    durationMs: 15_000,
    holder: randomUUID(),
    monotonicNow: () => performance.now(),
  });
const newsOf = (batch: Batch): PublishedEvent => batchCompletedEvent(batch, batch.completedAt!);
const LONG_MS = 3_600_000;

it("runs at once when a batch completes, in the leading process, and in the next one when it stops", async () => {
  const tenantName = freshTenant();
  await lab.webhook({ tenantName, url: receiver.url });
  const duties = [1, 2].map(() =>
    startWebhookDuty({ lease: leaseOf("heard"), ...lab.instance(), log: silentLog, everyMs: LONG_MS }),
  );
  for (const duty of duties) onTestFinished(() => duty.stop());
  const told = async (): Promise<void> => {
    const batch = await lab.completedBatch(tenantName);
    for (const duty of duties) duty.onEvent(newsOf(batch));
  };
  for (let n = 1; n <= 3; n++) {
    await told();
    await receiver.count(n);
  }
  // Any of the two can lead.
  await duties[0]!.stop();
  await told();
  await receiver.count(4);
  await duties[1]!.stop();
  expect(receiver.received).toHaveLength(4);
});

it("also runs without a notification", async () => {
  const webhook = await lab.webhook({ tenantName: freshTenant(), url: receiver.url });
  const duty = startWebhookDuty({ lease: leaseOf("quiet"), ...lab.instance(), log: silentLog, everyMs: 20 });
  onTestFinished(() => duty.stop());
  await lab.deliveries.add(deliveryOf(webhook));
  await receiver.count(1);
});

it("the duty continues after an outage of storage, and logs it", async () => {
  const webhook = await lab.webhook({ tenantName: freshTenant(), url: receiver.url });
  const log = recordingLog();
  let failures = 3;
  const lease: LeaderLease = {
    hold: () => (failures-- > 0 ? Promise.reject(new Error("The blob does not answer.")) : Promise.resolve(true)),
    release: () => Promise.reject(new Error("The blob does not answer.")),
  };
  const duty = startWebhookDuty({ lease, ...lab.instance(), log, everyMs: 10 });
  await lab.deliveries.add(deliveryOf(webhook));
  await receiver.count(1);
  await duty.stop();
  expect(log.messages().filter((message) => message === "a round of webhook deliveries failed")).toHaveLength(3);
});

it("a process without the lease does not deliver, and stops after running deliveries", async () => {
  const webhook = await lab.webhook({ tenantName: freshTenant(), url: receiver.url });
  await lab.deliveries.add(deliveryOf(webhook));
  const asked = Promise.withResolvers<undefined>();
  const idle: LeaderLease = {
    hold: () => {
      asked.resolve(undefined);
      return Promise.resolve(false);
    },
    release: () => Promise.resolve(),
  };
  const other = startWebhookDuty({ lease: idle, ...lab.instance(), log: silentLog });
  await asked.promise;
  await other.stop();
  expect(receiver.received).toEqual([]);

  const answer = Promise.withResolvers<undefined>();
  receiver.answer = (response) => void answer.promise.then(() => response.writeHead(204).end());
  const duty = startWebhookDuty({ lease: leaseOf("ending"), ...lab.instance(), log: silentLog });
  await receiver.count(1);
  const stopped = duty.stop();
  answer.resolve(undefined);
  await stopped;
  expect(await lab.deliveriesOf(webhook)).toMatchObject([{ state: "delivered" }]);
});
