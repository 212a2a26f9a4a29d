/** What may become of a job's row, write by write: written down again, on purpose, and not read from the code under test. */
import type { JobRow } from "./recorded-rows.ts";
import { type History, isInTurn, type JobChange } from "./replay.ts";
import { isTerminal, requestsFor, type RunFacts } from "./run-facts.ts";

/** A job that was accepted, or that has a row, and has not ended; or whose row is not what was last written. */
export function lostJobs({ rows }: History, { accepted, found }: RunFacts): string[] {
  const jobIds = new Set([...accepted, ...rows.keys(), ...found.keys()]);
  return [...jobIds].flatMap((jobId) => {
    const row = found.get(jobId);
    if (row === undefined) return [`${jobId} has no row`];
    if (!isTerminal(row.state)) return [`${jobId} is still ${row.state}`];
    const last = rows.get(jobId);
    return last?.etag === row.etag ? [] : [`${jobId} is not as its last recorded write left it`];
  });
}

/** A job that has ended stays as it is, unless somebody requeues it; one request requeues it once at most. */
export function doubleTerminal({ changes }: History, { commands }: RunFacts): string[] {
  const requeued = new Map<string, number>();
  return changes.flatMap(({ at, jobId, before, after }) => {
    if (!isTerminal(before?.state)) return [];
    if (after.state !== "queued") return [`${jobId} had ended as ${before?.state ?? ""} and became ${after.state}`];
    const count = (requeued.get(jobId) ?? 0) + 1;
    requeued.set(jobId, count);
    const asked = requestsFor(commands, "requeue", { jobId, at });
    return count <= asked ? [] : [`${jobId} had ended and was queued ${count} times, asked for ${asked} times`];
  });
}

/**
 * A write that was not made on the row as it was; or one that ends a start which no longer holds the job: its worker
 * should have been fenced off.
 */
export const staleWrites = ({ changes, transactions, batchChanges }: History): string[] => [
  ...changes.flatMap((change) => {
    const { jobId, before, write, starts } = change;
    if (!isInTurn(write, before?.etag)) return [`${jobId}: a ${write.kind} was accepted on another version of the row`];
    const foreign = starts.filter(({ outcome, claimId }) => outcome !== undefined && claimId !== before?.claimId);
    return foreign.map(({ claimId }) => `${jobId}: the end of ${claimId} was written, ${before?.claimId ?? ""} had it`);
  }),
  ...transactions.flatMap(({ partition, staleCounters }) =>
    staleCounters === 0 ? [] : [`${partition}: a counter was written on another version`],
  ),
  ...batchChanges.flatMap(({ batchId, before, write }) =>
    isInTurn(write, before?.etag) ? [] : [`${batchId}: a ${write.kind} was accepted on another version of the row`],
  ),
];

const LEGAL: Readonly<Record<string, readonly string[]>> = {
  "": ["queued"],
  queued: ["running", "canceled", "failed", "queued"],
  running: ["running", "succeeded", "failed", "canceled", "queued"],
  succeeded: ["queued"],
  failed: ["queued"],
  canceled: ["queued"],
};

export const illegalTransitions = ({ changes }: History, facts: RunFacts): string[] =>
  changes.flatMap((change) => {
    const wrong = wrongWith(change) ?? unwanted(change, facts);
    return wrong === undefined ? [] : [`${change.jobId}: ${wrong}`];
  });

function wrongWith({ before, after }: JobChange): string | undefined {
  const from = before?.state ?? "";
  if (!(LEGAL[from] ?? []).includes(after.state)) return `${from || "nothing"} became ${after.state}`;
  if (before === undefined) return after.ring === 1 ? undefined : `it began at ring ${after.ring}`;
  if (after.executions < before.executions) return "a start was forgotten";
  if (isTerminal(from)) return wrongWithRequeue(before, after);
  if (after.attempts < before.attempts) return "a failure was forgotten";
  if (after.interruptions < before.interruptions) return "an interruption was forgotten";
  return (from === "running" ? wrongAfterRunning(before, after) : undefined) ?? wrongWithStart(before, after);
}

/** As new, but under the next ring, and with a note for whoever claims it that its batch may have to be reopened. */
function wrongWithRequeue(before: JobRow, after: JobRow): string | undefined {
  if (after.ring !== before.ring + 1) return `it was requeued from ring ${before.ring} to ${after.ring}`;
  if (after.attempts + after.interruptions > 0) return "it was requeued with counts of its earlier life";
  if (after.cancelWanted || after.claimId !== "") return "it was requeued with a claim or a cancel of its earlier life";
  return after.reopen ? undefined : "it was requeued without a note to reopen its batch";
}

const isRecorded = (before: JobRow, after: JobRow): boolean =>
  after.attempts + after.interruptions > before.attempts + before.interruptions;

function wrongAfterRunning(before: JobRow, after: JobRow): string | undefined {
  // R8: a cancel that is on the row is honoured on every way out, unless the job succeeded first.
  if (before.cancelWanted) {
    if (after.state === "failed" || after.state === "queued") return `it was to be canceled and became ${after.state}`;
    if (after.state === "running" && !after.cancelWanted) return "the wish to cancel it was forgotten";
    if (after.state === "running" && after.claimId !== before.claimId) return "it was to be canceled and was started";
  }
  if (after.state === "canceled" && !before.cancelWanted) return "it was canceled while its row did not say so";
  if (after.state !== "queued") return undefined;
  if (after.ring !== before.ring + 1) return `ring ${before.ring} became ${after.ring} on its way back to queued`;
  return isRecorded(before, after) ? undefined : "it went back to queued without a reason";
}

function wrongWithStart(before: JobRow, after: JobRow): string | undefined {
  if (after.state !== "running" || after.claimId === before.claimId) return undefined;
  if (after.executions !== before.executions + 1) return "a start was not counted";
  if (before.state !== "running" || isRecorded(before, after)) return undefined;
  return "it was taken over without a recorded interruption";
}

/** Nobody is canceled, and nobody is to be, whom nobody has asked to cancel. */
function unwanted({ at, jobId, before, after }: JobChange, { commands }: RunFacts): string | undefined {
  const isCanceled = after.state === "canceled" && before?.state !== "canceled";
  const isWanted = after.cancelWanted && before?.cancelWanted !== true;
  if (!isCanceled && !isWanted) return undefined;
  return requestsFor(commands, "cancel", { jobId, at }) > 0
    ? undefined
    : "it was canceled, and nobody had asked for it";
}
