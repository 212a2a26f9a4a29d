/**
 * Lists the jobs of a tenant across its batches, newest first. The index says where to look. The row of each job is read,
 * so that a page shows no job that does not fit any more. Entries that have been stale for a while are put right.
 */
import type { Clock } from "../../core/clock.ts";
import { InvalidRequestError, invalidField } from "../../core/errors.ts";
import { newestFirstKey, parseJobId } from "../../core/job/ids.ts";
import { type IndexSearch, type JobFilter, matches, searchFor } from "../../core/job/job-filter.ts";
import type { Job } from "../../core/job/job.ts";
import { FIND_ENTRIES_MAX_COUNT } from "../../core/limits.ts";
import type { IndexEntry, IndexPlace, JobIndex } from "../../core/ports/job-index.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Page, PageRequest, Stored } from "../../core/ports/stored.ts";
import { sleep } from "../../core/sleep.ts";
import type { JobIndexer } from "../../lifecycle/job-indexer.ts";

export interface FindJobsDeps {
  readonly index: Pick<JobIndex, "read" | "removeFrom">;
  readonly jobs: Pick<JobStore, "get">;
  readonly indexer: Pick<JobIndexer, "note" | "flush">;
  readonly now: Clock["now"];
}

export interface FoundPage {
  readonly items: readonly Stored<Job>[];
  /** Jobs that were looked at. */
  readonly examined: number;
  /** Where the next page goes on. Undefined: there is none. */
  readonly position: string | undefined;
}

/**
 * A page may have fewer items than were asked for, and another one may follow: a call looks at FIND_ENTRIES_MAX_COUNT
 * entries at most. Throws UnavailableError.
 */
export type FindJobs = (
  filter: JobFilter,
  request: { readonly pageSize: number; readonly after: string | undefined },
  signal?: AbortSignal,
) => Promise<FoundPage>;

/** An entry that does not fit the row may just be late. */
const STALE_AFTER_MS = 60_000;
/** What this instance has written itself is in its lists, unless that takes longer. */
const OWN_CHANGES_MAX_MS = 500;
/** Rows read at the same time. */
const READ_AT_ONCE = 100;
/** The last places of a page are not looked for one by one. */
const READ_MIN = 20;

interface Candidate extends IndexEntry {
  readonly places: readonly IndexPlace[];
}

export function createFindJobs({ index, jobs, indexer, now }: FindJobsDeps): FindJobs {
  /** The next candidates, and whether there are no more behind them. */
  async function candidates(
    { places, range }: IndexSearch,
    after: string | undefined,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly found: readonly Candidate[]; readonly isLast: boolean }> {
    const lists: { readonly place: IndexPlace; readonly entries: readonly IndexEntry[] }[] = [];
    // One after the other, in the order of the places.
    for (const place of places)
      lists.push({ place, entries: await index.read(place, { ...range, after, limit }, signal) });
    // Behind the end of a full list there may be more of it.
    const ends = lists.flatMap(({ entries }) => (entries.length < limit ? [] : (entries.at(-1)?.position ?? [])));
    const end = ends.toSorted()[0];
    const merged = new Map<string, Candidate>();
    for (const { place, entries } of lists) {
      for (const entry of entries) {
        if (end !== undefined && entry.position > end) continue;
        merged.set(entry.position, { ...entry, places: [...(merged.get(entry.position)?.places ?? []), place] });
      }
    }
    const found = [...merged.values()].toSorted((a, b) => (a.position < b.position ? -1 : 1));
    return { found: found.slice(0, limit), isLast: end === undefined && found.length <= limit };
  }

  async function putRight({ jobId, places }: Candidate, job: Job | undefined): Promise<void> {
    if (job !== undefined && now().getTime() - lastChangeOf(job).getTime() < STALE_AFTER_MS) return;
    for (const place of places) {
      if (job === undefined || ("tag" in place && !(job.tags ?? []).includes(place.tag))) {
        await index.removeFrom(place, [jobId]);
      } else if ("state" in place && place.state !== job.state) {
        const { state: to, runAt, jobType, tags } = job;
        indexer.note({ jobId, facts: { jobType, tags }, from: place.state, to, runAt });
      }
    }
  }

  return async (filter, { pageSize, after }, signal) => {
    await ownChanges(indexer);
    const at = now();
    const search = searchFor(filter, at);
    const items: Stored<Job>[] = [];
    let position = after;
    for (let examined = 0; ;) {
      const limit = Math.min(Math.max(pageSize - items.length, READ_MIN), READ_AT_ONCE);
      const { found, isLast } = await candidates(search, position, limit, signal);
      const rows = await Promise.all(found.map(({ jobId }) => jobs.get(jobId)));
      for (const [number, candidate] of found.entries()) {
        if (items.length === pageSize) return { items, examined, position };
        const row = rows[number];
        if (row !== undefined && matches(row.value, filter, at)) items.push(row);
        await putRight(candidate, row?.value);
        ({ position } = candidate);
        examined += 1;
      }
      if (isLast) return { items, examined, position: undefined };
      const isEnough = items.length === pageSize || examined >= FIND_ENTRIES_MAX_COUNT;
      if (isEnough || signal?.aborted === true) return { items, examined, position };
    }
  };
}

/** Waits until what this instance has changed is in the index, but not long. */
export async function ownChanges(indexer: Pick<JobIndexer, "flush">): Promise<void> {
  const noted = new AbortController();
  await Promise.race([indexer.flush(), sleep(OWN_CHANGES_MAX_MS, noted.signal)]);
  noted.abort();
}

const lastChangeOf = ({ submittedAt, startedAt, endedAt }: Job): Date => endedAt ?? startedAt ?? submittedAt;

/** Throws InvalidRequestError for delayed jobs in other states than `queued`. */
export function assertDelayed(
  { delayed, state = "queued" }: Pick<JobFilter, "delayed" | "state">,
  target: string,
): void {
  const others = [state].flat().filter((one) => one !== "queued");
  if (delayed && others.length > 0)
    throw invalidField(target, `must not be given together with state ${others.join(", ")}`);
}

/** As other lists, with tokens that are checked. Throws InvalidRequestError. */
export async function findPage(
  find: FindJobs,
  filter: JobFilter,
  { pageSize, continuationToken }: PageRequest,
  signal?: AbortSignal,
): Promise<Page<Job>> {
  const after = continuationToken === undefined ? undefined : positionIn(continuationToken, filter.tenantName);
  const { items, position } = await find(filter, { pageSize, after }, signal);
  return {
    items: items.map(({ value }) => value),
    continuationToken: position === undefined ? undefined : Buffer.from(position).toString("base64url"),
  };
}

function positionIn(token: string, tenantName: string): string {
  const position = Buffer.from(token, "base64url").toString();
  const jobId = position.slice(position.indexOf(".") + 1);
  const isOurs = parseJobId(jobId)?.tenantName === tenantName && newestFirstKey(jobId) === position;
  if (isOurs && Buffer.from(position).toString("base64url") === token) return position;
  throw new InvalidRequestError("InvalidRequest", "The continuation token does not belong to this list.", {
    details: [{ target: "continuationToken", message: "must be the token of a page of the same list" }],
  });
}
