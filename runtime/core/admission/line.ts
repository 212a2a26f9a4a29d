/**
 * Who may run under a limit of jobs at once: what the places of a key mean for a job that wants to start (R21), and for
 * those that wait when one has left (R24, R25). Decisions without I/O: where more must be known first, the answer is to
 * read it.
 *
 * Places stand in the order of their tickets, and nobody is let in before another. A place is over when its job has ended
 * or has returned to queued, and is never anything else again. The first `max` places that are not over are the front:
 * their jobs may run. So the number of places before one's own only shrinks, and a job that may start still may later.
 */
import type { Job } from "../job/job.ts";
import { isTerminal } from "../job/states.ts";

/** A place in the line of a key. It counts for one ring of its job: after a retry or a requeue it is over. */
export interface Place {
  readonly ticket: number;
  readonly jobId: string;
  readonly ring: number;
  /** Its job found no room when it came, and its message was completed: it needs a bell. */
  readonly waits: boolean;
}

/** What counts of a job's row; `absent`: there is no row any more. */
export type KnownRow = Pick<Job, "state" | "ring"> | "absent";

/** What is known of rows, read after the line was. Undefined: not read. */
export type Known = (jobId: string) => KnownRow | undefined;

/** The places from the front, as far as they were read. */
export interface LineView {
  readonly max: number;
  /** In the order of their tickets. */
  readonly places: readonly Place[];
  /** There are no more behind these. */
  readonly isWhole: boolean;
}

/** What must be read before a decision can be made, then ask again; `clear`: remove these first, there are many. */
export type Needed =
  | { readonly action: "look"; readonly jobIds: readonly string[] }
  | { readonly action: "read-on" }
  | { readonly action: "clear"; readonly over: readonly Place[] };

export type Standing =
  | Needed
  /** The line is longer than what was read: whether the job has a place in it must be looked up. */
  | { readonly action: "find-own" }
  /** Its place is in the front: it may be claimed. */
  | { readonly action: "pass" }
  /** It has a place, and others go first. */
  | { readonly action: "wait" }
  /** It has no place: give it the next one, on the version of the line that was read (R22). `over`: to be removed with it. */
  | { readonly action: "join"; readonly passes: boolean; readonly over: readonly Place[] };

/** A place and the two keys of it: so many are removed in one transaction, beside a new place and the line's own row. */
export const PLACES_REMOVED_MAX = 40;

export interface Standee {
  readonly jobId: string;
  readonly ring: number;
  /** Its place, where it was looked up; null: it has none. */
  readonly own?: Place | null | undefined;
}

export function decideStanding(line: LineView, { jobId, ring, own }: Standee, known: Known): Standing {
  const mine = line.places.find((place) => place.jobId === jobId && place.ring === ring) ?? own ?? undefined;
  const before = line.places.filter((place) => mine === undefined || place.ticket < mine.ticket);
  const last = line.places.at(-1);
  const isAllBefore = line.isWhole || (mine !== undefined && last !== undefined && last.ticket >= mine.ticket);
  // Of its own places those are over that are of an earlier ring. One of a later ring is not: this row has moved.
  const front = frontOf(before, line.max, (id) => (id === jobId ? { state: "queued", ring } : known(id)));
  if (front.over.length >= PLACES_REMOVED_MAX)
    return { action: "clear", over: front.over.slice(0, PLACES_REMOVED_MAX) };
  const over = front.over;
  if (front.isShort && isAllBefore)
    return mine === undefined ? { action: "join", passes: true, over } : { action: "pass" };
  if (front.unread.length > 0) return { action: "look", jobIds: front.unread };
  if (front.isShort) return { action: "read-on" };
  if (mine !== undefined) return { action: "wait" };
  if (!line.isWhole && own === undefined) return { action: "find-own" };
  return { action: "join", passes: false, over };
}

export type Wake =
  | Needed
  /**
   * In the front, and perhaps without a message: send their bells. Empty: nobody needs one. `readAgain`: one that waited has
   * ended, and the front is short. Another may have joined behind that one since the line was read: if the line has changed,
   * decide anew.
   */
  | { readonly action: "ring"; readonly places: readonly Place[]; readonly readAgain: boolean };

/** R24: what a process does that ended a job with a place, or returned it to queued, or finds that. */
export function decideWake(line: LineView, known: Known): Wake {
  if (line.isWhole && !line.places.some(({ waits }) => waits)) {
    return { action: "ring", places: [], readAgain: false };
  }
  const { alive, over, unread, isShort } = frontOf(line.places, line.max, known);
  if (over.length >= PLACES_REMOVED_MAX) return { action: "clear", over: over.slice(0, PLACES_REMOVED_MAX) };
  if (unread.length > 0) return { action: "look", jobIds: unread };
  if (isShort && !line.isWhole) return { action: "read-on" };
  const places = alive.filter((place) => place.waits && isQueuedAt(place, known(place.jobId)));
  return { action: "ring", places, readAgain: isShort && over.some(({ waits }) => waits) };
}

/** R21: once true, true for ever: rings grow and are never reset, and an ended row moves only by a requeue. */
export const isPlaceOver = ({ ring }: Pick<Place, "ring">, row: KnownRow): boolean =>
  row === "absent" || row.ring > ring || (row.ring === ring && isTerminal(row.state));

const isQueuedAt = ({ ring }: Place, row: KnownRow | undefined): boolean =>
  row !== undefined && row !== "absent" && row.state === "queued" && row.ring === ring;

interface Front {
  /** Places of which it is known that they are not over, `max` at most. */
  readonly alive: readonly Place[];
  readonly over: readonly Place[];
  /** Jobs whose rows have to be read, no more than could fill the front. */
  readonly unread: readonly string[];
  /** There are fewer than `max` that may not be over. */
  readonly isShort: boolean;
}

function frontOf(places: readonly Place[], max: number, known: Known): Front {
  const alive: Place[] = [];
  const over: Place[] = [];
  const unread: string[] = [];
  for (const place of places) {
    if (alive.length + unread.length >= max) break;
    const row = known(place.jobId);
    if (row === undefined) unread.push(place.jobId);
    else if (isPlaceOver(place, row)) over.push(place);
    else alive.push(place);
  }
  return { alive, over, unread, isShort: alive.length + unread.length < max };
}
