/**
 * The effect of a worker's writes on a row. It is the same for immediate and late writes, because their ETag matches.
 */
import type { JobChanges } from "../../../runtime/core/ports/job-store.ts";
import type { AttemptResult, DeliveredBell, TakeOver } from "../../../runtime/core/job/protocol.ts";
import { must } from "../search.ts";
import type { Context } from "./context.ts";
import { claimOf, jobOf, LATER, MAX_ATTEMPTS, QUEUE, realInterruptions, writeRow } from "./rows.ts";
import type { LateWrite, Result } from "./world.ts";

export type WorkerWrite = Omit<LateWrite, "kind" | "fresh">;

export const deliveredOf = ({ ring, seq }: Pick<WorkerWrite, "ring" | "seq">): DeliveredBell => ({
  bell: { ring },
  queue: QUEUE,
  sequenceNumber: String(seq),
});

export function landLate(context: Context, late: LateWrite): void {
  if (late.kind === "claim") landClaim(context, late);
  else landEnd(context, late);
}

/** On the version that the worker has decided on: a queued row is claimed, a running one taken over. */
export function landClaim(context: Context, write: WorkerWrite): void {
  const { world, protocol } = context;
  const row = world.rows[write.job]!;
  const claim = claimOf(write.claim, write.seq);
  if (row.state === "queued") {
    const bell = world.messages.find(({ seq }) => seq === write.seq);
    must(bell?.givenUp !== true, "I10: the job is started by the bell of a time that was given up");
    writeRow(context, write.job, "claim", { to: "running", changes: { claim, runAt: undefined } });
    return;
  }
  const decision = protocol.decisions.decideDelivery(jobOf(row), deliveredOf(write), String(write.claim));
  if (decision.action !== "take-over")
    throw new Error(`A row that is ${row.state} is not claimed (${decision.action}).`);
  const changes: JobChanges = protocol.procedure.takeOverRecords
    ? { interruptions: realInterruptions(row.interruptions) + 1 }
    : {};
  writeRow(context, write.job, "takeover", {
    to: STATE_AFTER[decision.as],
    changes: decision.as === "running" ? { ...changes, claim } : changes,
  });
}

const STATE_AFTER = { running: "running", canceled: "canceled", "worker-lost": "failed" } as const satisfies Record<
  TakeOver,
  string
>;

export function landEnd(context: Context, write: WorkerWrite): void {
  const row = context.world.rows[write.job]!;
  must(row.state === "running" && row.claim === write.claim, `I2: a stale worker writes its end over ${row.state}`);
  const result = attemptResult(write.result);
  const interruptions = realInterruptions(write.interruptions);
  const ending = context.protocol.decisions.endingOf({
    result,
    cancelWanted: write.cancel,
    attempts: row.attempts,
    interruptions,
    maxAttempts: MAX_ATTEMPTS,
  });
  const changes: JobChanges = {
    attempts: row.attempts + (result.kind === "failed" ? 1 : 0),
    interruptions: interruptions + (result.kind === "interrupted" ? 1 : 0),
  };
  writeRow(context, write.job, "end", {
    to: ending.to,
    hopeless: write.result === "hopeless",
    changes:
      ending.to === "queued"
        ? { ...changes, ring: row.ring + 1, claim: undefined, runAt: ending.counts === "attempts" ? LATER : undefined }
        : changes,
  });
}

function attemptResult(result: Result): AttemptResult {
  switch (result) {
    case "succeeded":
    case "canceled":
    case "interrupted":
      return { kind: result };
    case "failed":
      return { kind: "failed", retryable: true };
    case "hopeless":
      return { kind: "failed", retryable: false };
    case "none":
    case "progress":
      throw new Error(`An attempt does not end as ${result}.`);
  }
}
