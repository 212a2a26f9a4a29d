/**
 * Sends events to the topic in order, one message batch at a time. Each batch contains as many events as the broker
 * accepts. While the broker is unavailable the events wait. Above a limit the oldest are dropped, counted and logged.
 */
import type { ServiceBusClient, ServiceBusMessage, ServiceBusMessageBatch, ServiceBusSender } from "@azure/service-bus";
import { messageOf } from "../../core/errors.ts";
import { applicationPropertiesOf, type PublishedEvent } from "../../core/job/events.ts";
import { EVENTS_WAITING_MAX_COUNT } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { EventPublisher } from "../../core/ports/event-channel.ts";
import { EVENTS_TOPIC } from "../../core/deployment/topology.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { busError } from "../translate-error.ts";

export interface EventPublisherDeps {
  /** The publisher owns it: closing closes it. */
  readonly bus: ServiceBusClient;
  readonly log: Logger;
  /** Default EVENTS_WAITING_MAX_COUNT. */
  readonly waitingMaxCount?: number;
  readonly metrics: Pick<Metrics, "eventsDropped">;
}

/** After this time an acknowledgement counts as lost. */
const ACCEPT_WITHIN_MS = 5_000;
/** Pause after a failed send, so that an outage does not cause a flood of requests. */
const RETRY_MS = 500;
/** Closing waits this long for the last events to be sent. */
const CLOSE_WITHIN_MS = 2_000;

export function createEventPublisher({
  bus,
  log,
  metrics,
  waitingMaxCount = EVENTS_WAITING_MAX_COUNT,
}: EventPublisherDeps): EventPublisher {
  let waiting: PublishedEvent[] = [];
  let opened: ServiceBusSender | undefined;
  let sending: Promise<void> | undefined;
  let isAway = false;
  let closed = false;
  /** Since the last log entry about dropped events. */
  let droppedCount = 0;
  let wake: () => void = () => undefined;

  const sender = (): ServiceBusSender => (opened ??= bus.createSender(EVENTS_TOPIC));

  async function sendAll(): Promise<void> {
    while (waiting.length > 0) {
      const taken = waiting;
      waiting = [];
      let sentCount = 0;
      try {
        while (sentCount < taken.length) sentCount += await sendSome(taken, sentCount);
        if (isAway) log.info({ dropped: droppedCount }, "events are accepted again");
        isAway = false;
        droppedCount = 0;
      } catch (error) {
        keep(taken.slice(sentCount), error);
        if (closed) return;
        await pause();
      }
    }
  }

  /**
   * Sends as many as fit into one transfer. After a lost answer they are sent again, and the broker drops the
   * duplicates.
   */
  async function sendSome(events: readonly PublishedEvent[], from: number): Promise<number> {
    const batch = await sender().createMessageBatch();
    let to = from;
    while (to < events.length && add(batch, events[to])) to++;
    if (to > from) await sender().sendMessages(batch, { abortSignal: AbortSignal.timeout(ACCEPT_WITHIN_MS) });
    // A single event is too large for any transfer.
    else countDropped(1);
    return Math.max(1, to - from);
  }

  function keep(events: readonly PublishedEvent[], error: unknown): void {
    if (!isAway)
      log.warn(
        { error: messageOf(busError(error, "publishing")) },
        "events are not accepted; they are kept and sent later",
      );
    isAway = true;
    waiting = [...events, ...waiting];
    const surplus = waiting.length - waitingMaxCount;
    if (surplus > 0) drop(surplus);
  }

  function drop(count: number): void {
    if (droppedCount === 0) log.warn({ waiting: waitingMaxCount }, "too many events wait; the oldest ones are dropped");
    waiting.splice(0, count);
    countDropped(count);
  }

  function countDropped(count: number): void {
    droppedCount += count;
    metrics.eventsDropped.add(count, {});
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  function start(): void {
    sending ??= sendAll()
      .catch((error: unknown) => log.error({ error: messageOf(error) }, "publishing events failed unexpectedly"))
      .finally(() => {
        sending = undefined;
        if (waiting.length > 0 && !closed) start();
      });
  }

  return {
    publish(event) {
      if (closed) return;
      if (waiting.length >= waitingMaxCount) drop(1);
      waiting.push(event);
      start();
    },
    async close() {
      if (closed) return;
      closed = true;
      wake();
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_WITHIN_MS);
      });
      await Promise.race([sending, late]);
      clearTimeout(timer);
      metrics.eventsDropped.add(waiting.length, {});
      const lost = waiting.length + droppedCount;
      if (lost > 0) log.warn({ count: lost }, "events were not sent before the process ended");
      waiting = [];
      // The result is not needed.
      await bus.close().catch(() => undefined);
    },
  };
}

const add = (batch: ServiceBusMessageBatch, event: PublishedEvent | undefined): boolean =>
  event !== undefined && batch.tryAddMessage(asMessage(event));

const asMessage = ({ id, event }: PublishedEvent): ServiceBusMessage => ({
  body: event,
  messageId: id,
  contentType: "application/json",
  subject: event.eventType,
  applicationProperties: applicationPropertiesOf(event),
});
