import { describe, expect, it } from "vitest";
import { bellMessageId } from "../../../../runtime/core/job/bell.ts";
import type { Job } from "../../../../runtime/core/job/job.ts";
import { MAX_INTERRUPTIONS } from "../../../../runtime/core/limits.ts";
import { DEFAULT_RETRY } from "../../../../runtime/core/job/retry.ts";
import type { BatchCompletion } from "../../../../runtime/lifecycle/batch-completion.ts";
import { claimJob, measuredOf } from "../../../../runtime/worker/attempt/claim.ts";
import type { Execution } from "../../../../runtime/worker/attempt/execution.ts";
import { ownRow, type RowChange } from "../../../../runtime/worker/attempt/owned-row.ts";
import { settle } from "../../../../runtime/worker/attempt/settlement.ts";
import { jobOf } from "../../../support/builders.ts";
import { deliveryOf, fakeQueue } from "../../../support/bus/fake-delivery.ts";
import { createMemoryStore } from "../../../support/stores/held-jobs.ts";
import { silentLog, silentEvents } from "../../../support/silent.ts";

const NOW = new Date("2026-03-01T09:00:00Z");
const facts = { packageHash: "hash", progress: { fraction: 1 }, retry: DEFAULT_RETRY };
const succeeded: Execution = { ...facts, kind: "succeeded", output: '{"sum":3}', artifactCount: 2 };
const failed = (retryable = true): Execution => ({
  ...facts,
  kind: "failed",
  code: "JobFailed",
  message: "no luck",
  retryable,
  artifactCount: 0,
});

/** A job claimed by this worker, about to be settled. */
async function setUp(fields: Partial<Job> = {}) {
  const jobs = createMemoryStore();
  const queue = fakeQueue();
  const stored = jobs.put(jobOf(fields));
  const delivery = deliveryOf(stored);
  if (delivery.parsed.kind !== "bell") throw new Error("malformed");
  const lost = new AbortController();
  const asked: string[][] = [];
  const completion: BatchCompletion = {
    afterJobEnded: () => {
      asked.push([...delivery.settled]);
      return Promise.resolve();
    },
    reopenBatch: () => Promise.resolve(),
  };
  const claimed = await claimJob(
    { delivery, bell: delivery.parsed.bell, claimId: "mine" },
    { jobs, queue, completion, events: silentEvents, log: silentLog, workerId: "w1", bootId: "b1", now: () => NOW },
    lost.signal,
  );
  if (claimed === undefined) throw new Error("not claimed");
  const { jobId } = stored.value;
  const row = ownRow(jobs, { jobId, claimId: "mine", etag: claimed.etag, cancelWanted: false });
  const end = (execution: Execution) => {
    if (execution.kind === "lost") throw new Error("nothing to settle");
    const running = {
      ended: () => completion.afterJobEnded(stored.value.batchId),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const measured = silentEvents.measures.attempt(measuredOf(claimed));
    const context = { delivery, claimed, row, running, measured, lost: lost.signal, log: silentLog };
    return settle(execution, context, { queue, completion, events: silentEvents, now: () => NOW, random: () => 0 });
  };
  return { jobs, queue, delivery, row, end, jobId, lost, asked };
}

const fault = { code: "ENOSPC", message: "The disk of its worker was full (ENOSPC)." };

describe("settling an attempt", () => {
  it("a success is recorded with output, artifacts and history before its message is completed", async () => {
    const { jobs, delivery, end, jobId } = await setUp();
    await end(succeeded);
    expect(jobs.row(jobId)).toMatchObject({
      state: "succeeded",
      output: '{"sum":3}',
      artifactCount: 2,
      packageHash: "hash",
      endedAt: NOW,
      attempts: 0,
      claim: { id: "mine" },
      history: [{ execution: 1, attempt: 1, outcome: "succeeded", endedAt: NOW }],
    });
    expect(delivery.settled).toEqual(["complete"]);
  });

  it("a failed job is queued under the next ring, with a bell for the time after its backoff", async () => {
    const { jobs, queue, delivery, end, jobId } = await setUp();
    await end(failed());
    const runAt = new Date(NOW.getTime() + DEFAULT_RETRY.initialDelayMs);
    expect(jobs.row(jobId)).toMatchObject({
      state: "queued",
      ring: 2,
      attempts: 1,
      claim: undefined,
      runAt,
      failure: { code: "JobFailed", message: "no luck", attempt: 1 },
    });
    const { etag } = (await jobs.get(jobId))!;
    expect(queue.sent).toMatchObject([
      {
        messageId: bellMessageId(jobId, 2),
        enqueueAt: runAt,
        bell: { ring: 2, etag, start: { attempts: 1, executions: 1 } },
      },
    ]);
    expect(delivery.settled).toEqual(["complete"]);
  });

  it("an exhausted job fails with the same reason in row and dead letter", async () => {
    const { jobs, queue, delivery, end, jobId } = await setUp({ attempts: DEFAULT_RETRY.maxAttempts - 1 });
    await end(failed());
    expect(jobs.row(jobId)).toMatchObject({ state: "failed", attempts: 3, failure: { attempt: 3 } });
    expect(delivery.settled).toEqual(["dead-letter JobFailed: no luck"]);
    expect(queue.sent).toEqual([]);
  });

  it("a failure that is not retryable ends the job at once", async () => {
    const { jobs, end, jobId } = await setUp();
    await end(failed(false));
    expect(jobs.row(jobId)).toMatchObject({ state: "failed", attempts: 1, failure: { retryable: false } });
  });

  it.each([
    ["whose worker drains", undefined],
    ["whose worker is broken", { code: "InternalError", message: "An error in the worker was not caught." }],
  ])("hands an interrupted job %s back at once, and the attempt does not count", async (_whose, fault) => {
    const { jobs, queue, end, jobId } = await setUp();
    await end({ ...facts, kind: "interrupted", because: "drain", fault });
    expect(jobs.row(jobId).history[0]?.code).toBe(fault?.code);
    expect(jobs.row(jobId)).toMatchObject({
      state: "queued",
      ring: 2,
      attempts: 0,
      interruptions: 1,
      runAt: undefined,
    });
    expect(queue.sent).toMatchObject([{ enqueueAt: undefined, bell: { start: { attempts: 0, interruptions: 1 } } }]);
  });

  it("a job that this machine could not run is handed back with a growing delay", async () => {
    const { jobs, end, jobId } = await setUp({ interruptions: 1 });
    await end({ ...facts, kind: "interrupted", because: "fault", fault });
    const runAt = new Date(NOW.getTime() + DEFAULT_RETRY.initialDelayMs * DEFAULT_RETRY.factor);
    expect(jobs.row(jobId)).toMatchObject({
      ...{ state: "queued", attempts: 0, interruptions: 2, runAt },
      history: [{ outcome: "interrupted", code: "ENOSPC" }],
    });
  });

  it("a job that was interrupted too often fails with the last fault", async () => {
    const { jobs, delivery, end, jobId } = await setUp({ interruptions: MAX_INTERRUPTIONS });
    await end({ ...facts, kind: "interrupted", because: "fault", fault });
    const message = `The job was interrupted more than ${MAX_INTERRUPTIONS} times. The last time: ${fault.message}`;
    expect(jobs.row(jobId)).toMatchObject({
      ...{ state: "failed", failure: { code: "WorkerLost", message, retryable: false } },
      history: [{ outcome: "interrupted", code: "ENOSPC" }],
    });
    expect(delivery.settled).toEqual([`dead-letter WorkerLost: ${message}`]);
  });

  it("the batch is checked after an end is recorded and before its message is settled", async () => {
    const { asked, end } = await setUp();
    await end(succeeded);
    expect(asked).toEqual([[]]);
    const retried = await setUp();
    await retried.end(failed());
    expect(retried.asked).toEqual([]);
  });

  it("a late cancel wins over a failure but not over a success", async () => {
    for (const [execution, state] of [
      [failed(), "canceled"],
      [succeeded, "succeeded"],
    ] as const) {
      const { jobs, delivery, end, jobId } = await setUp();
      jobs.put({ ...jobs.row(jobId), cancelWanted: true });
      await end(execution);
      // Found by the refused write of the end itself: a failure must not become a retry.
      expect(jobs.row(jobId).state).toBe(state);
      expect(delivery.settled).toEqual(["complete"]);
    }
  });

  it("an end whose answer was lost is settled by the table", async () => {
    for (const [execution, how, rings] of [
      [succeeded, "complete", 0],
      [failed(false), "dead-letter JobFailed: no luck", 0],
      [failed(), "complete", 1],
    ] as const) {
      const { jobs, queue, delivery, end, jobId } = await setUp();
      jobs.fault = () => "lose-answer";
      await end(execution);
      expect(delivery.settled).toEqual([how]);
      expect(queue.sent.length).toBe(rings);
      expect(jobs.transitions.length).toBe(2);
      expect(jobs.row(jobId).attempts).toBe(execution.kind === "succeeded" ? 0 : 1);
    }
  });

  it("nothing is written over another claim", async () => {
    const { jobs, delivery, end, jobId, row } = await setUp();
    const before = jobs.row(jobId);
    jobs.put({ ...before, claim: { ...before.claim!, id: "theirs" }, interruptions: 1 });
    await end(succeeded);
    expect(jobs.row(jobId)).toMatchObject({ state: "running", claim: { id: "theirs" } });
    expect(delivery.settled).toEqual([]);
    expect(row.claimGone.aborted).toBe(true);
  });

  it("nothing is written or settled once the lock is lost", async () => {
    const { jobs, delivery, end, jobId, lost } = await setUp();
    lost.abort(new Error("lock lost"));
    await expect(end(succeeded)).rejects.toThrow("lock lost");
    expect(jobs.row(jobId).state).toBe("running");
    expect(delivery.settled).toEqual([]);
  });
});

const progressTo = (fraction: number): RowChange => ({ to: "running", changes: { progress: { fraction } } });

describe("the row of a claimed job", () => {
  it("the owned row adopts an ETag that a cancel moved, and reports the cancel", async () => {
    const { jobs, row, jobId } = await setUp();
    jobs.put({ ...jobs.row(jobId), cancelWanted: true });
    expect(await row.write(() => progressTo(0.5))).toMatchObject({ written: true });
    expect(row.cancelWanted.aborted).toBe(true);
    expect(jobs.row(jobId).progress).toEqual({ fraction: 0.5 });
  });

  it("the owned row writes one change at a time, in order", async () => {
    const { jobs, row, jobId } = await setUp();
    let calls = 0;
    jobs.fault = () => (++calls === 1 ? new Error("storage away") : undefined);
    const first = row.write(() => progressTo(0.1));
    const others = [0.2, 0.3].map((fraction) => row.write(() => progressTo(fraction)));
    await expect(first).rejects.toThrow("storage away");
    expect(await Promise.all(others)).toMatchObject([{ written: true }, { written: true }]);
    expect(jobs.row(jobId).progress).toEqual({ fraction: 0.3 });
  });
});
