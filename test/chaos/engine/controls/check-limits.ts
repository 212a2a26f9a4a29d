/** Rules for jobs at once, from rows, lines and the notes of the jobs. They are written independently of the code under test. */
import type { JobRow } from "../recorded-rows.ts";
import type { History, JobChange } from "../replay.ts";
import { isStart, isTerminal } from "../run-facts.ts";
import type { ControlFacts } from "./facts.ts";
import type { PlaceChange } from "./replay-lines.ts";
import type { Note } from "./workload.ts";

type Limits = ControlFacts["limits"];

export const maxOf = (limits: Limits, { jobType }: Pick<JobRow, "jobType">): number =>
  limits[jobType]?.concurrency?.max ?? Infinity;

/** Under one limit: a tenant's jobs of a type, with one key. Undefined: no limit holds for the job. */
export const groupOf = (limits: Limits, { tenantName, jobType, concurrencyKey }: JobRow): string | undefined =>
  limits[jobType]?.concurrency === undefined ? undefined : `${tenantName} ${jobType} ${concurrencyKey}`;

/** More rows of a key running at once than may, at any write. */
export function overLimit({ changes }: History, { limits }: ControlFacts): string[] {
  const running = new Map<string, Set<string>>();
  return changes.flatMap(({ jobId, after }) => {
    const group = groupOf(limits, after);
    if (group === undefined) return [];
    const jobs = running.get(group) ?? new Set();
    running.set(group, jobs);
    const before = jobs.size;
    if (after.state === "running") jobs.add(jobId);
    else jobs.delete(jobId);
    const isOver = jobs.size > before && jobs.size > maxOf(limits, after);
    return isOver ? [`${jobId}: with it ${jobs.size} jobs of ${group} run at once`] : [];
  });
}

/** More attempts of a key alive at once than may, by their own notes: a killed one is alive until its last note. */
export function overlaps({ rows }: History, { limits, notes }: ControlFacts): string[] {
  const attempts = [...Map.groupBy(notes, ({ jobId, claimId }) => `${jobId} ${claimId}`).values()].flatMap(spanOf);
  const byGroup = Map.groupBy(attempts, ({ jobId }) => {
    const row = rows.get(jobId);
    return row && groupOf(limits, row);
  });
  return [...byGroup].flatMap(([group, ofGroup]) => {
    if (group === undefined) return [];
    return ofGroup.flatMap(({ jobId, from }) => {
      const alive = ofGroup.filter((other) => other.from <= from && other.until > from);
      const max = maxOf(limits, rows.get(jobId)!);
      return alive.length > max ? [`${jobId}: with it ${alive.length} attempts of ${group} were alive at once`] : [];
    });
  });
}

interface Span {
  readonly jobId: string;
  readonly from: number;
  readonly until: number;
}

function spanOf(notes: readonly Note[]): readonly Span[] {
  const [first] = notes;
  if (first === undefined) return [];
  const times = notes.map(({ at }) => at);
  return [{ jobId: first.jobId, from: Math.min(...times), until: Math.max(...times) }];
}

/**
 * Jobs of a key start in the order of their places: when one starts, it has a place at its ring, and before that are fewer
 * places of jobs that neither ended at their ring nor left it than may run at once.
 */
export function brokenOrder({ changes }: History, { limits, lines }: ControlFacts): string[] {
  const rows = new Map<string, JobRow>();
  const places = new Map<string, Map<number, NonNullable<PlaceChange["of"]>>>();
  const wrong: string[] = [];
  const isOver = ({ jobId, ring }: NonNullable<PlaceChange["of"]>): boolean => {
    const row = rows.get(jobId);
    return row === undefined || row.ring > ring || (row.ring === ring && isTerminal(row.state));
  };

  const onPlace = ({ line, ticket, of }: PlaceChange): void => {
    const ofLine = places.get(line) ?? new Map<number, NonNullable<PlaceChange["of"]>>();
    places.set(line, ofLine);
    if (of === undefined) ofLine.delete(ticket);
    else ofLine.set(ticket, of);
  };
  const onJob = (change: JobChange): void => {
    const { jobId, before, after } = change;
    rows.set(jobId, after);
    if (groupOf(limits, after) === undefined || before?.state !== "queued" || !isStart(change)) return;
    const found = [...places.values()].flatMap((ofLine) => {
      const own = [...ofLine].find(([, of]) => of.jobId === jobId && of.ring === after.ring);
      return own === undefined ? [] : [{ ofLine, ticket: own[0] }];
    })[0];
    if (found === undefined) {
      wrong.push(`${jobId} was started without a place at ring ${after.ring}`);
      return;
    }
    const first = [...found.ofLine].filter(([ticket, of]) => ticket < found.ticket && !isOver(of));
    if (first.length < maxOf(limits, after)) return;
    wrong.push(`${jobId} was started before ${first.map(([, of]) => of.jobId).join(", ")}`);
  };

  const steps = [
    ...changes.map((change) => ({ order: change.order, apply: () => onJob(change) })),
    ...lines.places.map((change) => ({ order: change.order, apply: () => onPlace(change) })),
  ].sort((a, b) => a.order - b.order);
  for (const { apply } of steps) apply();
  return wrong;
}
