/**
 * Counts a tenant's jobs by the index, without a read of their rows: at most a few requests for each state, however many jobs
 * there are. An entry can be a few seconds late.
 */
import type { Clock } from "../../core/clock.ts";
import type { OverviewView } from "../../core/http/overview-api.ts";
import { jobTime } from "../../core/job/ids.ts";
import type { JobState } from "../../core/job/states.ts";
import {
  OVERVIEW_ENTRIES_MAX_COUNT,
  OVERVIEW_HOURS,
  OVERVIEW_KNOWN_FOR_MS,
  OVERVIEW_SPANS,
} from "../../core/limits.ts";
import type { IndexEntry, JobIndex } from "../../core/ports/job-index.ts";
import type { JobIndexer } from "../../lifecycle/job-indexer.ts";
import { ownChanges } from "./find-jobs.ts";

export interface OverviewDeps {
  readonly index: Pick<JobIndex, "read">;
  readonly indexer: Pick<JobIndexer, "flush">;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
}

/** Throws UnavailableError. */
export type ReadOverview = (tenantName: string) => Promise<Counted>;

type Counted = Omit<OverviewView, "pauses">;

const HOUR_MS = 60 * 60_000;
const SPAN_MS = (OVERVIEW_HOURS * HOUR_MS) / OVERVIEW_SPANS;

export function createReadOverview({ index, indexer, now, monotonicNow }: OverviewDeps): ReadOverview {
  const known = new Map<string, { readonly at: number; readonly overview: Promise<Counted> }>();

  async function count(tenantName: string): Promise<Counted> {
    await ownChanges(indexer);
    const at = now();
    // The same for ten minutes, so that the bars of a chart stand still.
    const until = new Date(Math.ceil(at.getTime() / SPAN_MS) * SPAN_MS);
    const since = new Date(until.getTime() - OVERVIEW_SPANS * SPAN_MS);
    const read = (state: JobState, from?: Date): Promise<readonly IndexEntry[]> =>
      index.read({ tenantName, state }, { since: from, limit: OVERVIEW_ENTRIES_MAX_COUNT });
    const [queued, running, failed, succeeded] = await Promise.all([
      read("queued"),
      read("running"),
      read("failed"),
      read("succeeded", since),
    ]);
    const waiting = queued.filter(({ runAt }) => runAt === undefined || runAt <= at);
    const oldest = isAll(queued)
      ? waiting.map(({ jobId, runAt }) => runAt ?? jobTime(jobId)).toSorted(byTime)[0]
      : undefined;
    return {
      tenantName,
      waiting: { count: waiting.length, isMore: !isAll(queued) },
      delayed: { count: queued.length - waiting.length, isMore: !isAll(queued) },
      running: { count: running.length, isMore: !isAll(running) },
      failed: { count: failed.length, isMore: !isAll(failed) },
      ...(oldest && { oldestWaitingAt: oldest.toISOString() }),
      course: courseOf({ succeeded, failed }, since, until),
    };
  }

  return (tenantName) => {
    const last = known.get(tenantName);
    if (last !== undefined && monotonicNow() - last.at < OVERVIEW_KNOWN_FOR_MS) return last.overview;
    const overview = count(tenantName);
    known.set(tenantName, { at: monotonicNow(), overview });
    // The next caller tries again.
    overview.catch(() => known.delete(tenantName));
    return overview;
  };
}

const isAll = (entries: readonly IndexEntry[]): boolean => entries.length < OVERVIEW_ENTRIES_MAX_COUNT;
const byTime = (a: Date, b: Date): number => a.getTime() - b.getTime();

/** Of the time that all entries are known of: the whole of it, or what the newest ones reach back to. */
function courseOf(
  ended: Readonly<Record<"succeeded" | "failed", readonly IndexEntry[]>>,
  since: Date,
  until: Date,
): OverviewView["course"] {
  const reached = Object.values(ended).flatMap((entries) => {
    const last = entries.at(-1);
    return last === undefined || isAll(entries) ? [] : [jobTime(last.jobId).getTime()];
  });
  const from = Math.max(since.getTime(), ...reached);
  const spanMs = Math.max(1, (until.getTime() - from) / OVERVIEW_SPANS);
  const spans = Array.from({ length: OVERVIEW_SPANS }, () => ({ succeeded: 0, failed: 0 }));
  for (const state of ["succeeded", "failed"] as const) {
    for (const { jobId } of ended[state]) {
      const place = Math.floor((jobTime(jobId).getTime() - from) / spanMs);
      const span = spans[Math.min(place, OVERVIEW_SPANS - 1)];
      if (span !== undefined) span[state] += 1;
    }
  }
  return { since: new Date(from).toISOString(), spanMs, spans };
}
