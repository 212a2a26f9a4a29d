/**
 * From a received message to a claimed job, or to a settled message that starts nothing. The first write is made on the
 * ETag in the message, without a read; after anything but a clear success the protocol's table decides.
 */
import { bellMessageId, bellOf, startDataOf, type Bell, type StartData } from "../core/bell.ts";
import { closeLastEntry, workerLostFailure } from "../core/handback.ts";
import type { Claim, Failure, HistoryEntry, Job } from "../core/job.ts";
import { InvariantError } from "../core/errors.ts";
import type { Delivery, JobChanges, JobQueue, JobStore, Stored, WriteResult } from "../core/ports.ts";
import { meet, type Meeting } from "../core/protocol.ts";

export interface ClaimDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly queue: Pick<JobQueue, "send">;
  readonly workerId: string;
  readonly bootId: string;
  readonly newId: () => string;
  readonly now: () => Date;
}

export interface Claimed {
  readonly jobId: string;
  readonly ring: number;
  readonly claim: Claim;
  readonly etag: string;
  readonly cancelWanted: boolean;
  readonly start: StartData;
  /** This start, as its row's history has it. */
  readonly entry: HistoryEntry;
}

/** Undefined: the message is settled and nothing is to be run. Stops early when `signal` fires, by its reason. */
export async function claimJob(
  delivery: Delivery,
  bell: Bell,
  deps: ClaimDeps,
  signal: AbortSignal,
): Promise<Claimed | undefined> {
  const { jobs } = deps;
  // One id for all tries: it is how a write whose answer was lost is recognised.
  const claim: Claim = {
    id: deps.newId(),
    workerId: deps.workerId,
    bootId: deps.bootId,
    queue: delivery.queue,
    sequenceNumber: delivery.sequenceNumber,
    since: deps.now(),
  };
  const { jobId } = bell;
  let start = bell.start;
  let entry = entryOf(claim, start);
  let result: WriteResult = await jobs.update({
    jobId,
    etag: bell.etag,
    from: "queued",
    to: "running",
    changes: claimChanges(claim, start, entry),
  });

  for (;;) {
    if (result.written) {
      return { jobId, ring: bell.ring, claim, etag: result.etag, cancelWanted: false, start, entry };
    }
    signal.throwIfAborted();
    const current: Stored<Job> | undefined = result.current;
    const meeting = meet(
      current?.value,
      { bell, queue: delivery.queue, sequenceNumber: delivery.sequenceNumber },
      claim.id,
    );
    if (startsNothing(meeting)) {
      await settleByTable(delivery, current, meeting, deps);
      return undefined;
    }
    if (current === undefined) throw new InvariantError("A job without a row cannot start.");
    const row = current.value;
    if (meeting.action === "adopt") {
      return {
        jobId,
        ring: row.ring,
        claim,
        etag: current.etag,
        cancelWanted: row.cancelWanted,
        start,
        entry,
      };
    }
    if (meeting.action === "take-over" && meeting.as !== "running") {
      const ended = await jobs.update(endWithoutRun(current, meeting.as, deps.now()));
      if (ended.written) {
        if (meeting.as === "canceled") await delivery.complete();
        else await delivery.deadLetter("WorkerLost", workerLostFailure(row, deps.now()).message);
        return undefined;
      }
      result = ended;
      continue;
    }
    const interruptions = row.interruptions + (meeting.action === "take-over" ? 1 : 0);
    start = { ...startDataOf(row), interruptions };
    entry = entryOf(claim, start);
    const changes = claimChanges(claim, start, entry);
    result = await jobs.update({
      jobId,
      etag: current.etag,
      from: row.state,
      to: "running",
      changes:
        meeting.action === "take-over"
          ? { ...changes, interruptions, history: [...closeLastEntry(row, deps.now()), entry] }
          : changes,
    });
  }
}

type StartingMeeting = Extract<Meeting, { readonly action: "claim" | "adopt" | "take-over" }>;

/** Whether a meeting only settles the message. */
export const startsNothing = (meeting: Meeting): meeting is Exclude<Meeting, StartingMeeting> =>
  meeting.action !== "claim" && meeting.action !== "adopt" && meeting.action !== "take-over";

/** The rows of the table that start nothing: the message is settled, after the bell it may owe has been sent. */
export async function settleByTable(
  delivery: Delivery,
  current: Stored<Job> | undefined,
  meeting: Exclude<Meeting, StartingMeeting>,
  { queue }: Pick<ClaimDeps, "queue">,
): Promise<void> {
  switch (meeting.action) {
    case "set-aside":
      await delivery.deadLetter(meeting.reason, `No job waits for message ${delivery.messageId}.`);
      return;
    case "settle-ended":
      if (meeting.asDeadLetter) await delivery.deadLetter(...deadLetterReason(current?.value.failure));
      else await delivery.complete();
      return;
    case "ring-again":
      if (current !== undefined) await ring(queue, delivery.queue, current);
      await delivery.complete();
      return;
    case "complete-surplus":
      await delivery.complete();
      return;
  }
}

/** Sends the bell of a queued row. */
async function ring(
  queue: Pick<JobQueue, "send">,
  queueName: string,
  { value: job, etag }: Stored<Job>,
): Promise<void> {
  await queue.send(queueName, [
    { bell: bellOf(job, etag), messageId: bellMessageId(job.jobId, job.ring), enqueueAt: job.runAt },
  ]);
}

/** Reason and description of a dead letter: what the row says, so that both lists tell the same. */
export const deadLetterReason = (failure: Failure | undefined): [reason: string, description: string] => [
  failure?.code ?? "JobFailed",
  failure?.message ?? "The job failed.",
];

const entryOf = (claim: Claim, start: StartData): HistoryEntry => ({
  execution: start.executions + 1,
  attempt: start.attempts + 1,
  workerId: claim.workerId,
  claimId: claim.id,
  startedAt: claim.since,
});

const claimChanges = (claim: Claim, start: StartData, entry: HistoryEntry): JobChanges => ({
  claim,
  executions: start.executions + 1,
  startedAt: claim.since,
  endedAt: undefined,
  runAt: undefined,
  progress: undefined,
  history: [entry],
});

const endWithoutRun = ({ value: row, etag }: Stored<Job>, as: "canceled" | "worker-lost", now: Date) => ({
  jobId: row.jobId,
  etag,
  from: row.state,
  to: as === "canceled" ? ("canceled" as const) : ("failed" as const),
  changes: {
    endedAt: now,
    interruptions: row.interruptions + 1,
    history: closeLastEntry(row, now),
    ...(as === "canceled" ? {} : { failure: workerLostFailure(row, now) }),
  },
});
