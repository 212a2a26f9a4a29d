/**
 * Sends the bells of jobs whose rows are written. The row is the truth, so a submit need not fail because the broker is
 * away for a moment: its bell is sent again until it is accepted, while the caller already has the id.
 */
import { UnavailableError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { JobQueue, OutgoingBell } from "../core/ports/job-queue.ts";

export interface Ringer {
  /** Refuses new work while too many bells wait. Call it before a row is written. Throws UnavailableError. */
  assertReady(): void;
  /** Resolves when the bells are sent, or soon, when they wait to be sent again. */
  ring(queueName: string, bells: readonly OutgoingBell[]): Promise<void>;
  /** Gives waiting bells a last try. */
  close(): Promise<void>;
}

export interface RingerDeps {
  readonly queue: Pick<JobQueue, "send">;
  readonly log: Logger;
}

/** Bells kept for later. At about a kilobyte each, a broker outage costs this process some tens of megabytes at most. */
const WAITING_MAX_COUNT = 20_000;
const RETRY_MS = 1_000;

interface Waiting {
  readonly queueName: string;
  readonly bells: readonly OutgoingBell[];
}

export function createRinger({ queue, log }: RingerDeps): Ringer {
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;
  let retrying: Promise<void> | undefined;

  const waitingCount = (): number => waiting.reduce((sum, { bells }) => sum + bells.length, 0);

  function keep(item: Waiting): void {
    waiting.push(item);
    timer ??= setTimeout(() => {
      retrying = retry();
    }, RETRY_MS);
  }

  async function retry(): Promise<void> {
    timer = undefined;
    const items = waiting;
    waiting = [];
    for (const item of items) {
      try {
        await queue.send(item.queueName, item.bells);
      } catch {
        // Logged when it began; it goes on until the broker is back.
        keep(item);
      }
    }
  }

  return {
    assertReady() {
      if (waitingCount() >= WAITING_MAX_COUNT) {
        throw new UnavailableError("BusUnavailable", "The message broker is away; too many jobs wait for it already.");
      }
    },
    async ring(queueName, bells) {
      if (bells.length === 0) return;
      try {
        await queue.send(queueName, bells);
      } catch (error) {
        log.warn({ queueName, count: bells.length, error: messageOf(error) }, "bells not sent; trying again");
        keep({ queueName, bells });
      }
    },
    async close() {
      clearTimeout(timer);
      await retrying;
      if (waiting.length === 0) return;
      await retry();
      clearTimeout(timer);
      if (waiting.length > 0) log.error({ count: waitingCount() }, "bells could not be sent before the end");
    },
  };
}
