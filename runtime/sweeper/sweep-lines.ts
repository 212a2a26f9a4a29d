/**
 * Removes lines of limits in which nobody stands: some at each call, and a pause between two passes over the table. A line begins
 * anew when a job of its key comes, so this keeps the table small and nothing else.
 *
 * | step                                     | what a job does meanwhile                                          |
 * |------------------------------------------|--------------------------------------------------------------------|
 * | reads the line and the rows of its jobs  | one that is not over, running or waiting, keeps the line           |
 * | removes places that are over (R26)       | joins: nobody misses a place that is over                          |
 * | removes the line's row, on its version   | joins: a place is written with that row, which has another version |
 */
import { PLACES_REMOVED_MAX, isPlaceOver } from "../core/admission/line.ts";
import type { LineName } from "../core/admission/limit.ts";
import type { Clock } from "../core/clock.ts";
import { RATE_SECONDS_MAX } from "../core/limits.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { FoundLine, LineStore } from "../core/ports/line-store.ts";
import type { Unreadable } from "../core/unreadable.ts";

export interface LineSweepDeps {
  readonly lines: LineStore;
  readonly jobs: Pick<JobStore, "get">;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: Clock["now"];
}

export interface LineSweep {
  /** Resolves to the number of lines removed. Throws UnavailableError. */
  sweep(): Promise<number>;
}

/** Lines of one call: a query, and some requests for each. */
const LINES_PER_SWEEP = 50;
/** Of one line, at one call: a longer one is emptied by the next passes. */
const REMOVALS_PER_LINE = 25;
const PASS_EVERY_MS = 6 * 60 * 60_000;

export function createLineSweep({ lines, jobs, unreadable, now }: LineSweepDeps): LineSweep {
  let continuationToken: string | undefined;
  let nextPassAt = 0;

  /** Whether all its places were over, and are gone. One that stayed would meet a new place with the same ticket. */
  async function isEmptied(name: LineName, etag: string): Promise<boolean> {
    for (let tries = 0; tries < REMOVALS_PER_LINE; tries++) {
      const { head, places, isWhole } = await lines.read(name, PLACES_REMOVED_MAX);
      // A job has joined since the line was found.
      if (head?.etag !== etag) return false;
      if (places.length === 0) return isWhole;
      const rows = await Promise.all(places.map(({ jobId }) => jobs.get(jobId)));
      if (!places.every((place, at) => isPlaceOver(place, rows[at]?.value ?? "absent"))) return false;
      await lines.remove(name, places);
    }
    return false;
  }

  async function isRemoved({ name, head: { value, etag } }: FoundLine): Promise<boolean> {
    if (name.kind === "rate") {
      // The span of the rate is not known here. Times longer ago than the longest span matter to none.
      const latest = value.taken.at(-1)?.[0] ?? 0;
      if (now().getTime() - latest < RATE_SECONDS_MAX * 1_000) return false;
    } else if (!(await isEmptied(name, etag))) return false;
    return lines.removeHead(name, etag);
  }

  return {
    async sweep() {
      if (now().getTime() < nextPassAt) return 0;
      const page = await lines.find(LINES_PER_SWEEP, continuationToken, unreadable.note);
      let removed = 0;
      for (const line of page.lines) if (await isRemoved(line)) removed++;
      continuationToken = page.continuationToken;
      if (continuationToken === undefined) nextPassAt = now().getTime() + PASS_EVERY_MS;
      return removed;
    },
  };
}
