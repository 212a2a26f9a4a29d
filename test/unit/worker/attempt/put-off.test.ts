import { describe, expect, it } from "vitest";
import { type PausedSubject, createPauseSet } from "../../../../runtime/core/admission/pause.ts";
import { bellOf } from "../../../../runtime/core/job/bell.ts";
import type { Job } from "../../../../runtime/core/job/job.ts";
import type { ReceivedMessage } from "../../../../runtime/core/ports/job-queue.ts";
import { putOffIfPaused } from "../../../../runtime/worker/attempt/put-off.ts";
import { batchOf, jobOf } from "../../../support/builders.ts";
import { silentLog } from "../../../support/silent.ts";
import { createMemoryStores } from "../../../support/stores/memory-stores.ts";

const QUEUE = "jobs-default-normal";

/** What becomes of the first bell of a job while something is paused. */
async function bellMeets(subject: PausedSubject, row: Job | undefined, job: Job) {
  const { jobs, waiting } = createMemoryStores();
  if (row !== undefined) await jobs.insert(row);
  let isCompleted = false;
  const delivery = {
    ...{ parsed: { kind: "bell", bell: bellOf(job, "etag") }, queue: QUEUE },
    complete: () => Promise.resolve(void (isCompleted = true)),
  } as unknown as ReceivedMessage;
  const pauses = createPauseSet({
    pauses: [{ subject, pausedAt: new Date(), pausedBy: "ada", reason: undefined }],
    runningLimits: [],
  });
  const isSettled = await putOffIfPaused(delivery, { jobs, waiting, pauses: { current: () => pauses } }, silentLog);
  expect(isCompleted).toBe(isSettled);
  return { isSettled, noted: (await waiting.list()).length };
}

describe("a bell of a tenant that is being erased", () => {
  const job = jobOf({}, batchOf({ tenantName: "acme" }));
  const erasure: PausedSubject = { kind: "erasure", tenantName: "acme" };

  it("is completed when the job's row is gone (R47)", async () => {
    expect(await bellMeets(erasure, undefined, job)).toEqual({ isSettled: true, noted: 0 });
  });

  it("waits like that of a paused one while the row is there", async () => {
    expect(await bellMeets(erasure, job, job)).toEqual({ isSettled: true, noted: 1 });
  });

  it("is left to the table of decisions when its tenant is only paused, or another one is erased", async () => {
    const left = { isSettled: false, noted: 0 };
    expect(await bellMeets({ kind: "tenant", tenantName: "acme" }, undefined, job)).toEqual(left);
    expect(await bellMeets({ kind: "erasure", tenantName: "acme-eu" }, undefined, job)).toEqual(left);
  });
});
