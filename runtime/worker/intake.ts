/**
 * Which messages the free slots take. On an empty queue a receive for one message is left open, so neither an idle worker
 * nor an empty queue beside a full one costs anything, and a new message starts at once. Queues that have more share the
 * free slots by their weights, and each is asked for its part in one call. A message that comes when no slot is free goes
 * back at once.
 *
 * | state of a queue | meaning                                    | leaves by                                    |
 * |------------------|--------------------------------------------|----------------------------------------------|
 * | full             | may have more; nothing is asked of it      | free slots that are its part → asked         |
 * | asked            | a short receive for its part of the slots  | all of them → full; fewer → empty            |
 * | empty            | had no more; nothing is asked of it        | `next()` → open                              |
 * | open             | a long receive for one message             | one that had waited → full; else → empty     |
 *
 * Nothing is asked of a paused queue. What an open receive still brings from it goes back at once.
 */
import { messageOf } from "../core/errors.ts";
import { type Logger, jobLogFields } from "../core/logger.ts";
import { subjectOf } from "../core/job/message.ts";
import type { BellReceiver, ReceivedMessage, JobQueue } from "../core/ports/job-queue.ts";
import { PRIORITIES, type Priority, type Share } from "../core/job/priority.ts";
import { jobQueueName } from "../core/deployment/topology.ts";
import { sleep } from "../core/sleep.ts";
import type { Clock } from "../core/clock.ts";

export interface Intake {
  /**
   * The next messages to run, one or more for each call and no more than `freeSlots`; none once closed. Call it only
   * while a slot is free, one call at a time.
   */
  next(freeSlots: number): Promise<readonly ReceivedMessage[]>;
  /** Says that no slot is free: what arrives from now on goes back at once. */
  idle(): void;
  /** Since when, by a clock that never jumps, `next()` waits on open receives; undefined while it does not. */
  waitingSince(): number | undefined;
  contact(): Contact;
  /** Whether nothing is received from a queue, because it is paused. */
  isHeld(priority: Priority): boolean;
  /** Looks again which queues are held. */
  holdsChanged(): void;
  /** Goes on with new links; what waits on the old ones goes on waiting on the new. */
  replaceReceivers(): Promise<void>;
  /** Ends `next()` and gives back what was not taken. */
  close(): Promise<void>;
}

/** How receiving goes; instants by a clock that never jumps. */
export interface Contact {
  /** `next()` waits on open receives. */
  readonly waiting: boolean;
  /** When a receive last came back, with or without a message, or failed. */
  readonly returnedAt: number;
  /** Since when they only fail; undefined: the last one did not. */
  readonly failingSince: number | undefined;
}

export interface IntakeDeps {
  readonly queue: Pick<JobQueue, "receiver">;
  readonly pool: string;
  readonly share: Share;
  /** Whether a queue is paused. Its messages stay in it. Default: none is. */
  readonly isPaused?: ((priority: Priority) => boolean) | undefined;
  /** Lock duration of the queues. */
  readonly lockMs: number;
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

/** A short receive. What is on its way at its end still arrives, wherever the broker is. */
const LOOK_MS = 20;
/** An open receive. Its length only decides how often an idle worker says that it still listens. */
const OPEN_MS = 60_000;
/** A message that was in its queue for longer was not alone there. */
const BACKLOG_AFTER_MS = 20;
/** Wait after a failed receive, so that an outage is not answered with a flood. */
const RETRY_MS = 500;

interface Line {
  state: "full" | "asked" | "empty" | "open";
  receiver: BellReceiver;
  /** Slots that are kept for the receive under way. */
  kept: number;
  /** Ends when the receive under way has. */
  receiving: Promise<void>;
  readonly arrived: ReceivedMessage[];
}

export function createIntake(deps: IntakeDeps): Intake {
  const { queue, pool, share, isPaused: isHeld = () => false, lockMs, monotonicNow, log } = deps;
  const closed = new AbortController();
  const openReceiver = (priority: Priority): BellReceiver => queue.receiver(jobQueueName(pool, priority));
  const lines = new Map<Priority, Line>(
    PRIORITIES.map((priority) => {
      const receiver = openReceiver(priority);
      return [priority, { state: "full", receiver, kept: 0, receiving: Promise.resolve(), arrived: [] }];
    }),
  );
  let wanted = false;
  let waitingSince: number | undefined;
  let returnedAt = monotonicNow();
  let failingSince: number | undefined;
  let wake: () => void = () => undefined;

  /** An error counts as an empty queue that is asked again a little later. */
  async function receive(priority: Priority, line: Line, waitMs: number, count: number) {
    try {
      const messages = await line.receiver.receive(waitMs, count);
      returnedAt = monotonicNow();
      failingSince = undefined;
      return messages;
    } catch (error) {
      returnedAt = monotonicNow();
      failingSince ??= returnedAt;
      if (!closed.signal.aborted) {
        log.warn({ priority, error: messageOf(error) }, "receiving failed; trying again");
        await sleep(RETRY_MS, closed.signal);
      }
      return [];
    }
  }

  async function giveBack(delivery: ReceivedMessage): Promise<void> {
    try {
      await delivery.abandon();
    } catch (error) {
      // The broker gives it back by itself when the lock ends.
      const subject = subjectOf(delivery.parsed);
      const fields = subject && jobLogFields(subject.jobId);
      log.warn({ messageId: delivery.messageId, ...fields, error: messageOf(error) }, "returning a message failed");
    }
  }

  async function giveBackArrived(line: Line): Promise<void> {
    if (line.arrived.length > 0 && line.state === "empty") line.state = "full";
    await Promise.all(line.arrived.splice(0).map(giveBack));
  }

  /** Both instants are the broker's. */
  const hadWaited = ({ enqueuedAt, lockedUntil }: ReceivedMessage): boolean =>
    lockedUntil - lockMs - enqueuedAt > BACKLOG_AFTER_MS;

  function start(priority: Priority, line: Line, state: "asked" | "open", count: number): void {
    line.state = state;
    line.kept = state === "asked" ? count : 0;
    line.receiving = receive(priority, line, state === "asked" ? LOOK_MS : OPEN_MS, count).then(async (messages) => {
      const hasMore = state === "asked" ? messages.length >= count : messages.some(hadWaited);
      line.state = hasMore ? "full" : "empty";
      line.kept = 0;
      line.arrived.push(...messages);
      if (!wanted || closed.signal.aborted || isHeld(priority)) await giveBackArrived(line);
      wake();
    });
  }

  /** Has a receive under way on every queue that is due one. */
  function ask(freeSlots: number): void {
    const isFull = (priority: Priority): boolean => lines.get(priority)?.state === "full" && !isHeld(priority);
    const full = (): boolean => PRIORITIES.some(isFull);
    let free = freeSlots - [...lines.values()].reduce((sum, { kept }) => sum + kept, 0);
    const parts = new Map<Priority, number>();
    for (; free > 0 && full(); free--) {
      const first = share().find(isFull);
      if (first !== undefined) parts.set(first, (parts.get(first) ?? 0) + 1);
    }
    for (const [priority, line] of lines) {
      const part = parts.get(priority);
      if (part !== undefined) start(priority, line, "asked", part);
      else if (line.state === "empty" && !isHeld(priority)) start(priority, line, "open", 1);
    }
  }

  /** Every queue that is not paused has an open receive, and there is one. */
  function isWaiting(): boolean {
    const heard = [...lines].filter(([priority]) => !isHeld(priority));
    return heard.length > 0 && heard.every(([, { state }]) => state === "open");
  }

  function takeArrived(freeSlots: number): readonly ReceivedMessage[] {
    const taken: ReceivedMessage[] = [];
    for (const { arrived } of lines.values()) taken.push(...arrived.splice(0, freeSlots - taken.length));
    return taken;
  }

  return {
    async next(freeSlots) {
      wanted = true;
      for (;;) {
        const taken = closed.signal.aborted ? [] : takeArrived(freeSlots);
        if (taken.length > 0 || closed.signal.aborted) {
          waitingSince = undefined;
          return taken;
        }
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        ask(freeSlots);
        waitingSince = isWaiting() ? (waitingSince ?? monotonicNow()) : undefined;
        await woken;
      }
    },
    waitingSince: () => waitingSince,
    isHeld,
    holdsChanged: () => wake(),
    contact: () => ({ waiting: waitingSince !== undefined, returnedAt, failingSince }),
    async replaceReceivers() {
      const old = [...lines.values()].map(({ receiver }) => receiver);
      for (const [priority, line] of lines) line.receiver = openReceiver(priority);
      waitingSince = undefined;
      // Their waiting calls return empty, and `next()` opens them again on the new links.
      await Promise.all(old.map((receiver) => receiver.close()));
    },
    idle() {
      wanted = false;
      for (const line of lines.values()) void giveBackArrived(line);
    },
    async close() {
      closed.abort();
      wake();
      await Promise.all([...lines.values()].map(({ receiver }) => receiver.close()));
      await Promise.all([...lines.values()].map(({ receiving }) => receiving));
      await Promise.all([...lines.values()].map(giveBackArrived));
    },
  };
}
