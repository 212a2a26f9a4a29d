import { describe, expect, it } from "vitest";
import { bellMessageId } from "../../../../runtime/core/job/bell.ts";
import type { Claim, Job } from "../../../../runtime/core/job/job.ts";
import { MAX_INTERRUPTIONS } from "../../../../runtime/core/limits.ts";
import type { Admission, Admitted } from "../../../../runtime/core/ports/admission.ts";
import type { ReceivedMessage } from "../../../../runtime/core/ports/job-queue.ts";
import type { Stored } from "../../../../runtime/core/ports/stored.ts";
import type { BatchCompletion } from "../../../../runtime/lifecycle/batch-completion.ts";
import { claimJob } from "../../../../runtime/worker/attempt/claim.ts";
import { jobOf } from "../../../support/builders.ts";
import { deliveryOf, fakeQueue } from "../../../support/bus/fake-delivery.ts";
import { createMemoryStore } from "../../../support/stores/held-jobs.ts";
import { silentEvents, silentLog } from "../../../support/silent.ts";

const NOW = new Date("2026-03-01T09:00:00Z");

function setUp(claimId?: string, admission?: Admission) {
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
      admission,
      log: silentLog,
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
  it("a claim writes once, without a read, on the ETag in the message", async () => {
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

  it("a claim recognises its own write when the answer was lost", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(jobOf());
    jobs.fault = () => "lose-answer";
    const claimed = await claim(deliveryOf(stored));
    expect(claimed).toMatchObject({ claim: { id: "claim-1" }, entry: { execution: 1 } });
    expect(jobs.transitions).toEqual(["queued → running"]);
  });

  it("a claim with an old ETag is repeated with the row's ETag and numbers", async () => {
    const { jobs, claim } = setUp();
    const job = jobOf();
    const old = jobs.put(job);
    jobs.put({ ...job, attempts: 2, interruptions: 1, executions: 3 });
    const claimed = await claim(deliveryOf(old));
    expect(claimed).toMatchObject({ start: { attempts: 2, interruptions: 1 }, entry: { execution: 4, attempt: 3 } });
  });

  it("a running job is taken over when the message of its claim comes again", async () => {
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

  it("a takeover whose answer was lost is counted once", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs()));
    jobs.fault = ({ from }) => (from === "running" ? "lose-answer" : undefined);
    const claimed = await claim(oldBellOf(stored, { deliveryCount: 2 }));
    expect(claimed).toMatchObject({ start: { interruptions: 1 } });
    expect(jobs.row(stored.value.jobId).interruptions).toBe(1);
  });

  it("a takeover before an outage keeps what it recorded when the claim is repeated", async () => {
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
  ])("%s is completed as surplus while the job runs elsewhere", async (_what, message) => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs()));
    const delivery = oldBellOf(stored, message);
    expect(await claim(delivery)).toBeUndefined();
    expect(delivery.settled).toEqual(["complete"]);
    expect(jobs.transitions).toEqual([]);
  });

  it("a job whose worker died while a cancel was wanted ends as canceled", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs(), { cancelWanted: true }));
    const delivery = oldBellOf(stored, { deliveryCount: 2 });
    expect(await claim(delivery)).toBeUndefined();
    expect(jobs.row(stored.value.jobId)).toMatchObject({ state: "canceled", endedAt: NOW });
    expect(delivery.settled).toEqual(["complete"]);
  });

  it("a job that was interrupted too often fails, with the reason in row and dead letter", async () => {
    const { jobs, claim } = setUp();
    const stored = jobs.put(runningRow(theirs(), { interruptions: MAX_INTERRUPTIONS }));
    const delivery = oldBellOf(stored, { deliveryCount: 9 });
    expect(await claim(delivery)).toBeUndefined();
    expect(jobs.row(stored.value.jobId)).toMatchObject({ state: "failed", failure: { code: "WorkerLost" } });
    expect(delivery.settled).toEqual([expect.stringMatching(/^dead-letter WorkerLost: The worker was lost/)]);
  });

  it("the row's own bell is sent before an older one is completed", async () => {
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
  ] as const)("the message of a job that %s (row at ring %i) is settled: %s", async (state, ring, how) => {
    const { jobs, claim } = setUp();
    const failure = { code: "JobFailed", message: "no luck", attempt: 1, failedAt: NOW, retryable: true };
    const job = jobOf({ state, claim: theirs(), failure: state === "failed" ? failure : undefined });
    const delivery = deliveryOf(jobs.put(job));
    jobs.put({ ...job, ring });
    expect(await claim(delivery)).toBeUndefined();
    expect(delivery.settled).toEqual([how]);
  });

  it("the batch is checked before the message of an ended job is settled", async () => {
    const { jobs, asked, claim } = setUp();
    const ended = jobs.put(jobOf({ state: "succeeded", claim: theirs() }));
    await claim(oldBellOf(ended));
    const lost = jobs.put(runningRow(theirs(), { interruptions: MAX_INTERRUPTIONS }));
    await claim(oldBellOf(lost));
    expect(asked).toEqual([ended.value.batchId, lost.value.batchId]);
  });

  it("the batch of a requeued job is reopened before the claim", async () => {
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

  it("a late bell of a requeue leaves the batch complete", async () => {
    const { jobs, asked, claim } = setUp();
    const requeued = jobs.put(jobOf({ ring: 2, reopen: true }));
    const delivery = deliveryOf(requeued);
    const ended = jobs.put({ ...requeued.value, state: "succeeded", reopen: false });
    expect(await claim(delivery)).toBeUndefined();
    expect(asked).toEqual([ended.value.batchId]);
    expect(delivery.settled).toEqual(["complete"]);
  });

  it("a job that waited longer than its time to live fails and names the limit", async () => {
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

  it("a message without a job is dead-lettered", async () => {
    const { jobs, claim } = setUp();
    const delivery = deliveryOf({ value: jobOf(), etag: "e" });
    expect(await claim(delivery)).toBeUndefined();
    expect(delivery.settled).toEqual([expect.stringMatching(/^dead-letter JobNotFound/)]);
    expect(jobs.transitions).toEqual([]);
  });
});

describe("claiming a job that an admission decides about", () => {
  /** Answers in this order, and notes the version of the row it was asked about. */
  function admissionOf(...answers: readonly Admitted[]) {
    const askedAbout: string[] = [];
    const admission: Admission = {
      appliesTo: () => true,
      inTurn: (_jobId, claim) => claim(),
      admit: ({ etag }) => {
        askedAbout.push(etag);
        return Promise.resolve(answers[askedAbout.length - 1]!);
      },
      renewFence: () => Promise.resolve(9),
    };
    return { askedAbout, admission };
  }

  it("an admitted job is claimed on the version that was admitted", async () => {
    const { askedAbout, admission } = admissionOf({ kind: "passed", fence: 4 });
    const { jobs, claim } = setUp("mine", admission);
    const stored = jobs.put(jobOf());
    expect(await claim(oldBellOf(stored))).toMatchObject({ claim: { id: "mine" }, fence: 4 });
    expect(askedAbout).toEqual([stored.etag]);
    expect(jobs.transitions).toEqual(["queued → running"]);
  });

  it("nothing is written when the admission has settled the message", async () => {
    const { admission } = admissionOf({ kind: "settled" });
    const { jobs, claim } = setUp("mine", admission);
    const delivery = deliveryOf(jobs.put(jobOf()));
    expect(await claim(delivery)).toBeUndefined();
    expect(jobs.transitions).toEqual([]);
    expect(delivery.settled).toEqual([]);
  });

  it("the admission decides anew when the row has moved", async () => {
    const { askedAbout, admission } = admissionOf({ kind: "moved" }, { kind: "passed", fence: 5 });
    const { jobs, claim } = setUp("mine", admission);
    expect(await claim(deliveryOf(jobs.put(jobOf())))).toMatchObject({ fence: 5 });
    expect(askedAbout).toHaveLength(2);
  });

  it("the admission decides anew after a refused claim", async () => {
    const { askedAbout, admission } = admissionOf({ kind: "passed", fence: 4 }, { kind: "passed", fence: 5 });
    const { jobs, claim } = setUp("mine", admission);
    const stored = jobs.put(jobOf());
    jobs.fault = () => {
      jobs.fault = undefined;
      jobs.put({ ...stored.value, jobName: "renamed" });
      return undefined;
    };
    expect(await claim(deliveryOf(stored))).toMatchObject({ fence: 5 });
    expect(askedAbout).toHaveLength(2);
  });

  it("a takeover gets a new fence without an admission", async () => {
    const { askedAbout, admission } = admissionOf();
    const { jobs, claim } = setUp("mine", admission);
    const stored = jobs.put(runningRow(theirs()));
    expect(await claim(oldBellOf(stored, { deliveryCount: 2 }))).toMatchObject({ fence: 9 });
    expect(askedAbout).toEqual([]);
  });
});
