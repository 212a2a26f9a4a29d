/** Rules for a job's row, write by write. They are written independently of the code under test. */
import type { JobRow } from "./recorded-rows.ts";
import { type History, isInTurn, type JobChange } from "./replay.ts";
import { CLOCK_SLACK_MS, isStart, isTerminal, requestsFor, type RunFacts } from "./run-facts.ts";

/** An accepted job, or one with a row, that has not ended, or whose row differs from the last recorded write. */
export function lostJobs({ rows }: History, { accepted, found }: RunFacts): string[] {
  const jobIds = new Set([...accepted, ...rows.keys(), ...found.keys()]);
  return [...jobIds].flatMap((jobId) => {
    const row = found.get(jobId);
    if (row === undefined) return [`${jobId} has no row`];
    if (!isTerminal(row.state)) return [`${jobId} is still ${row.state}`];
    const last = rows.get(jobId);
    return last?.etag === row.etag ? [] : [`${jobId} differs from its last recorded write`];
  });
}

/** An ended job does not change unless a caller requeues it. One request requeues it at most once. */
export function doubleTerminal({ changes }: History, { commands }: RunFacts): string[] {
  const requeued = new Map<string, number>();
  return changes.flatMap(({ at, jobId, before, after }) => {
    if (!isTerminal(before?.state)) return [];
    if (after.state !== "queued") return [`${jobId} had ended as ${before?.state ?? ""} and became ${after.state}`];
    const count = (requeued.get(jobId) ?? 0) + 1;
    requeued.set(jobId, count);
    const requested = requestsFor(commands, "requeue", { jobId, at });
    return count <= requested
      ? []
      : [`${jobId} had ended and was queued ${count} times, but requested ${requested} times`];
  });
}

/**
 * A write that was made on another version of the row, or that ends an execution that no longer owns the job: its
 * worker should have been fenced off.
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
    const wrong = wrongWith(change) ?? unwanted(change, facts) ?? wrongTime(change, facts);
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

/** Like a new job, but with the next ring, and with a note that the claim may have to reopen the batch. */
function wrongWithRequeue(before: JobRow, after: JobRow): string | undefined {
  if (after.ring !== before.ring + 1) return `it was requeued from ring ${before.ring} to ${after.ring}`;
  if (after.attempts + after.interruptions > 0) return "it was requeued with counts from before";
  if (after.cancelWanted || after.claimId !== "") return "it was requeued with a claim or a cancel from before";
  return after.reopen ? undefined : "it was requeued without a note to reopen its batch";
}

const isRecorded = (before: JobRow, after: JobRow): boolean =>
  after.attempts + after.interruptions > before.attempts + before.interruptions;

function wrongAfterRunning(before: JobRow, after: JobRow): string | undefined {
  // R8: every exit honours a cancel in the row, unless the job succeeded first.
  if (before.cancelWanted) {
    if (after.state === "failed" || after.state === "queued")
      return `its cancel was requested and it became ${after.state}`;
    if (after.state === "running" && !after.cancelWanted) return "the request to cancel it was lost";
    if (after.state === "running" && after.claimId !== before.claimId)
      return "its cancel was requested and it was started";
  }
  if (after.state === "canceled" && !before.cancelWanted) return "it was canceled without a cancel in its row";
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

/** R35: no job starts before its time, and only a caller changes it. A dead letter hands a queued job back (step 12). */
function wrongTime(change: JobChange, { commands }: RunFacts): string | undefined {
  const { at, jobId, before, after } = change;
  if (before?.state !== "queued") return undefined;
  if (isStart(change) && before.runAt !== undefined && before.runAt > at + CLOCK_SLACK_MS)
    return `it was started ${before.runAt - at} ms before its time`;
  if (after.state !== "queued" || isRecorded(before, after) || after.ring === before.ring) return undefined;
  if (after.ring !== before.ring + 1) return `ring ${before.ring} became ${after.ring} by a reschedule`;
  return requestsFor(commands, "reschedule", { jobId, at }) > 0 ? undefined : "it was rescheduled without a request";
}

/** No job is canceled, or marked to be canceled, without a request. */
function unwanted({ at, jobId, before, after }: JobChange, { commands }: RunFacts): string | undefined {
  const isCanceled = after.state === "canceled" && before?.state !== "canceled";
  const isWanted = after.cancelWanted && before?.cancelWanted !== true;
  if (!isCanceled && !isWanted) return undefined;
  return requestsFor(commands, "cancel", { jobId, at }) > 0 ? undefined : "it was canceled without a request";
}
