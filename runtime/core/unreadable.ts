/**
 * What this process could not read, because another release wrote it. It is left as it is. This module reports it to
 * people: in the log once a minute per format, and at `/readyz`.
 */
import { messageOf, UnreadableError } from "./errors.ts";
import type { FormatName } from "./formats.ts";
import { UNREADABLE_LOG_EVERY_MS, UNREADABLE_SHOWN_MS } from "./limits.ts";
import type { Logger } from "./logger.ts";
import type { Clock } from "./clock.ts";

export interface Unreadable {
  /** `key` names the thing: the keys of a row, the queue and id of a message. May be handed on as a function. */
  readonly note: (key: string, error: unknown) => void;
  /** Met within the last quarter of an hour, by name. */
  formats(): readonly FormatName[];
}

export interface UnreadableDeps {
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

interface Met {
  readonly at: number;
  readonly loggedAt: number;
  /** Since the log said so last. */
  readonly silentCount: number;
}

export function createUnreadable({ monotonicNow, log }: UnreadableDeps): Unreadable {
  const met = new Map<FormatName | undefined, Met>();
  return {
    note(key, error) {
      const format = error instanceof UnreadableError ? error.format : undefined;
      const at = monotonicNow();
      const before = met.get(format);
      const isSilent = before !== undefined && at - before.loggedAt < UNREADABLE_LOG_EVERY_MS;
      if (isSilent) {
        met.set(format, { ...before, at, silentCount: before.silentCount + 1 });
        return;
      }
      met.set(format, { at, loggedAt: at, silentCount: 0 });
      const others = before?.silentCount ?? 0;
      log.warn({ format, key, reason: messageOf(error), others }, "cannot be read by this release; left alone");
    },
    formats: () =>
      [...met]
        .flatMap(([format, { at }]) =>
          format !== undefined && monotonicNow() - at < UNREADABLE_SHOWN_MS ? [format] : [],
        )
        .toSorted(),
  };
}

/** Runs one step of many. Undefined: it met something unreadable, which is noted, so that the other steps go on. */
export async function unlessUnreadable<T>(
  key: string,
  unreadable: Pick<Unreadable, "note">,
  step: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    unreadable.note(key, error);
    return undefined;
  }
}
