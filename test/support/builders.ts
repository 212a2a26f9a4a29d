/** Complete jobs and batches for tests that care about a few of their fields. */
import { randomInt } from "node:crypto";
import { createIdSource } from "../../runtime/core/ids.ts";
import type { Batch, Claim, Job } from "../../runtime/core/job.ts";
import { DEFAULT_RETRY } from "../../runtime/core/retry.ts";

const ids = createIdSource({ now: () => Date.now(), random32: () => randomInt(2 ** 32) });

export const aBatch = (tenantName: string, fields: Partial<Batch> = {}): Batch => ({
  batchId: ids.batchId(tenantName),
  tenantName,
  batchName: "Test batch",
  priority: "normal",
  pool: "default",
  state: "open",
  generation: 1,
  shardCount: 1,
  createdAt: new Date("2026-01-02T03:04:05.006Z"),
  createdBy: "tester",
  ...fields,
});

/** A queued job as submit inserts it. */
export const aJob = (batch: Batch, fields: Partial<Job> = {}): Job => ({
  jobId: ids.jobId(batch.batchId, batch.shardCount),
  batchId: batch.batchId,
  tenantName: batch.tenantName,
  jobType: "TestJob",
  jobName: "Test job",
  jobProcessorPackageName: "test.zip",
  parameters: '{"n":1}',
  priority: batch.priority,
  pool: batch.pool,
  retry: DEFAULT_RETRY,
  timeoutMs: 60_000,
  state: "queued",
  ring: 1,
  attempts: 0,
  interruptions: 0,
  executions: 0,
  claim: undefined,
  cancelWanted: false,
  reopen: false,
  runAt: undefined,
  submittedAt: new Date("2026-01-02T03:04:05.006Z"),
  submittedBy: "tester",
  startedAt: undefined,
  endedAt: undefined,
  progress: undefined,
  output: undefined,
  artifactCount: 0,
  failure: undefined,
  packageHash: undefined,
  history: [],
  ...fields,
});

export const aClaim = (id: string, fields: Partial<Claim> = {}): Claim => ({
  id,
  workerId: "worker-1",
  bootId: "boot-1",
  queue: "jobs-default-normal",
  sequenceNumber: "1",
  since: new Date("2026-01-02T03:04:06.007Z"),
  ...fields,
});
