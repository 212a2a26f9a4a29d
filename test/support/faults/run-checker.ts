/** Judges a run that is over: the invariants of ARCHITECTURE.md, each from the record of what landed. */
import type { Job } from "../../../runtime/core/job/job.ts";
import { isTimerBatch } from "../../../runtime/core/job/ids.ts";
import { subjectOf } from "../../../runtime/core/job/message.ts";
import type { PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import {
  addCounts,
  countChange,
  isTransitionAllowed,
  isTerminal,
  NO_COUNTS,
  TERMINAL_STATES,
  type StateCounts,
} from "../../../runtime/core/job/states.ts";
import type { Ends } from "./fault-scenarios.ts";
import type { Execution, RunRecord, Version } from "./run-record.ts";

export interface RunFacts {
  readonly record: Pick<
    RunRecord,
    "jobIds" | "batchIds" | "executions" | "jobVersions" | "batchVersions" | "strayVersions"
  >;
  /** Jobs whose submit was answered. The others may end in any way. */
  readonly accepted: ReadonlySet<string>;
  /** By job type. */
  readonly ends: Readonly<Record<string, Ends>>;
  /** A fault canceled jobs, beside the scenario. */
  readonly mayBeCanceled: boolean;
  /** The rows as the store has them. */
  readonly stored: ReadonlyMap<string, { readonly value: Job; readonly etag: string }>;
  /** The counters of a batch as the store sums them. */
  readonly counts: ReadonlyMap<string, StateCounts>;
  readonly messages: readonly PeekedMessage[];
  readonly letters: readonly PeekedMessage[];
}

/** What does not hold, one line each. */
export function violationsOf(facts: RunFacts): readonly string[] {
  const { record } = facts;
  return [
    ...record
      .strayVersions()
      .map(({ basedOn, by }) => `I2: ${by} wrote on ${String(basedOn)}, which was not the latest`),
    ...record.jobIds.flatMap((jobId) => {
      const versions = record.jobVersions(jobId);
      const executions = record.executions.filter((one) => one.jobId === jobId);
      const of = (found: readonly string[]): string[] => found.map((text) => `${text} (${jobId}: ${story(versions)})`);
      return of([
        ...endViolations(versions, executions, facts),
        ...executionViolations(versions, executions),
        ...transitionViolations(versions, executions),
      ]);
    }),
    ...record.batchIds.flatMap((batchId) => batchViolations(batchId, facts)),
    ...record.batchIds.filter(isTimerBatch).flatMap((batchId) => timerViolations(batchId, facts)),
    ...[...facts.accepted].filter((id) => !record.jobIds.includes(id)).map((id) => `I1: ${id} has no row`),
    ...messageViolations(facts),
  ];
}

const story = (versions: readonly Version<Job>[]): string =>
  versions.map(({ row, by }) => `${by} ${row.state}/${row.ring}/${row.attempts}/${row.interruptions}`).join(" → ");

const ANY_END: Ends = { states: TERMINAL_STATES, attempts: [0, 1, 2] };

/** I1: it has ended, as it may, with what the execution of its claim came to. I9: attempts are the job's own failures. */
function endViolations(
  versions: readonly Version<Job>[],
  executions: readonly Execution[],
  { accepted, ends, mayBeCanceled, stored }: RunFacts,
): string[] {
  const last = versions.at(-1);
  if (last === undefined) return ["I1: the row was never inserted"];
  const { row, etag } = last;
  const found: string[] = [];
  if (stored.get(row.jobId)?.etag !== etag) found.push("I2: the stored row is not what the writes made of it");
  const allowed = accepted.has(row.jobId) ? ends[row.jobType] : ANY_END;
  if (!isTerminal(row.state)) return [...found, `I1: it is ${row.state}`];
  const asCanceled = mayBeCanceled && row.state === "canceled";
  if (allowed === undefined || (!allowed.states.includes(row.state) && !asCanceled)) found.push(`I1: it ${row.state}`);
  const attempts = row.attempts;
  if (!asCanceled && allowed?.attempts.includes(attempts) === false) found.push(`I9: ${attempts} attempts count`);
  if (row.state === "succeeded") {
    const result = executions.find(({ claimId }) => claimId === row.claim?.id)?.result;
    if (result?.kind !== "succeeded" || result.output !== row.output) found.push("I2: its output is of another claim");
  }
  const ownFailures = executions.filter(({ result }) => result?.kind === "failed").length;
  const counted = versions.filter(({ row: { attempts: now } }, i) => now > (versions[i - 1]?.row.attempts ?? 0)).length;
  if (counted > ownFailures) found.push(`I9: ${counted} attempts were counted and ${ownFailures} executions failed`);
  return found;
}

/** I2: no two at a time. I3: each under a claim of its own, after something that is on record. */
function executionViolations(versions: readonly Version<Job>[], executions: readonly Execution[]): string[] {
  const found: string[] = [];
  const byStart = [...executions].sort((a, b) => a.startedAt - b.startedAt);
  byStart.forEach((execution, i) => {
    const before = byStart[i - 1];
    if (before !== undefined && execution.startedAt < (before.endedAt ?? Infinity))
      found.push("I2: executions overlap");
    if (execution.endedAt === undefined) found.push("I2: an execution never ended");
    if (!versions.some(({ row }) => row.claim?.id === execution.claimId)) found.push("I3: it ran without a claim");
    if (byStart.filter(({ claimId }) => claimId === execution.claimId).length > 1) found.push("I3: it ran twice");
  });
  versions.forEach(({ row }, i) => {
    const before = versions[i - 1]?.row;
    if (row.state !== "running" || before === undefined || before.claim?.id === row.claim?.id) return;
    if (before.state === "running" && row.interruptions !== before.interruptions + 1) {
      found.push("I3: a takeover recorded no interruption");
    }
    if (row.executions !== before.executions + 1) found.push("I3: a start was not counted");
  });
  return found;
}

/** I4: legal transitions, and what belongs to each. */
function transitionViolations(versions: readonly Version<Job>[], executions: readonly Execution[]): string[] {
  const found: string[] = [];
  versions.forEach(({ row, by }, i) => {
    const before = versions[i - 1]?.row;
    if (before === undefined) return;
    const step = `${by} ${before.state} → ${row.state}`;
    if (!isTransitionAllowed(before.state, row.state)) found.push(`I4: ${step}`);
    const returned = row.state === "queued" && before.state !== "queued";
    if (row.ring !== before.ring + (returned ? 1 : 0))
      found.push(`R1: ${step} from ring ${before.ring} to ${row.ring}`);
    if (isTerminal(before.state) && (row.attempts !== 0 || row.interruptions !== 0)) found.push(`R13: ${step}`);
    if (before.state !== "running" || !returned) return;
    const recorded = row.attempts + row.interruptions - before.attempts - before.interruptions;
    if (recorded !== 1) found.push(`I3: ${step} recorded ${recorded} reasons`);
    if (before.cancelWanted) found.push(`R8: ${step} although a cancel was wanted`);
    const running = executions.some(({ claimId, endedAt }) => claimId === before.claim?.id && endedAt === undefined);
    if (running) found.push(`I2: ${step} while it runs`);
  });
  return found;
}

/** I5: counters are the members' states; a batch is completed once per generation, and only when all have ended. */
function batchViolations(batchId: string, { record, counts, stored }: RunFacts): string[] {
  const found: string[] = [];
  const members = record.jobIds
    .map((jobId) => record.jobVersions(jobId))
    .filter(([first]) => first?.row.batchId === batchId);
  const rows = [...stored.values()].filter(({ value }) => value.batchId === batchId);
  const scanned = rows.reduce((sum, { value }) => addCounts(sum, countChange(undefined, value.state)), NO_COUNTS);
  const counted = counts.get(batchId);
  if (JSON.stringify(counted) !== JSON.stringify(scanned)) {
    found.push(`I5: counters say ${JSON.stringify(counted)}, rows ${JSON.stringify(scanned)}`);
  }
  const versions = record.batchVersions(batchId);
  let opened = 0;
  versions.forEach(({ row, at }, i) => {
    const before = versions[i - 1];
    if (before === undefined) return;
    if (row.generation > before.row.generation) opened++;
    if (row.completedGeneration === before.row.completedGeneration) return;
    if (row.completedGeneration !== row.generation) found.push(`I5: generation ${row.completedGeneration} was over`);
    if (!wereAllEnded(members, before.at, at)) found.push(`I5: generation ${row.generation} was not over`);
  });
  const last = versions.at(-1)?.row;
  if (last === undefined) return [...found, "I5: the batch was never created"];
  const { state, generation, completedGeneration } = last;
  if (state !== "open" && completedGeneration !== generation) found.push("I5: the batch is not complete");
  const returns = members
    .flat()
    .filter(({ row }, i, all) => row.state === "queued" && row.reopen && all[i - 1]?.row.reopen === false);
  if (opened > returns.length) found.push(`I5: ${opened} generations were opened by ${returns.length} requeues`);
  return found.map(
    (text) =>
      `${text} (batch ${versions.map(({ by, row }) => `${by} ${row.state} ${row.completedGeneration}/${row.generation}`).join(" → ")})`,
  );
}

/** Whether there was a moment between the two at which every member had ended. */
function wereAllEnded(members: readonly (readonly Version<Job>[])[], from: number, to: number): boolean {
  const moments = [from, ...members.flat().map(({ at }) => at)].filter((at) => at >= from && at <= to);
  return moments.some((moment) =>
    members.every((versions) => {
      const then = versions.findLast(({ at }) => at <= moment);
      return then === undefined || isTerminal(then.row.state);
    }),
  );
}

/** I6: no two runs of one timer at a time, and each start has a larger fence than the one before. */
function timerViolations(batchId: string, { record }: RunFacts): string[] {
  const found: string[] = [];
  const runs = record.executions
    .filter(({ jobId }) => jobId.startsWith(`${batchId}.`))
    .toSorted((a, b) => a.startedAt - b.startedAt);
  runs.forEach((run, i) => {
    const before = runs[i - 1];
    if (before === undefined) return;
    if (run.startedAt < (before.endedAt ?? Infinity)) found.push(`I6: runs ${before.jobId} and ${run.jobId} overlap`);
    if ((run.fence ?? 0) <= (before.fence ?? 0)) found.push(`I6: fence ${run.fence} after ${before.fence}`);
  });
  return found;
}

/** No message is left over; a failed job has its dead letter, and no other letter speaks of a row as it is. */
function messageViolations({ messages, letters, stored }: RunFacts): string[] {
  const found = messages.map(({ messageId }) => `message ${messageId} is left`);
  for (const { value: job } of stored.values()) {
    const own = letters.filter(({ parsed }) => {
      const subject = subjectOf(parsed);
      return subject?.jobId === job.jobId && subject.ring === job.ring;
    });
    if (job.state === "failed" && own.length === 0) found.push(`${job.jobId} failed and has no dead letter`);
    if (job.state !== "failed" && own.length > 0) found.push(`${job.jobId} has a dead letter and ${job.state}`);
  }
  return found;
}
