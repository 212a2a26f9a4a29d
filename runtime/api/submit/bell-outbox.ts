/**
 * Sends the bells of jobs whose rows are written. The row is the truth, so a submit need not fail because the broker is
 * away for a moment: its bell is sent again until it is accepted, while the caller already has the id.
 *
 * | state    | meaning                                 | leaves by                                                   |
 * |----------|-----------------------------------------|-------------------------------------------------------------|
 * | idle     | no bell waits                           | a send that fails → waiting                                 |
 * | waiting  | bells wait, a timer runs                | the timer → retrying, `close` → closed                      |
 * | retrying | one pass sends what waits, one by one   | its end → idle or waiting                                   |
 * | closed   | after the last pass; nothing is retried | –                                                           |
 */
import { UnavailableError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { JobQueue, OutgoingBell } from "../../core/ports/job-queue.ts";

export interface BellOutbox {
  /** Refuses new work while too many bells wait. Call it before a row is written. Throws UnavailableError. */
  assertReady(): void;
  /** Resolves when the bells are sent, or when they wait to be sent again. */
  send(queueName: string, bells: readonly OutgoingBell[]): Promise<void>;
  /** Waits for what is being sent, then gives waiting bells a last try. */
  close(): Promise<void>;
}

export interface BellOutboxDeps {
  readonly queue: Pick<JobQueue, "send">;
  readonly log: Logger;
}

/** Bells kept for later. At about a kilobyte each, a broker outage costs this process some tens of megabytes at most. */
export const WAITING_MAX_COUNT = 20_000;
export const RETRY_MS = 1_000;

interface Waiting {
  readonly queueName: string;
  readonly bells: readonly OutgoingBell[];
}

export function createBellOutbox({ queue, log }: BellOutboxDeps): BellOutbox {
  const waiting: Waiting[] = [];
  /** Bells in `waiting`, and those of it that the pass is sending. */
  let waitingCount = 0;
  /** Bells that are sent for the first time. */
  let firstCount = 0;
  const firstSends = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  /** One timer or one pass at a time. */
  function schedule(): void {
    if (waiting.length === 0 || pass !== undefined || closing !== undefined) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      pass = sendWaiting().finally(() => {
        pass = undefined;
        schedule();
      });
    }, RETRY_MS);
  }

  /** After a failure its queue's other bells are left for the next pass: each might take as long to fail. */
  async function sendWaiting(): Promise<void> {
    const failing = new Set<string>();
    for (let left = waiting.length; left > 0; left--) {
      const item = waiting.shift();
      if (item === undefined) return;
      if (!failing.has(item.queueName)) {
        try {
          await queue.send(item.queueName, item.bells);
          waitingCount -= item.bells.length;
          continue;
        } catch {
          // Logged when it began; it goes on until the broker is back.
          failing.add(item.queueName);
        }
      }
      waiting.push(item);
    }
  }

  async function sendFirst(item: Waiting): Promise<void> {
    const { queueName, bells } = item;
    firstCount += bells.length;
    try {
      await queue.send(queueName, bells);
    } catch (error) {
      log.warn({ queueName, count: bells.length, error: messageOf(error) }, "bells not sent; trying again");
      waiting.push(item);
      waitingCount += bells.length;
      schedule();
    } finally {
      firstCount -= bells.length;
    }
  }

  async function close(): Promise<void> {
    clearTimeout(timer);
    await Promise.all([pass, ...firstSends]);
    await sendWaiting();
    if (waitingCount > 0) log.error({ count: waitingCount }, "bells could not be sent before the end");
  }

  return {
    assertReady() {
      // While the broker is away, what is on its way will wait, too. Otherwise a burst is no reason to refuse work.
      if (waitingCount === 0 || waitingCount + firstCount < WAITING_MAX_COUNT) return;
      throw new UnavailableError(
        "BusUnavailable",
        "The message broker is unavailable, and too many jobs wait for it. Retry later.",
      );
    },
    async send(queueName, bells) {
      if (bells.length === 0) return;
      const sending = sendFirst({ queueName, bells });
      firstSends.add(sending);
      await sending.finally(() => firstSends.delete(sending));
    },
    close: () => (closing ??= close()),
  };
}
