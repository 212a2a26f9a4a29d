/** Reads a line and the rows that it names, as far as a decision needs them: the I/O around core/admission/line.ts. */
import type { Known, LineView, Needed, Place } from "../../core/admission/line.ts";
import type { LineHead, LineName } from "../../core/admission/limit.ts";
import type { Job } from "../../core/job/job.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { LineStore } from "../../core/ports/line-store.ts";
import type { Stored } from "../../core/ports/stored.ts";

export interface LineReaderDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly lines: LineStore;
}

/** A line as it was read, and rows that were read after it. */
export interface ReadLine extends LineView {
  readonly name: LineName;
  readonly head: Stored<LineHead> | undefined;
  readonly known: Known;
  /** Rows that were read. */
  row(jobId: string): Stored<Job> | undefined;
  /** Does what a decision needs, then decide again. The line is another one if it had to be read again. */
  provide(needed: Needed): Promise<ReadLine>;
  /** The same line with this place behind all others. The rows are to be read again. */
  joinedBy(place: Place, removed: readonly Place[]): ReadLine;
}

/** Places read at first: the front of most lines, and some more, because some of it may be over. */
const READ_FIRST = 32;
/** A page of a table holds so many beside the line's own row: more than CONCURRENCY_MAX, and all that may be over. */
const PAGE_MAX = 1_000 - 1;

/** Throws UnavailableError. */
export async function readLine(name: LineName, deps: LineReaderDeps, count = READ_FIRST): Promise<ReadLine> {
  const { head, places, isWhole } = await deps.lines.read(name, count);
  const isLast = count >= PAGE_MAX;
  return lineOf({ name, head, max: head?.value.max ?? 0, places, isWhole }, deps, async (needed) => {
    if (needed.action === "clear") await deps.lines.remove(name, needed.over);
    // So many places that are not over fill any front.
    else if (isLast) throw new RangeError("A front has more places than a page.");
    return readLine(name, deps, needed.action === "clear" ? count : Math.min(PAGE_MAX, count * 2));
  });
}

type Facts = Pick<ReadLine, "name" | "head" | "max" | "places" | "isWhole">;

function lineOf(facts: Facts, deps: LineReaderDeps, again: (needed: Needed) => Promise<ReadLine>): ReadLine {
  const rows = new Map<string, Stored<Job> | undefined>();
  const line: ReadLine = {
    ...facts,
    known: (jobId) => (rows.has(jobId) ? (rows.get(jobId)?.value ?? "absent") : undefined),
    row: (jobId) => rows.get(jobId),
    async provide(needed) {
      if (needed.action !== "look") return again(needed);
      await Promise.all(needed.jobIds.map(async (jobId) => rows.set(jobId, await deps.jobs.get(jobId))));
      return line;
    },
    joinedBy(place, removed) {
      const before = facts.places.filter((one) => !removed.includes(one));
      // Of a longer line only the first are known, and those that follow them are not.
      return lineOf({ ...facts, places: facts.isWhole ? [...before, place] : before }, deps, again);
    },
  };
  return line;
}
