/**
 * Sends the bells of jobs whose rows are written. The row is the truth, so a submit does not fail when the broker is
 * unavailable for a moment: the bell is sent again until the broker accepts it, and the caller already has the id.
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
  /** Bells that wait to be sent again. */
  readonly waitingCount: number;
  /** Refuses new work while too many bells wait. Call it before a row is written. Throws UnavailableError. */
  assertReady(): void;
  /** Resolves when the bells are sent, or are kept to be sent again. */
  send(queueName: string, bells: readonly OutgoingBell[]): Promise<void>;
  /** Waits for running sends, then tries the waiting bells once more. */
  close(): Promise<void>;
}

export interface BellOutboxDeps {
  readonly queue: Pick<JobQueue, "send">;
  readonly log: Logger;
}

/** Bells that may wait. At about a kilobyte each, a broker outage costs this process some tens of megabytes at most. */
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
  /** Bells of first sends that are running. */
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

  /** After a failure, the queue's other bells wait for the next pass: each might take as long to fail. */
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
          // The first failure was logged.
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
    if (waitingCount > 0) log.error({ count: waitingCount }, "bells were not sent before the process ended");
  }

  return {
    get waitingCount() {
      return waitingCount;
    },
    assertReady() {
      // While the broker is unavailable, first sends will wait too. Otherwise a burst must not be refused.
      if (waitingCount === 0 || waitingCount + firstCount < WAITING_MAX_COUNT) return;
      throw new UnavailableError("BusUnavailable", "The broker is unavailable and the backlog is full. Retry later.");
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
