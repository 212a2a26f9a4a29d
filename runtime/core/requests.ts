/** What the web API accepts, checked once at the edge. Messages name the field and the limit. */
import * as z from "zod";
import { parseBatchId, POOL_NAME_PATTERN, TENANT_NAME_PATTERN } from "./ids.ts";
import { JOB_STATES } from "./states.ts";
import {
  CONTINUATION_TOKEN_MAX_LENGTH,
  DISPLAY_NAME_MAX_LENGTH,
  PACKAGE_NAME_MAX_LENGTH,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  POOL_NAME_MAX_LENGTH,
  SUBMIT_MAX_JOBS,
  TENANT_NAME_MAX_LENGTH,
  TIMEOUT_MAX_MS,
} from "./limits.ts";
import { PRIORITIES } from "./priority.ts";
import { retryOverridesSchema } from "./retry.ts";

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

export const jobRequestSchema = z.strictObject({
  tenantName,
  jobType: displayName,
  jobName: displayName,
  jobProcessorPackageName: packageName,
  /** Any JSON value; handed to the job unchanged. */
  parameters: z.unknown().optional(),
  /** Default: the batch's. */
  priority: z.enum(PRIORITIES).optional(),
  retry: retryOverridesSchema.optional(),
  timeoutMs: z.int().min(1_000).max(TIMEOUT_MAX_MS).optional(),
});

export const submitJobSchema = jobRequestSchema.extend({
  /** Default: the tenant's batch of the day. */
  batchId: batchId.optional(),
});

export const submitJobsSchema = z.strictObject({
  batchId: batchId.optional(),
  jobs: z.array(z.unknown()).min(1).max(SUBMIT_MAX_JOBS, `must hold at most ${SUBMIT_MAX_JOBS} jobs`),
});

export const createBatchSchema = z.strictObject({
  tenantName,
  batchName: displayName,
  priority: z.enum(PRIORITIES).optional(),
  pool: poolName.optional(),
  /** Set for batches of more than some ten thousand jobs: spreads them over more table partitions. */
  large: z.boolean().optional(),
});

const pageFields = {
  pageSize: z.coerce.number().pipe(z.int().min(1).max(PAGE_SIZE_MAX)).default(PAGE_SIZE_DEFAULT),
  continuationToken: z.string().max(CONTINUATION_TOKEN_MAX_LENGTH).optional(),
};

export const listBatchesSchema = z.strictObject({ tenantName, ...pageFields });

export const listJobsSchema = z.strictObject({ state: z.enum(JOB_STATES).optional(), ...pageFields });

export type JobRequestBody = z.infer<typeof jobRequestSchema>;
export type CreateBatchBody = z.infer<typeof createBatchSchema>;
