import { describe, expect, it } from "vitest";
import { followLog, type FollowLogRequest } from "../../../../runtime/api/events/follow-log.ts";
import { FOLLOW_LOG_EVERY_MS, FOLLOW_LOG_MAX_MS } from "../../../../runtime/core/limits.ts";
import type { HistoryEntry, Job } from "../../../../runtime/core/job/job.ts";
import { jobOf } from "../../../support/builders.ts";

const start = (execution: number, outcome?: HistoryEntry["outcome"]): HistoryEntry => ({
  ...{ execution, attempt: execution, workerId: "w", claimId: `claim-${execution}`, startedAt: new Date() },
  ...(outcome && { outcome, endedAt: new Date() }),
});
const claimOf = (execution: number): Job["claim"] => ({
  ...{ id: `claim-${execution}`, workerId: "w", bootId: "b", queue: "q", sequenceNumber: "1", since: new Date() },
});
/** Running its nth start, which the history has. */
const running = (execution: number, history = [start(execution)]): Partial<Job> => ({
  ...{ state: "running", executions: execution, claim: claimOf(execution), history },
});

/**
 * A job and its logs, looked at as they are at each moment: `moments` happen one after the other, one in each pause; in a
 * pause too many the reader leaves.
 */
function world(...moments: (() => void)[]) {
  let job: Job | undefined = jobOf();
  const logs = new Map<string, string>();
  const pauses: number[] = [];
  const leave = new AbortController();
  let clockMs = 0;
  return {
    logs,
    pauses,
    leave,
    now: () => clockMs,
    set: (fields: Partial<Job> | undefined) => (job = fields && { ...job!, ...fields }),
    write: (execution: number, text: string) =>
      void logs.set(`claim-${execution}`, (logs.get(`claim-${execution}`) ?? "") + text),
    /** The chunks, as texts. */
    async follow(request: Partial<FollowLogRequest> = {}): Promise<string[]> {
      const chunks: string[] = [];
      const stream = followLog(
        { jobId: "j", execution: undefined, fromByte: 0, gone: leave.signal, ...request },
        {
          jobs: { get: () => Promise.resolve(job && { value: job, etag: "1" }) },
          files: {
            openLog(_jobId, claimId, fromByte = 0) {
              const text = logs.get(claimId);
              if (text === undefined) return Promise.resolve(undefined);
              const bytes = Buffer.from(text).subarray(fromByte);
              return Promise.resolve({ bytes: bytes.length, contentType: "text/plain", stream: once(bytes) });
            },
          },
          sleep(ms) {
            pauses.push(ms);
            clockMs += ms;
            const moment = moments.shift();
            if (moment === undefined) leave.abort();
            else moment();
            return Promise.resolve();
          },
          monotonicNow: () => clockMs,
        },
      );
      for await (const chunk of stream) chunks.push(Buffer.from(chunk).toString());
      return chunks;
    },
  };
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  if (bytes.length > 0) yield bytes;
}

describe("followLog", () => {
  it("returns the log so far, then new text, and ends with the start", async () => {
    const w = world(
      () => w.write(1, "two\n"),
      () => undefined,
      () => {
        w.write(1, "three\n");
        w.set({ state: "succeeded", history: [start(1, "succeeded")] });
      },
    );
    w.set(running(1));
    w.write(1, "one\n");
    expect(await w.follow()).toEqual(["one\n", "two\n", "three\n"]);
    expect(w.pauses).toEqual([FOLLOW_LOG_EVERY_MS, FOLLOW_LOG_EVERY_MS, FOLLOW_LOG_EVERY_MS]);
  });

  it("waits for a job that has not been started, and for its first words", async () => {
    const w = world(
      () => w.set(running(1)),
      () => w.write(1, "one\n"),
      () => w.set({ state: "failed", history: [start(1, "failed")] }),
    );
    expect(await w.follow()).toEqual(["one\n"]);
    expect(w.pauses).toHaveLength(3);
  });

  it("continues from a byte", async () => {
    const w = world(() => w.set({ state: "succeeded" }));
    w.set(running(1));
    w.write(1, "abcdef");
    expect(await w.follow({ fromByte: 4 })).toEqual(["ef"]);
  });

  it("from a byte that is not written yet gives nothing before it", async () => {
    const w = world(() => {
      w.write(1, "def");
      w.set({ state: "succeeded" });
    });
    w.set(running(1));
    w.write(1, "abc");
    expect(await w.follow({ fromByte: 5 })).toEqual(["f"]);
  });

  it("stays with the start it began with, and ends when another follows", async () => {
    const w = world(() => {
      w.write(1, "last words\n");
      w.write(2, "not these\n");
      w.set(running(2, [start(1, "interrupted"), start(2)]));
    });
    w.set(running(1));
    w.write(1, "one\n");
    expect(await w.follow()).toEqual(["one\n", "last words\n"]);
  });

  it("ends when the row has a claim that is not that start's, although its end was never noted", async () => {
    const w = world();
    w.set({ ...running(2, [start(1), start(2)]) });
    w.write(1, "one\n");
    expect(await w.follow({ execution: 1 })).toEqual(["one\n"]);
    expect(w.pauses).toEqual([]);
  });

  it("waits for the requested start, and ends when the job ends without it", async () => {
    const w = world(
      () => w.set(running(1)),
      () => w.set({ state: "queued", claim: undefined, history: [start(1, "failed")] }),
      () => w.set(running(2, [start(1, "failed"), start(2)])),
      () => {
        w.write(2, "second\n");
        w.set({ state: "succeeded" });
      },
    );
    w.write(1, "first\n");
    expect(await w.follow({ execution: 2 })).toEqual(["second\n"]);
    const ended = world();
    ended.set({ state: "succeeded", executions: 1, history: [start(1, "succeeded")] });
    expect(await ended.follow({ execution: 2 })).toEqual([]);
    expect(ended.pauses).toEqual([]);
  });

  it("does not wait for a start the history has forgotten", async () => {
    const w = world();
    w.set(running(150, [start(149, "interrupted"), start(150)]));
    expect(await w.follow({ execution: 3 })).toEqual([]);
    expect(w.pauses).toEqual([]);
  });

  it("ends when the job is gone", async () => {
    const w = world(() => w.set(undefined));
    expect(await w.follow()).toEqual([]);
    expect(w.pauses).toHaveLength(1);
  });

  it("looks no more when its reader has left", async () => {
    const w = world(() => w.leave.abort());
    w.set(running(1));
    expect(await w.follow()).toEqual([]);
    expect(w.pauses).toHaveLength(1);
  });

  it("ends when its time is over, however long the job runs", async () => {
    const looks = FOLLOW_LOG_MAX_MS / FOLLOW_LOG_EVERY_MS;
    const w = world(...Array.from({ length: looks + 1 }, () => () => undefined));
    w.set(running(1));
    expect(await w.follow()).toEqual([]);
    expect(w.pauses).toHaveLength(looks);
    expect(w.leave.signal.aborted).toBe(false);
  });
});
