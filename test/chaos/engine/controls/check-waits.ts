/** Rules for jobs that wait: a pause holds them, and nothing else holds them for ever. */
import type { JobRow } from "../recorded-rows.ts";
import type { History, JobChange } from "../replay.ts";
import { CLOCK_SLACK_MS, isStart, type RunFacts } from "../run-facts.ts";
import { groupOf, maxOf } from "./check-limits.ts";
import type { ControlFacts } from "./facts.ts";

/** As docs/limits-and-fairness.md promises: nothing new starts within 3 seconds. A takeover is nothing new. */
const PAUSE_WITHIN_MS = 3_000;

export const startedUnderPause = ({ changes }: History, { pauses }: ControlFacts): string[] =>
  changes
    .filter((change) => change.before?.state === "queued" && isStart(change))
    .filter(({ after, at }) => isPaused(after, pauses, at, PAUSE_WITHIN_MS + CLOCK_SLACK_MS))
    .map(
      ({ jobId, after, at }) =>
        `${jobId} (${after.jobType}) was started at ${new Date(at).toISOString()}, under a pause`,
    );

/** Jobs that could start for long and did not: their time had come, they were not paused, and their key had room. */
export function starved(history: History, facts: ControlFacts, { endedAt }: Pick<RunFacts, "endedAt">): string[] {
  const { limits, pauses } = facts;
  const rows = new Map<string, JobRow>();
  const readySince = new Map<string, number>();
  const wrong: string[] = [];
  const ticks = [
    ...history.changes.map((change) => ({ at: change.at, change })),
    ...pauses.flatMap(({ answeredAt, resumeAskedAt }) => [{ at: answeredAt }, { at: resumeAskedAt }]),
    ...history.changes.flatMap(({ after }) => (after.runAt === undefined ? [] : [{ at: after.runAt }])),
    ...(endedAt === undefined ? [] : [{ at: endedAt }]),
  ].toSorted((a, b) => a.at - b.at);
  for (const { at, change } of ticks as readonly { at: number; change?: JobChange }[]) {
    if (change !== undefined) rows.set(change.jobId, change.after);
    const running = Map.groupBy(
      [...rows.values()].filter(({ state }) => state === "running"),
      (row) => groupOf(limits, row),
    );
    for (const [jobId, row] of rows) {
      const group = groupOf(limits, row);
      const hasRoom = group === undefined || (running.get(group)?.length ?? 0) < maxOf(limits, row);
      const isReady = row.state === "queued" && (row.runAt ?? 0) <= at && hasRoom && !isPaused(row, pauses, at);
      const since = readySince.get(jobId);
      if (since !== undefined && at - since > STARVED_MS) {
        wrong.push(`${jobId} could start and did not for ${Math.round((at - since) / 1_000)} s`);
        readySince.set(jobId, Infinity);
      } else if (!isReady) readySince.delete(jobId);
      else if (since === undefined) readySince.set(jobId, at);
    }
  }
  return wrong;
}

/** A bell that was lost with its sender is found by the sweeper within this time. */
const STARVED_MS = 120_000;

const isPaused = (
  { tenantName, jobType, pool, priority }: JobRow,
  pauses: ControlFacts["pauses"],
  at: number,
  knownAfterMs = 0,
): boolean =>
  pauses.some(({ subject, answeredAt, resumeAskedAt }) => {
    if (at < answeredAt + knownAfterMs || at >= resumeAskedAt) return false;
    switch (subject.kind) {
      case "tenant":
        return subject.tenantName === tenantName;
      case "type":
        return subject.tenantName === tenantName && subject.jobType === jobType;
      case "pool":
        return subject.pool === pool;
      case "queue":
        return subject.pool === pool && subject.priority === priority;
    }
  });
