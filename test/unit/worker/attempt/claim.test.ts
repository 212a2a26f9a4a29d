import { describe, expect, it } from "vitest";
import { bellMessageId } from "../../../../runtime/core/job/bell.ts";
import type { Claim, Job } from "../../../../runtime/core/job/job.ts";
import { MAX_INTERRUPTIONS } from "../../../../runtime/core/limits.ts";
import type { ReceivedMessage } from "../../../../runtime/core/ports/job-queue.ts";
import type { Stored } from "../../../../runtime/core/ports/stored.ts";
import type { BatchCompletion } from "../../../../runtime/lifecycle/batch-completion.ts";
import { claimJob } from "../../../../runtime/worker/attempt/claim.ts";
import { jobOf } from "../../../support/builders.ts";
import { deliveryOf, fakeQueue } from "../../../support/bus/fake-delivery.ts";
import { createMemoryStores } from "../../../support/stores/memory-stores.ts";
import { createMemoryStore } from "../../../support/stores/held-jobs.ts";
import { silentEvents, silentLog } from "../../../support/silent.ts";

/** No run of a timer is claimed here. */
const noTimers = { timers: createMemoryStores().timers, log: silentLog };
const NOW = new Date("2026-03-01T09:00:00Z");

function setUp(claimId?: string) {
  const jobs = createMemoryStore();
  const queue = fakeQueue();
  const asked: string[] = [];
  const completion: BatchCompletion = {
    afterJobEnded: (batchId) => {
      asked.push(batchId);
      return Promise.resolve();
    },
    reopenBatch: (batchId) => {
      asked.push(`reopen ${batchId}`);
      return Promise.resolve();
    },
  };
  let ids = 0;
  const claim = (delivery: ReceivedMessage) => {
    if (delivery.parsed.kind !== "bell") throw new Error("malformed");
    const deps = {
      jobs,
      queue,
      completion,
      events: silentEvents,
      ...noTimers,
      workerId: "w1",
      bootId: "b1",
      now: () => NOW,
    };
    const request = { delivery, bell: delivery.parsed.bell, claimId: claimId ?? `claim-${++ids}` };
    return claimJob(request, deps, new AbortController().signal);
  };
  return { jobs, queue, asked, claim };
}

const theirs = (fields: Partial<Claim> = {}): Claim => ({
  id: "theirs",
  workerId: "w2",
  bootId: "b2",
  queue: "jobs-default-normal",
  sequenceNumber: "7",
  since: new Date("2026-03-01T08:30:00Z"),
  ...fields,
});

/** The bell of a row that has moved since the bell was made. */
const oldBellOf = ({ value }: Stored<Job>, fields?: Partial<ReceivedMessage>) =>
  deliveryOf({ value, etag: "old" }, fields);

/** A row that another worker has claimed, with its history. */
const runningRow = (claim: Claim, fields = {}) =>
  jobOf({
    state: "running",
    executions: 1,
    claim,
    history: [{ execution: 1, attempt: 1, workerId: "w2", claimId: claim.id, startedAt: claim.since }],
    ...fields,
  });

describe("claiming a job", () => {
  it("writes once, without a read, on the ETag in the message", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(jobOf());
    const delivery = deliveryOf(stored);
    const claimed = await claim(delivery);
    expect(claimed).toMatchObject({ ring: 1, claim: { id: "claim-1", sequenceNumber: "7" }, cancelWanted: false });
    expect(jobs.row(stored.value.jobId)).toMatchObject({
      state: "running",
      executions: 1,
      claim: { id: "claim-1", workerId: "w1", bootId: "b1", queue: "jobs-default-normal", sequenceNumber: "7" },
      startedAt: NOW,
      history: [{ execution: 1, attempt: 1, workerId: "w1", claimId: "claim-1", startedAt: NOW }],
    });
    expect(jobs.transitions).toEqual(["queued → running"]);
    expect(delivery.settled).toEqual([]);
  });

  it("recognises its own write when the answer was lost", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(jobOf());
    jobs.fault = () => "lose-answer";
    const claimed = await claim(deliveryOf(stored));
    expect(claimed).toMatchObject({ claim: { id: "claim-1" }, entry: { execution: 1 } });
    expect(jobs.transitions).toEqual(["queued → running"]);
  });

  it("claims with the ETag just read when the message's is old, and with the row's numbers", async () => {
    const { jobs, claim } = setUp();
    const job = jobOf();
    const old = jobs.put(job);
    jobs.put({ ...job, attempts: 2, interruptions: 1, executions: 3 });
    const claimed = await claim(deliveryOf(old));
    expect(claimed).toMatchObject({ start: { attempts: 2, interruptions: 1 }, entry: { execution: 4, attempt: 3 } });
  });

  it("takes a running job over when the very message of its claim comes again, and records the interruption", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs()));
    const claimed = await claim(oldBellOf(stored, { deliveryCount: 2 }));
    expect(claimed).toMatchObject({ start: { interruptions: 1, attempts: 0 }, entry: { execution: 2, attempt: 1 } });
    expect(jobs.row(stored.value.jobId)).toMatchObject({
      interruptions: 1,
      history: [
        { execution: 1, workerId: "w2", outcome: "interrupted", endedAt: NOW },
        { execution: 2, workerId: "w1", attempt: 1 },
      ],
    });
  });

  it("keeps the takeover, counted once, when its answer was lost", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs()));
    jobs.fault = ({ from }) => (from === "running" ? "lose-answer" : undefined);
    const claimed = await claim(oldBellOf(stored, { deliveryCount: 2 }));
    expect(claimed).toMatchObject({ start: { interruptions: 1 } });
    expect(jobs.row(stored.value.jobId).interruptions).toBe(1);
  });

  it("keeps what a takeover recorded although storage went dark and the claim was tried again", async () => {
    const { jobs, claim } = setUp("mine");
    const stored = jobs.put(runningRow(theirs(), { attempts: 1, interruptions: 2 }));
    let writes = 0;
    jobs.fault = ({ from }) => (from === "running" && ++writes === 1 ? "go-dark" : undefined);
    const delivery = oldBellOf({ ...stored, value: { ...stored.value, interruptions: 2, attempts: 1 } });
    await expect(claim(delivery)).rejects.toThrow("away");
    expect(await claim(delivery)).toMatchObject({
      start: { attempts: 1, interruptions: 3, executions: 1 },
      entry: { execution: 2, attempt: 2, claimId: "mine" },
    });
    expect(jobs.row(stored.value.jobId)).toMatchObject({ interruptions: 3, executions: 2 });
  });

  it.each([
    ["another message", { sequenceNumber: "8" }],
    ["the same number of another queue", { queue: "jobs-default-high" }],
  ])("completes %s as surplus while the job runs elsewhere", async (_what, message) => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs()));
    const delivery = oldBellOf(stored, message);
    expect(await claim(delivery)).toBeUndefined();
    expect(delivery.settled).toEqual(["complete"]);
    expect(jobs.transitions).toEqual([]);
  });

  it("ends a job whose worker died while a cancel was wanted as canceled", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs(), { cancelWanted: true }));
    const delivery = oldBellOf(stored, { deliveryCount: 2 });
    expect(await claim(delivery)).toBeUndefined();
    expect(jobs.row(stored.value.jobId)).toMatchObject({ state: "canceled", endedAt: NOW });
    expect(delivery.settled).toEqual(["complete"]);
  });

  it("fails a job that has been interrupted too often, with the reason in row and dead letter", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs(), { interruptions: MAX_INTERRUPTIONS }));
    const delivery = oldBellOf(stored, { deliveryCount: 9 });
    expect(await claim(delivery)).toBeUndefined();
    expect(jobs.row(stored.value.jobId)).toMatchObject({ state: "failed", failure: { code: "WorkerLost" } });
    expect(delivery.settled).toEqual([expect.stringMatching(/^dead-letter WorkerLost: The worker was lost/)]);
  });

  it("sends the row's own bell before it completes an older one, for the time the row waits for", async () => {
    const { jobs, queue, claim } = setUp();
    const runAt = new Date("2026-03-01T10:00:00Z");
    const job = jobOf();
    const old = jobs.put(job);
    const current = jobs.put({ ...job, ring: 2, attempts: 1, runAt });
    const delivery = deliveryOf(old);
    expect(await claim(delivery)).toBeUndefined();
    expect(queue.sent).toMatchObject([
      {
        messageId: bellMessageId(job.jobId, 2),
        enqueueAt: runAt,
        bell: { ring: 2, etag: current.etag, start: { attempts: 1 } },
      },
    ]);
    expect(delivery.settled).toEqual(["complete"]);
  });

  it.each([
    ["succeeded", 1, "complete"],
    ["canceled", 1, "complete"],
    ["failed", 1, "dead-letter JobFailed: no luck"],
    ["failed", 2, "complete"],
  ] as const)("settles the message of a job that %s (row at ring %i): %s", async (state, ring, how) => {
    const { jobs, claim } = setUp();
    const failure = { code: "JobFailed", message: "no luck", attempt: 1, failedAt: NOW, retryable: true };
    const job = jobOf({ state, claim: theirs(), failure: state === "failed" ? failure : undefined });
    const delivery = deliveryOf(jobs.put(job));
    jobs.put({ ...job, ring });
    expect(await claim(delivery)).toBeUndefined();
    expect(delivery.settled).toEqual([how]);
  });

  it("asks the batch when it finds or makes an end, before the message is settled", async () => {
    const { jobs, asked, claim } = setUp();
    const ended = jobs.put(jobOf({ state: "succeeded", claim: theirs() }));
    await claim(oldBellOf(ended));
    const lost = jobs.put(runningRow(theirs(), { interruptions: MAX_INTERRUPTIONS }));
    await claim(oldBellOf(lost));
    expect(asked).toEqual([ended.value.batchId, lost.value.batchId]);
  });

  it("reopens the batch of a requeued job before it claims, whether the bell says so or the row", async () => {
    for (const stale of [false, true]) {
      const { jobs, asked, claim } = setUp();
      const stored = jobs.put(jobOf({ ring: 2, reopen: true }));
      const delivery = stale
        ? deliveryOf({ value: { ...stored.value, reopen: false }, etag: "old" })
        : deliveryOf(stored);
      await claim(delivery);
      expect(asked).toEqual([`reopen ${stored.value.batchId}`]);
      expect(jobs.row(stored.value.jobId)).toMatchObject({ state: "running", reopen: false });
    }
  });

  it("leaves a batch complete when the bell of a requeue comes again after its job has ended", async () => {
    const { jobs, asked, claim } = setUp();
    const requeued = jobs.put(jobOf({ ring: 2, reopen: true }));
    const delivery = deliveryOf(requeued);
    const ended = jobs.put({ ...requeued.value, state: "succeeded", reopen: false });
    expect(await claim(delivery)).toBeUndefined();
    expect(asked).toEqual([ended.value.batchId]);
    expect(delivery.settled).toEqual(["complete"]);
  });

  it("fails a job that waited longer than its time to live, and names the limit", async () => {
    const { jobs, claim } = setUp();
    const expiresAt = new Date(NOW.getTime() - 1);
    const stored = jobs.put(jobOf({ expiresAt }));
    const delivery = deliveryOf(stored);
    expect(await claim(delivery)).toBeUndefined();
    expect(jobs.row(stored.value.jobId)).toMatchObject({
      state: "failed",
      executions: 0,
      failure: { code: "JobExpired" },
    });
    expect(delivery.settled).toEqual([expect.stringMatching(/^dead-letter JobExpired: .*2026-03-01T08:59:59/)]);
    const retried = jobs.put(jobOf({ expiresAt, attempts: 1 }));
    expect(await claim(deliveryOf(retried))).toBeDefined();
  });

  it("sets a message aside whose job does not exist", async () => {
    const { jobs, claim } = setUp();
    const delivery = deliveryOf({ value: jobOf(), etag: "e" });
    expect(await claim(delivery)).toBeUndefined();
    expect(delivery.settled).toEqual([expect.stringMatching(/^dead-letter JobNotFound/)]);
    expect(jobs.transitions).toEqual([]);
  });
});
