/** Jobs that are to wait in their queues: first all of their rows are written, then their bells are sent. */
import { jobQueueName } from "../core/deployment/topology.ts";
import type { Job } from "../core/job/job.ts";
import { type OutgoingBell, outgoingBell } from "../core/ports/job-queue.ts";
import type { Stored } from "../core/ports/stored.ts";

export type SendBells = (queueName: string, bells: readonly OutgoingBell[]) => Promise<void>;

export interface WrittenRow<Outcome> {
  readonly result: Outcome;
  /** The row that waits for its bell. */
  readonly queued?: Stored<Job>;
}

export interface WriteThenRing<Outcome> {
  readonly write: (row: Stored<Job>) => Promise<WrittenRow<Outcome>>;
  /** Before the first bell. Default: nothing. */
  readonly beforeBells?: ((waiting: readonly Job[]) => Promise<void>) | undefined;
  readonly sendBells: SendBells;
}

/**
 * Results are in the order of the rows. When a row cannot be written, the bells of the others are still sent before this throws
 * its error.
 */
export async function writeThenRing<Outcome>(
  rows: readonly Stored<Job>[],
  { write, beforeBells, sendBells }: WriteThenRing<Outcome>,
): Promise<readonly Outcome[]> {
  const written = await Promise.allSettled(rows.map(write));
  const waiting = written.flatMap((one) => (one.status === "fulfilled" && one.value.queued ? [one.value.queued] : []));
  await beforeBells?.(waiting.map(({ value }) => value));
  const bells = Map.groupBy(waiting, ({ value }) => jobQueueName(value.pool, value.priority));
  await Promise.all([...bells].map(([queueName, ofQueue]) => sendBells(queueName, ofQueue.map(outgoingBell))));
  return written.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value.result;
  });
}
