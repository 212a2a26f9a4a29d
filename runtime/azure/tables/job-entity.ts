/**
 * The row of a job in table `jobs`. PartitionKey is `{batchId}.{shard}`, RowKey the job id, which contains batch and
 * tenant. The names below are public: operators read them with any table tool.
 *
 * | property                                               | holds                                                      |
 * |--------------------------------------------------------|------------------------------------------------------------|
 * | state, ring, attempts, interruptions, executions       | the state of the job                                       |
 * | claimId, claimWorker, claimBoot, claimQueue, claimSeq, | the worker that runs it; all empty without one             |
 * | claimSince                                             |                                                            |
 * | cancelWanted, reopen, runAt                            | wishes for the next process that writes the job            |
 * | clientJobId, jobType … timeoutMs, expiresAt,           | the request                                                |
 * | submittedAt, submittedBy, requestId, trace, tags,      |                                                            |
 * | originJobId                                            |                                                            |
 * | concurrencyKey, rateKey                                | the keys under which limits of its type hold; may be empty |
 * | uniqueKey                                              | held by at most one job that has not ended                 |
 * | startedAt, endedAt, progress, output, artifactCount,   | the latest attempt                                         |
 * | failure, packageHash                                   |                                                            |
 * | attempt_001 … attempt_100                              | one start of the job each, as JSON; the 101st uses 001     |
 */
import * as z from "zod";
import { InvariantError } from "../../core/errors.ts";
import { parseJobId } from "../../core/job/ids.ts";
import { instantSchema } from "../../core/instant.ts";
import type { Claim, HistoryEntry, Job } from "../../core/job/job.ts";
import { HISTORY_MAX_ENTRIES } from "../../core/limits.ts";
import type { JobChanges, JobOutline } from "../../core/ports/job-store.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import { retryOverridesSchema } from "../../core/job/retry.ts";
import { JOB_STATES, type JobState } from "../../core/job/states.ts";
import {
  type Cell,
  type Cells,
  type Column,
  type Columns,
  flag,
  instant,
  integer,
  json,
  optional,
  optionalInstant,
  optionalJson,
  optionalText,
  parseCell,
  readCells,
  type Row,
  text,
  word,
  writeCells,
} from "./columns.ts";
import type { RowKeys } from "./rows.ts";

const progressSchema = z.object({
  fraction: z.number().exactOptional(),
  text: z.string().exactOptional(),
});

const failureSchema = z.object({
  code: z.string(),
  message: z.string(),
  attempt: z.number(),
  failedAt: instantSchema,
  retryable: z.boolean(),
  stack: z.string().exactOptional(),
});

const tagsSchema = z.array(z.string()).readonly();

/** The end of an attempt writes its entry again, so fields of a later release must stay. */
const historySchema: z.ZodType<HistoryEntry> = z.looseObject({
  execution: z.int(),
  attempt: z.int(),
  workerId: z.string(),
  claimId: z.string(),
  startedAt: instantSchema,
  endedAt: instantSchema.exactOptional(),
  outcome: z.enum(["succeeded", "failed", "canceled", "interrupted"]).exactOptional(),
  code: z.string().exactOptional(),
  trace: z.string().exactOptional(),
});

const claimParts = {
  id: text("claimId"),
  workerId: text("claimWorker"),
  bootId: text("claimBoot"),
  queue: text("claimQueue"),
  /** As text, because a sequence number has 64 bits. */
  sequenceNumber: text("claimSeq"),
  since: instant("claimSince"),
} satisfies Columns<Claim>;

const NO_CLAIM = { claimId: "", claimWorker: "", claimBoot: "", claimQueue: "", claimSeq: "", claimSince: "" };

const claim: Column<Claim | undefined> = {
  write: (value) => (value === undefined ? NO_CLAIM : writeCells<Claim>(claimParts, value)),
  read: (row) =>
    optionalText("claimId").read(row) === undefined ? undefined : readCells<Claim>("job", claimParts, row),
};

const ATTEMPT_PROPERTY = /^attempt_\d{3}$/;

/** The property of a start. After `HISTORY_MAX_ENTRIES` starts, the oldest entry is overwritten. */
const attemptProperty = (execution: number): string =>
  `attempt_${String(((execution - 1) % HISTORY_MAX_ENTRIES) + 1).padStart(3, "0")}`;

const history: Column<readonly HistoryEntry[]> = {
  write(entries) {
    const cells: Record<string, Cell> = {};
    for (const entry of entries) cells[attemptProperty(entry.execution)] = JSON.stringify(entry);
    return cells;
  },
  read: (row) =>
    Object.keys(row)
      .filter((name) => ATTEMPT_PROPERTY.test(name))
      .map((name) => parseCell(name, row[name], historySchema))
      .sort((a, b) => a.execution - b.execution),
};

/** The ids are stored in the keys only. */
type StoredJob = Omit<Job, "jobId" | "batchId" | "tenantName">;

const JOB_COLUMNS: Columns<StoredJob> = {
  state: word("state", JOB_STATES),
  ring: integer("ring"),
  attempts: integer("attempts"),
  interruptions: integer("interruptions"),
  executions: integer("executions"),
  claim,
  cancelWanted: flag("cancelWanted"),
  reopen: flag("reopen"),
  runAt: optionalInstant("runAt"),
  clientJobId: optionalText("clientJobId"),
  jobType: text("jobType"),
  jobName: text("jobName"),
  jobProcessorPackageName: text("jobProcessorPackageName"),
  parameters: optionalText("parameters"),
  priority: word("priority", PRIORITIES),
  pool: text("pool"),
  retry: json("retry", retryOverridesSchema),
  uniqueKey: optionalText("uniqueKey"),
  timeoutMs: optional("timeoutMs", integer("timeoutMs")),
  expiresAt: optionalInstant("expiresAt"),
  concurrencyKey: optionalText("concurrencyKey"),
  rateKey: optionalText("rateKey"),
  submittedAt: instant("submittedAt"),
  submittedBy: text("submittedBy"),
  trace: optionalText("trace"),
  requestId: optionalText("requestId"),
  startedAt: optionalInstant("startedAt"),
  endedAt: optionalInstant("endedAt"),
  progress: optionalJson("progress", progressSchema),
  output: optionalText("output"),
  artifactCount: integer("artifactCount"),
  failure: optionalJson("failure", failureSchema),
  packageHash: optionalText("packageHash"),
  history,
  tags: optionalJson("tags", tagsSchema),
  originJobId: optionalText("originJobId"),
};

/** The keys of a job's row. Throws InvariantError for an invalid job id. */
export function jobKeys(jobId: string): RowKeys {
  const parts = parseJobId(jobId);
  if (parts === undefined) throw new InvariantError("Not a job id.");
  return { partitionKey: parts.partition, rowKey: jobId };
}

/** The cells of a new row. Undefined fields get no property. */
export function jobCells(job: Job): Cells {
  const present = Object.fromEntries(Object.entries(job).filter(([, value]) => value !== undefined));
  return writeCells(JOB_COLUMNS, present as Partial<StoredJob>);
}

/** The cells of a merge. A field that is present with the value undefined is written as absent. */
export const changedCells = (to: JobState, changes: JobChanges): Cells => ({
  ...writeCells(JOB_COLUMNS, changes as Partial<StoredJob>),
  state: to,
});

const { state, jobType, tags, runAt } = JOB_COLUMNS;
const OUTLINE_COLUMNS = { state, jobType, tags, runAt };

export const OUTLINE_PROPERTIES = ["PartitionKey", "RowKey", ...Object.keys(OUTLINE_COLUMNS)];

/** Of a row that has at least `OUTLINE_PROPERTIES`. Throws UnreadableError when the row cannot be read. */
export function outlineOf(row: Row): JobOutline {
  return { jobId: String(row["rowKey"]), ...readCells<Omit<JobOutline, "jobId">>("job", OUTLINE_COLUMNS, row) };
}

/** The job in a row. Throws UnreadableError when the row cannot be read. */
export function jobOf(row: Row): Job {
  const jobId = row["rowKey"];
  const parts = typeof jobId === "string" ? parseJobId(jobId) : undefined;
  if (typeof jobId !== "string" || parts === undefined) throw new InvariantError("A job's row has no job id as key.");
  return { jobId, batchId: parts.batchId, tenantName: parts.tenantName, ...readCells("job", JOB_COLUMNS, row) };
}
