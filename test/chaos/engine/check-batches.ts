/** Rules for batches: counted exactly, completed once per generation and not while a job runs. */
import { add, type Counts, isSame, minus } from "./counts.ts";
import type { JobRow } from "./recorded-rows.ts";
import type { BatchChange, History, JobChange } from "./replay.ts";
import { isOfBatch, isTerminal, type RunFacts } from "./run-facts.ts";

const isComplete = (batch: { readonly generation: number; readonly completedGeneration: number }): boolean =>
  batch.completedGeneration === batch.generation;

/** A batch that accepts no more jobs and whose jobs have all ended, but that was not completed. */
export const lostBatches = ({ batches }: History): string[] =>
  [...batches].flatMap(([batchId, batch]) =>
    batch.state === "open" || isComplete(batch)
      ? []
      : [`${batchId} was never completed in generation ${batch.generation}`],
  );

/**
 * Each generation is completed once, while no job runs. No job starts before the batch is open again: a requeued job
 * opens a new generation.
 */
export function doubleCompletions({ changes, batchChanges }: History): string[] {
  const completed = new Set<string>();
  const complete = new Set<string>();
  const running = new Set<string>();
  const wrong: string[] = [];

  const onJob = ({ jobId, before, after }: JobChange): void => {
    if (after.state !== "running") {
      running.delete(jobId);
      return;
    }
    running.add(jobId);
    if (before?.claimId === after.claimId) return;
    const batchId = [...complete].find((id) => isOfBatch(jobId, id));
    if (batchId !== undefined) wrong.push(`${jobId} was started while ${batchId} was complete`);
  };
  const onBatch = (change: BatchChange): void => {
    const { batchId, after, completes } = change;
    if (completes !== undefined) {
      const name = `${batchId} generation ${completes}`;
      if (completed.has(name)) wrong.push(`${name} was completed twice`);
      completed.add(name);
      const still = [...running].find((jobId) => isOfBatch(jobId, batchId));
      if (still !== undefined) wrong.push(`${name} was completed while ${still} was running`);
    }
    if (isComplete(after)) complete.add(batchId);
    else complete.delete(batchId);
  };

  const steps = [
    ...changes.map((change) => ({ order: change.order, apply: () => onJob(change) })),
    ...batchChanges.map((change) => ({ order: change.order, apply: () => onBatch(change) })),
  ].sort((a, b) => a.order - b.order);
  for (const { apply } of steps) apply();
  return wrong;
}

/**
 * A batch is opened again for a job: one that has not ended, has changed since the batch was completed, or was requeued and
 * canceled before the requeue came to the batch (R13).
 */
export function needlessReopenings({ changes, batchChanges }: History): string[] {
  return batchChanges.flatMap(({ batchId, order, before, after }) => {
    if (before === undefined || after.generation === before.generation) return [];
    const completedAt = batchChanges.findLast(
      (one) => one.batchId === batchId && one.order < order && one.completes !== undefined,
    )?.order;
    const rows = new Map<string, JobRow>();
    let hasMoved = false;
    for (const change of changes) {
      if (change.order > order || !isOfBatch(change.jobId, batchId)) continue;
      rows.set(change.jobId, change.after);
      hasMoved ||= completedAt === undefined || change.order > completedAt;
    }
    const isNeeded = hasMoved || [...rows.values()].some(({ state, reopen }) => reopen || !isTerminal(state));
    return isNeeded ? [] : [`${batchId}: generation ${after.generation} was opened without a job`];
  });
}

const LEGAL: Readonly<Record<string, readonly string[]>> = {
  open: ["open", "closed", "canceled"],
  closed: ["closed", "canceled"],
  canceled: ["canceled"],
};

export const illegalBatchChanges = ({ batchChanges }: History): string[] =>
  batchChanges.flatMap((change) => {
    const wrong = wrongWith(change);
    return wrong === undefined ? [] : [`${change.batchId}: ${wrong}`];
  });

function wrongWith({ before, after }: BatchChange): string | undefined {
  if (before === undefined) return undefined;
  if (!(LEGAL[before.state] ?? []).includes(after.state)) return `${before.state} became ${after.state}`;
  if (after.completedGeneration < before.completedGeneration || after.completedGeneration > after.generation) {
    return `generation ${after.completedGeneration} was completed after ${before.completedGeneration}`;
  }
  if (after.generation === before.generation) return undefined;
  return after.generation === before.generation + 1 && isComplete(before)
    ? undefined
    : `generation ${before.generation} became ${after.generation} and was not complete`;
}

/**
 * Every transaction counts exactly the changes it makes. In the end all three ways of counting agree, for each batch.
 */
export function counterMismatch(history: History, { found, counts }: RunFacts): string[] {
  const wrong = history.transactions.flatMap(({ partition, changes, counted }) => {
    const moved = changes.reduce((sum, { before, after }) => add(sum, moveOf(before?.state, after.state)), {});
    return isSame(moved, counted) ? [] : [`${partition}: ${text(moved)} moved, ${text(counted)} were counted`];
  });
  return [...wrong, ...[...counts].flatMap(([batchId, ofBatch]) => wrongTotals(batchId, ofBatch, history, found))];
}

function wrongTotals(
  batchId: string,
  counts: Counts,
  { rows, counters }: History,
  found: RunFacts["found"],
): readonly string[] {
  const sumOf = (all: ReadonlyMap<string, { readonly state: string }>): Counts => {
    let sum: Counts = {};
    for (const [jobId, { state }] of all) if (isOfBatch(jobId, batchId)) sum = add(sum, { [state]: 1 });
    return sum;
  };
  const counted = [...counters].flatMap(([partition, share]) => (isOfBatch(partition, batchId) ? [share] : []));
  const totals: readonly (readonly [name: string, counts: Counts])[] = [
    ["the counter rows", counted.reduce(add, {})],
    ["the system's counts", counts],
    ["the recorded rows", sumOf(rows)],
  ];
  const scanned = sumOf(found);
  return totals.flatMap(([name, total]) =>
    isSame(total, scanned) ? [] : [`${batchId}: ${name} show ${text(total)}, but the tables contain ${text(scanned)}`],
  );
}

const moveOf = (from: string | undefined, to: string): Counts =>
  minus({ [to]: 1 }, from === undefined ? {} : { [from]: 1 });

const text = (counts: Counts): string =>
  Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ") || "none";
