/** Every job survives the way into a row and back, and every change does to the row what it does to the job. */
import type { TableEntity } from "@azure/data-tables";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createJobStore } from "../../../runtime/azure/index.ts";
import { parseJobId } from "../../../runtime/core/job/ids.ts";
import { type Claim, type Failure, type HistoryEntry, type Job, type Progress } from "../../../runtime/core/job/job.ts";
import { HISTORY_MAX_ENTRIES } from "../../../runtime/core/limits.ts";
import type { JobChanges } from "../../../runtime/core/ports/job-store.ts";
import { PRIORITIES } from "../../../runtime/core/job/priority.ts";
import type { RetryOverrides } from "../../../runtime/core/job/retry.ts";
import { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const store = createJobStore({ storage: testStorage(), writerId: "entity-test" });

const date = fc.date({ min: new Date("1970-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
/** Well formed, because that is all HTTP lets in; everything odd else. */
const text = fc.oneof(
  fc.string({ unit: "binary", minLength: 1 }),
  fc.constantFrom("\u2028\u2029", '"}{"', "'quoted'", "--changeset_x\r\n", "\\u2028", "%41", " "),
);
const count = fc.nat({ max: 2 ** 31 - 1 });
const jsonText = fc.jsonValue().map((value) => JSON.stringify(value));
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

const claim: fc.Arbitrary<Claim> = fc.record({
  id: fc.uuid(),
  workerId: text,
  bootId: text,
  queue: text,
  sequenceNumber: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String),
  since: date,
});
const progress: fc.Arbitrary<Progress> = fc.record(
  { fraction: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0), text: fc.string() },
  { requiredKeys: [] },
);
const failure: fc.Arbitrary<Failure> = fc.record({
  code: text,
  message: text,
  attempt: count,
  failedAt: date,
  retryable: fc.boolean(),
});
const retry: fc.Arbitrary<RetryOverrides> = fc.record(
  {
    maxAttempts: fc.integer({ min: 1, max: 50 }),
    initialDelayMs: fc.nat({ max: 86_400_000 }),
    factor: fc.double({ min: 1, max: 10, noNaN: true }),
    maxDelayMs: fc.nat({ max: 86_400_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
  },
  { requiredKeys: [] },
);
const historyEntry: fc.Arbitrary<HistoryEntry> = fc.record(
  {
    execution: fc.integer({ min: 1, max: 3 * HISTORY_MAX_ENTRIES }),
    attempt: count,
    workerId: text,
    claimId: fc.uuid(),
    startedAt: date,
    endedAt: date,
    outcome: fc.constantFrom("succeeded", "failed", "canceled", "interrupted"),
    code: text,
  },
  { requiredKeys: ["execution", "attempt", "workerId", "claimId", "startedAt"] },
);

const changeable = {
  ring: count,
  attempts: count,
  interruptions: count,
  executions: count,
  claim: maybe(claim),
  cancelWanted: fc.boolean(),
  reopen: fc.boolean(),
  runAt: maybe(date),
  startedAt: maybe(date),
  endedAt: maybe(date),
  progress: maybe(progress),
  output: maybe(jsonText),
  artifactCount: count,
  failure: maybe(failure),
  packageHash: maybe(text),
};

const fields: fc.Arbitrary<Partial<Job>> = fc.record({
  ...changeable,
  jobType: text,
  jobName: text,
  jobProcessorPackageName: text,
  parameters: maybe(jsonText),
  priority: fc.constantFrom(...PRIORITIES),
  pool: text,
  retry,
  timeoutMs: maybe(count),
  expiresAt: maybe(date),
  submittedAt: date,
  submittedBy: text,
  requestId: maybe(text),
});

const changes: fc.Arbitrary<JobChanges> = fc.record(
  { ...changeable, history: fc.array(historyEntry, { maxLength: 3 }) },
  { requiredKeys: [] },
);

/** What the row keeps of all entries ever written: of each place the latest. */
function keptOf(entries: readonly HistoryEntry[]): readonly HistoryEntry[] {
  const kept = new Map(entries.map((entry) => [entry.execution % HISTORY_MAX_ENTRIES, entry]));
  return [...kept.values()].sort((a, b) => a.execution - b.execution);
}

describe("a job's row", () => {
  it("holds any job, and any changes made to it one after the other", async () => {
    const batch = batchOf({ tenantName: freshTenant(), shardCount: 16 });
    await fc.assert(
      fc.asyncProperty(fields, fc.array(changes, { maxLength: 4 }), async (given, steps) => {
        let job: Job = jobOf(given, batch);
        let result = await store.insert(job);
        for (const step of steps) {
          if (!result.written) throw new Error("not written");
          const update = {
            jobId: job.jobId,
            etag: result.etag,
            from: job.state,
            to: "running",
            changes: step,
          } as const;
          result = await store.update(update);
          job = { ...job, ...step, state: "running", history: keptOf([...job.history, ...(step.history ?? [])]) };
        }
        expect(await store.get(job.jobId)).toEqual({ value: job, etag: result.written ? result.etag : undefined });
      }),
      { numRuns: 150 },
    );
  });

  it("written before jobs could expire reads as one that never does", async () => {
    const job = jobOf({ expiresAt: new Date(0) }, batchOf({ tenantName: freshTenant() }));
    await store.insert(job);
    const table = testStorage().table(TABLES.jobs).retrying;
    const { expiresAt, ...older } = await table.getEntity(parseJobId(job.jobId)!.partition, job.jobId);
    expect(expiresAt).toEqual(new Date(0));
    await table.updateEntity(older as TableEntity, "Replace");
    expect((await store.get(job.jobId))?.value).toEqual({ ...job, expiresAt: undefined });
  });

  it("keeps the latest hundred starts", async () => {
    const entryOf = (execution: number): HistoryEntry => ({
      execution,
      attempt: 1,
      workerId: "w",
      claimId: "c",
      startedAt: new Date(execution),
    });
    const job = jobOf({}, batchOf({ tenantName: freshTenant() }));
    let result = await store.insert(job);
    let from: Job["state"] = "queued";
    for (let execution = 1; execution <= 105; execution++) {
      if (!result.written) throw new Error("not written");
      const change = { from, to: "running", changes: { history: [entryOf(execution)] } } as const;
      result = await store.update({ jobId: job.jobId, etag: result.etag, ...change });
      from = "running";
    }
    const stored = await store.get(job.jobId);
    expect(stored?.value.history).toEqual(Array.from({ length: 100 }, (_, index) => entryOf(index + 6)));
  });
});
