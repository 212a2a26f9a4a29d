/**
 * Tells webhooks of ticks that timers have missed: one message for all that a timer missed since the one before. The row of what
 * a timer does says how many it missed ever, and how many were told (core/job/notice.ts).
 */
import { messageOf } from "../../core/errors.ts";
import { EVENT_VERSION } from "../../core/job/events.ts";
import { type Notice, isSameNotice, nextNotice } from "../../core/job/notice.ts";
import type { Logger } from "../../core/logger.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import { batchIdOf, type Timer, type TimerRun } from "../../core/timer/timer.ts";
import type { Unreadable } from "../../core/unreadable.ts";
import { type TellDeps, type Told, createTell } from "./tell.ts";

export interface AnnounceMissedDeps extends TellDeps {
  readonly timers: Pick<TimerStore, "all" | "run" | "writeRun">;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly log: Logger;
}

/** Looks at all timers. Never throws: after an error the next round tells. */
export type AnnounceMissed = () => Promise<void>;

export function createAnnounceMissed(deps: AnnounceMissedDeps): AnnounceMissed {
  const { timers, unreadable, now, log } = deps;
  const { isWanted, tell } = createTell(deps);

  /** R50: written before the first delivery. Undefined: there is nothing to make. */
  async function noticeOf({ tenantName }: Timer, { value: run, etag }: Stored<TimerRun>): Promise<Notice | undefined> {
    const last = run.missedNotice;
    // Most timers miss nothing, and are looked at without another request.
    if (nextNotice(last, run.missedCount, true, now()).action === "nothing") return undefined;
    const step = nextNotice(last, run.missedCount, await isWanted(tenantName, "timerMissed"), now());
    if (step.action !== "write") return step.action === "make" ? step.notice : undefined;
    const { written } = await timers.writeRun({ ...run, missedNotice: step.notice }, etag);
    return written && !step.notice.isMade ? step.notice : undefined;
  }

  /** R51: on the version that still has this notice. Refused: the next round makes the same deliveries, and marks it. */
  async function mark(batchId: string, notice: Notice): Promise<void> {
    const stored = await timers.run(batchId);
    if (stored === undefined || !isSameNotice(stored.value.missedNotice, notice)) return;
    await timers.writeRun({ ...stored.value, missedNotice: { ...notice, isMade: true } }, stored.etag);
  }

  async function announce(timer: Timer): Promise<void> {
    const batchId = batchIdOf(timer);
    const stored = await timers.run(batchId);
    const notice = stored && (await noticeOf(timer, stored));
    if (stored === undefined || notice === undefined) return;
    await tell(toldOf(timer, stored.value, notice));
    await mark(batchId, notice);
  }

  return async () => {
    try {
      for await (const { value } of timers.all(unreadable.note)) await announce(value);
    } catch (error) {
      log.warn({ error: messageOf(error) }, "missed ticks were not announced; trying again");
    }
  };
}

/** Named after the timer and the last missed tick that it tells of. */
function toldOf(timer: Timer, { lastMissedAt }: TimerRun, { from, to, at }: Notice): Told {
  const { tenantName, packageName, timerName } = timer;
  return {
    id: `${batchIdOf(timer)}:missed:${from}-${to}`,
    at,
    message: {
      ...{ version: EVENT_VERSION, eventType: "timerMissed", at: at.toISOString(), tenantName, packageName, timerName },
      ...{ missed: to - from, missedCount: to },
      ...(lastMissedAt && { lastMissedAt: lastMissedAt.toISOString() }),
    },
  };
}
