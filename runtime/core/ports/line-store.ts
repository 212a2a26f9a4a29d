/** Lines of jobs under a limit, as rows: one row that says where a line ends, and one for each place in it. */
import type { Place } from "../admission/line.ts";
import type { LineHead, LineName } from "../admission/limit.ts";
import type { OnUnreadable, Stored } from "./stored.ts";

export interface LinePage {
  /** Undefined: nobody has joined yet. */
  readonly head: Stored<LineHead> | undefined;
  /** The first ones, in the order of their tickets. */
  readonly places: readonly Place[];
  readonly isWhole: boolean;
}

export interface LineWrite {
  readonly head: LineHead;
  /** Of the head that was read; undefined: there was none. */
  readonly etag: string | undefined;
  /** A place that is added with it, and those that are removed. */
  readonly join?: Place | undefined;
  readonly remove?: readonly Place[] | undefined;
}

export interface FoundLine {
  readonly name: LineName;
  readonly head: Stored<LineHead>;
}

export interface LineStore {
  /** The line's row and up to `maxCount` places. What is in it was there together. Throws UnavailableError. */
  read(line: LineName, maxCount: number): Promise<LinePage>;
  /** The place of a job's ring. Throws UnavailableError. */
  placeOf(line: LineName, jobId: string, ring: number): Promise<Place | undefined>;
  /**
   * One transaction, on the version of the line's row. False: it was refused, or its fate is unknown: read again. Throws
   * InvariantError if it can never be written.
   */
  write(line: LineName, write: LineWrite): Promise<boolean>;
  /** Removes places. Some may be gone already, or stay. */
  remove(line: LineName, places: readonly Place[]): Promise<void>;
  /** Lines of all tenants, up to so many at a time. Undefined token: there are no more behind these. */
  find(
    maxCount: number,
    continuationToken: string | undefined,
    onUnreadable?: OnUnreadable,
  ): Promise<{ readonly lines: readonly FoundLine[]; readonly continuationToken: string | undefined }>;
  /** Removes this version of the line's row. False: it has another one, or is gone. */
  removeHead(line: LineName, etag: string): Promise<boolean>;
}
