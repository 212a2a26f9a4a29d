import { describe, expect, it } from "vitest";
import type { BatchView, WebhookDeliveryView, WebhookView } from "../../../runtime/client/index.ts";
import { isToldSoon, toldOf } from "../../../web/data/told.ts";

const NOW = Date.UTC(2030, 0, 1, 9);
const batchOf = (generation: number, completedAgoMs?: number): BatchView =>
  ({
    batchId: "acme.one",
    generation,
    ...(completedAgoMs !== undefined && { completedAt: new Date(NOW - completedAgoMs).toISOString() }),
  }) as unknown as BatchView;
const webhookOf = (...events: string[]): WebhookView => ({ events, enabled: true }) as unknown as WebhookView;
const delivery = (eventType: string, more: Partial<WebhookDeliveryView> = {}): WebhookDeliveryView =>
  ({ eventType, batchId: "acme.one", state: "delivered", ...more }) as unknown as WebhookDeliveryView;

const ended = (generation: number) => delivery("batchCompleted", { generation });
const failed = delivery("jobsFailed");
const BOTH = webhookOf("batchCompleted", "jobsFailed");

describe("what a webhook is told of a batch", () => {
  it.each<[title: string, batch: BatchView, webhook: WebhookView, latest: WebhookDeliveryView[], expected: unknown[]]>([
    ["the end is to come", batchOf(1), BOTH, [], [undefined]],
    ["the end is to come, also after a message about failures", batchOf(1), BOTH, [failed], [undefined, failed]],
    ["the end is told", batchOf(1, 0), BOTH, [ended(1), failed], [ended(1), failed]],
    ["after a requeue another end is to come", batchOf(2), BOTH, [ended(1)], [undefined, ended(1)]],
    ["each end is told", batchOf(2, 0), BOTH, [ended(2), ended(1)], [ended(2), ended(1)]],
    ["a message about another batch", batchOf(1), BOTH, [{ ...ended(1), batchId: "acme.two" }], [undefined]],
    ["a webhook that is not told of the end", batchOf(1, 0), webhookOf("jobsFailed"), [failed], [failed]],
    ["a webhook that is told nothing of batches", batchOf(1), webhookOf("timerMissed"), [], []],
  ])("%s", (_, batch, webhook, latest, expected) => {
    expect(toldOf(batch, webhook, latest).map((told) => told.delivery)).toEqual(expected);
  });

  it.each<[title: string, soon: boolean, batch: BatchView, latest: WebhookDeliveryView[]]>([
    ["while the batch goes on", true, batchOf(1), [failed]],
    ["just after its end, until it is told", true, batchOf(1, 1_000), [failed]],
    [
      "while a message waits",
      true,
      batchOf(1, 3_600_000),
      [delivery("batchCompleted", { generation: 1, state: "waiting" })],
    ],
    ["not when the end is told", false, batchOf(1, 1_000), [ended(1), failed]],
    ["not long after the end", false, batchOf(1, 3_600_000), [failed]],
  ])("another message is likely soon: %s", (_, soon, batch, latest) => {
    expect(isToldSoon(batch, toldOf(batch, BOTH, latest), NOW)).toBe(soon);
  });

  it("nothing is likely soon where no webhook is told", () => {
    expect(isToldSoon(batchOf(1), [], NOW)).toBe(false);
  });
});
