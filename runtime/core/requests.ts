/** What the web API accepts, checked once at the edge. Messages name the field and the limit. */
import * as z from "zod";
import { parseBatchId, POOL_NAME_PATTERN, TENANT_NAME_PATTERN } from "./ids.ts";
import { JOB_STATES } from "./states.ts";
import {
  CLIENT_JOB_ID_MAX_LENGTH,
  CONTINUATION_TOKEN_MAX_LENGTH,
  DISPLAY_NAME_MAX_LENGTH,
  PACKAGE_NAME_MAX_LENGTH,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  POOL_NAME_MAX_LENGTH,
  REQUEUE_MAX_JOBS,
  START_AHEAD_MAX_MS,
  SUBMIT_MAX_JOBS,
  TENANT_NAME_MAX_LENGTH,
  TIME_TO_LIVE_MAX_MS,
  TIME_TO_LIVE_MIN_MS,
  TIMEOUT_MAX_MS,
} from "./limits.ts";
import { PRIORITIES } from "./priority.ts";
import { retryOverridesSchema } from "./retry.ts";
import { DEFAULT_POOL } from "./topology.ts";

/** A blob name below its tenant: one path segment that ends in `.zip`. */
const PACKAGE_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]*\.zip$/;

// Control characters have no place in a name that is shown, logged and put into tables.
const NO_CONTROL_CHARACTERS = /^[^\u0000-\u001f\u007f]*$/;

const displayName = z
  .string()
  .min(1, "must not be empty")
  .max(DISPLAY_NAME_MAX_LENGTH, `must have at most ${DISPLAY_NAME_MAX_LENGTH} characters`)
  .regex(NO_CONTROL_CHARACTERS, "must not contain control characters");

const tenantName = z
  .string()
  .regex(TENANT_NAME_PATTERN, `must be 1 to ${TENANT_NAME_MAX_LENGTH} lower-case letters, digits or inner hyphens`);

const poolName = z
  .string()
  .regex(POOL_NAME_PATTERN, `must be 1 to ${POOL_NAME_MAX_LENGTH} lower-case letters, digits or inner hyphens`);

const packageName = z
  .string()
  .max(PACKAGE_NAME_MAX_LENGTH, `must have at most ${PACKAGE_NAME_MAX_LENGTH} characters`)
  .regex(PACKAGE_NAME_PATTERN, "must be a file name ending in .zip, of letters, digits, dots, hyphens and underscores");

const batchId = z.string().refine((id) => parseBatchId(id) !== undefined, "is not a batch id");

const instant = z.iso
  .datetime({ offset: true, error: "must be an instant such as 2030-01-31T08:00:00Z" })
  .transform((text) => new Date(text));

/** Characters that need no escape in an address; a first one that makes no path of dots. */
const CLIENT_JOB_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._~-]*$/;

const clientJobId = z
  .string()
  .max(CLIENT_JOB_ID_MAX_LENGTH, `must have at most ${CLIENT_JOB_ID_MAX_LENGTH} characters`)
  .regex(CLIENT_JOB_ID_PATTERN, "must be letters, digits and . _ ~ -, and start with a letter or digit");

const jobFields = z.strictObject({
  tenantName,
  /** The submitter's own id, unique within the tenant: a repeated submit with the same id and body is the same job. */
  clientJobId: clientJobId.optional(),
  jobType: displayName,
  jobName: displayName,
  jobProcessorPackageName: packageName,
  /** Any JSON value; handed to the job unchanged. */
  parameters: z.unknown().optional(),
  /** Default: the batch's. */
  priority: z.enum(PRIORITIES).optional(),
  retry: retryOverridesSchema.optional(),
  timeoutMs: z.int().min(1_000).max(TIMEOUT_MAX_MS).optional(),
  /** Not to be started before. An instant in the past: at once. */
  runAt: instant.optional(),
  /** The same, counted from now. */
  delayMs: z.int().min(0).max(START_AHEAD_MAX_MS).optional(),
  /** A job that has waited longer, counted from when it may start, fails instead of starting. */
  timeToLiveMs: z.int().min(TIME_TO_LIVE_MIN_MS).max(TIME_TO_LIVE_MAX_MS).optional(),
});

const startsOnce = ({ runAt, delayMs }: { runAt?: Date | undefined; delayMs?: number | undefined }): boolean =>
  runAt === undefined || delayMs === undefined;
const NOT_BOTH = { path: ["delayMs"], error: "must not be given together with runAt" };

export const jobRequestSchema = jobFields.refine(startsOnce, NOT_BOTH);

export const submitJobSchema = jobFields
  .extend({
    /** Default: the tenant's batch of the day. */
    batchId: batchId.optional(),
  })
  .refine(startsOnce, NOT_BOTH);

export const submitJobsSchema = z.strictObject({
  batchId: batchId.optional(),
  jobs: z.array(z.unknown()).min(1).max(SUBMIT_MAX_JOBS, `must hold at most ${SUBMIT_MAX_JOBS} jobs`),
});

export const createBatchSchema = z.strictObject({
  /** Default: the only tenant the caller acts for. */
  tenantName: tenantName.optional(),
  batchName: displayName,
  priority: z.enum(PRIORITIES).optional(),
  pool: poolName.optional(),
  /** Set for batches of more than some ten thousand jobs: spreads them over more table partitions. */
  large: z.boolean().optional(),
});

/** For commands that have nothing to say but their name. */
export const emptySchema = z.strictObject({});

export const requeueJobsSchema = z.strictObject({
  jobIds: z.array(z.string()).min(1).max(REQUEUE_MAX_JOBS, `must hold at most ${REQUEUE_MAX_JOBS} ids`),
});

export const requeueBatchSchema = z.strictObject({ state: z.enum(["failed", "canceled"]).default("failed") });

const pageFields = {
  pageSize: z.coerce.number().pipe(z.int().min(1).max(PAGE_SIZE_MAX)).default(PAGE_SIZE_DEFAULT),
  continuationToken: z.string().max(CONTINUATION_TOKEN_MAX_LENGTH).optional(),
};

export const listBatchesSchema = z.strictObject({ tenantName, ...pageFields });

export const listJobsSchema = z.strictObject({ state: z.enum(JOB_STATES).optional(), ...pageFields });

export const listDeadLettersSchema = z.strictObject({
  tenantName: tenantName.optional(),
  pool: poolName.default(DEFAULT_POOL),
  /** Also messages that are no bells of ours. */
  poison: z.enum(["true", "false"]).default("false"),
  ...pageFields,
});

export type JobRequestBody = z.infer<typeof jobRequestSchema>;
export type CreateBatchBody = z.infer<typeof createBatchSchema>;
