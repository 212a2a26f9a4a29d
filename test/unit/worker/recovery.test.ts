import { describe, expect, it } from "vitest";
import { bellMessageId } from "../../../runtime/core/job/bell.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { Job } from "../../../runtime/core/job/job.ts";
import type { PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import type { HeldClaim } from "../../../runtime/worker/claim-journal.ts";
import { DEFAULT_POOL, jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { recoverOwnJobs } from "../../../runtime/worker/recovery.ts";
import { jobOf } from "../../support/builders.ts";
import { fakeQueue, peekAt, peekedOf } from "../../support/bus/fake-delivery.ts";
import { createMemoryStore } from "../../support/stores/held-jobs.ts";
import { silentEvents, silentLog } from "../../support/silent.ts";

const NORMAL = jobQueueName(DEFAULT_POOL, "normal");
const NOW = new Date("2026-03-01T09:00:00Z");

const runningUnder = (claimId: string, fields: Partial<Job> = {}): Job =>
  jobOf({
    state: "running",
    executions: 1,
    claim: { id: claimId, workerId: "w1", bootId: "old", queue: "q", sequenceNumber: "3", since: NOW },
    history: [{ execution: 1, attempt: 1, workerId: "w1", claimId, startedAt: NOW }],
    ...fields,
  });

const held = (claimId: string, jobId: string): HeldClaim => ({ claimId, jobId, queue: NORMAL, sequenceNumber: "3" });

function setUp(heldClaims: readonly HeldClaim[]) {
  const jobs = createMemoryStore();
  const messages: PeekedMessage[] = [];
  const queue = { ...fakeQueue(), peek: peekAt(NORMAL, messages) };
  const asked: string[] = [];
  const unreadable: string[] = [];
  let forgotten = 0;
  const completion = {
    afterJobEnded: (batchId: string) => {
      asked.push(batchId);
      return Promise.resolve();
    },
    reopenBatch: () => Promise.resolve(),
  };
  const journal = {
    left: () => Promise.resolve({ held: heldClaims, received: new Map([[NORMAL, 3n]]) }),
    forgetLeft: () => {
      forgotten++;
      return Promise.resolve();
    },
  };
  const recover = () =>
    recoverOwnJobs(
      {
        ...{
          journal,
          jobs,
          queue,
          completion,
          events: silentEvents,
          pool: DEFAULT_POOL,
          slots: 1,
          now: () => NOW,
          log: silentLog,
        },
        unreadable: { note: (key: string) => void unreadable.push(key) },
      },
      new AbortController().signal,
    );
  return { jobs, messages, queue, asked, unreadable, recover, forgotten: () => forgotten };
}

describe("a worker that starts again", () => {
  it("a restarted worker hands back its jobs at once and sends their bells", async () => {
    const mine = runningUnder("mine");
    const { jobs, queue, recover, forgotten } = setUp([held("mine", mine.jobId)]);
    jobs.put(mine);
    expect(await recover()).toBe(1);
    expect(jobs.row(mine.jobId)).toMatchObject({
      state: "queued",
      ring: 2,
      attempts: 0,
      interruptions: 1,
      claim: undefined,
    });
    const { etag } = (await jobs.get(mine.jobId))!;
    expect(queue.sent).toMatchObject([
      { messageId: bellMessageId(mine.jobId, 2), bell: { ring: 2, etag, start: { interruptions: 1 } } },
    ]);
    expect(forgotten()).toBe(1);
  });

  it("a restarted worker sends a second bell for a job it had received and not claimed", async () => {
    const received = jobOf();
    const { jobs, queue, recover } = setUp([held("mine", received.jobId)]);
    const { etag } = jobs.put(received);
    await recover();
    expect(jobs.transitions).toEqual([]);
    expect(queue.sent).toMatchObject([{ messageId: `${received.jobId}:1:mine`, bell: { ring: 1, etag } }]);
  });

  it("a restarted worker sends second bells for unread messages before it hands jobs back", async () => {
    const ran = runningUnder("mine");
    const unread = jobOf();
    const { jobs, messages, queue, recover, forgotten } = setUp([held("mine", ran.jobId)]);
    jobs.put(ran);
    messages.push(peekedOf(jobs.put(unread), "4"));
    await recover();
    expect(queue.sent.map(({ messageId }) => messageId)).toEqual([`${unread.jobId}:1:4`, `${ran.jobId}:2`]);
    expect(forgotten()).toBe(1);
  });

  it("a restarted worker leaves an unreadable row to its lock and hands back the others", async () => {
    const strange = runningUnder("a", { state: "paused" as never });
    const mine = runningUnder("b");
    const { jobs, recover, unreadable, forgotten } = setUp([held("a", strange.jobId), held("b", mine.jobId)]);
    jobs.put(mine);
    // It is there, although nobody here can read it back.
    expect(() => jobs.put(strange)).toThrow("state");
    expect(await recover()).toBe(1);
    expect(unreadable).toEqual([strange.jobId]);
    expect(jobs.row(mine.jobId).state).toBe("queued");
    expect(forgotten()).toBe(1);
  });

  it("a restarted worker leaves rows alone that have moved or belong to another claim", async () => {
    const ended = runningUnder("b", { state: "succeeded" });
    const theirs = runningUnder("theirs");
    const { jobs, queue, recover } = setUp([held("b", ended.jobId), held("c", theirs.jobId), held("d", jobOf().jobId)]);
    for (const job of [ended, theirs]) jobs.put(job);
    expect(await recover()).toBe(0);
    expect(jobs.transitions).toEqual([]);
    expect(queue.sent).toEqual([]);
  });

  it("a restarted worker cancels a job whose cancel was wanted and completes its batch", async () => {
    const wanted = runningUnder("mine", { cancelWanted: true });
    const { jobs, queue, asked, recover } = setUp([held("mine", wanted.jobId)]);
    jobs.put(wanted);
    await recover();
    expect(jobs.row(wanted.jobId).state).toBe("canceled");
    expect(asked).toEqual([wanted.batchId]);
    expect(queue.sent).toEqual([]);
  });

  it("a restarted worker sends the bell when its write lost its answer, and counts once", async () => {
    const mine = runningUnder("mine");
    const { jobs, queue, recover } = setUp([held("mine", mine.jobId)]);
    jobs.put(mine);
    jobs.fault = () => "lose-answer";
    await recover();
    expect(jobs.row(mine.jobId)).toMatchObject({ state: "queued", interruptions: 1 });
    expect(queue.sent.length).toBe(1);
  });

  it("a restarted worker keeps its journal until all jobs are handed back", async () => {
    const mine = runningUnder("mine");
    const { jobs, queue, recover, forgotten } = setUp([held("mine", mine.jobId)]);
    jobs.put(mine);
    let outages = 2;
    jobs.fault = () => (outages-- > 0 ? new UnavailableError("StorageUnavailable", "away") : undefined);
    expect(await recover()).toBe(1);
    expect([queue.sent.length, forgotten()]).toEqual([1, 1]);
  });
});
