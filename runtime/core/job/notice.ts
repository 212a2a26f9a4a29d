/**
 * What webhooks are told of a count that only grows, such as the failed jobs of a batch or the missed ticks of a timer. The
 * count is written with what it counts, so no crash can lose any. A notice covers a part of it, and one notice follows another
 * at a distance, so that many at once are one message.
 *
 * The notice is written beside the count before its deliveries are made (R50), and marked afterwards (R51).
 */
import { NOTICE_EVERY_MS } from "../limits.ts";

export interface Notice {
  /** It tells of those counted after `from`, up to `to`. */
  readonly from: number;
  readonly to: number;
  readonly at: Date;
  /** Its deliveries exist. */
  readonly isMade: boolean;
}

export type NoticeStep =
  | { readonly action: "nothing" }
  /** Write this notice on the version that was read, then make its deliveries. */
  | { readonly action: "write"; readonly notice: Notice }
  /** Its process died, or is still at it: make the same deliveries. */
  | { readonly action: "make"; readonly notice: Notice };

/** Whether the next notice may follow already. */
export const isNoticeDue = (last: Notice | undefined, now: Date): boolean =>
  last === undefined || now.getTime() - last.at.getTime() >= NOTICE_EVERY_MS;

/** What is to be told of a count. `last`: the latest notice. `isWanted`: some webhook wants to hear of it. */
export function nextNotice(last: Notice | undefined, count: number, isWanted: boolean, now: Date): NoticeStep {
  if (last !== undefined && !last.isMade) return { action: "make", notice: last };
  const from = last?.to ?? 0;
  if (count <= from || !isNoticeDue(last, now)) return { action: "nothing" };
  return { action: "write", notice: { from, to: count, at: now, isMade: !isWanted } };
}

/** Whether everything that was counted has been told. */
export const isTold = (last: Notice | undefined, count: number): boolean =>
  last === undefined ? count === 0 : last.isMade && last.to >= count;

/** The same notice: whoever reads it again may mark it. */
export const isSameNotice = (a: Notice | undefined, b: Notice): boolean => a?.to === b.to && a.from === b.from;
