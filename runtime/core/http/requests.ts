/** What the web API accepts, checked once at the edge. Messages name the field and the limit. */
import * as z from "zod";
import { DEFAULT_POOL } from "../deployment/topology.ts";
import { ON_CONFLICT } from "../job/unique.ts";
import { POOL_NAME_PATTERN, TENANT_NAME_PATTERN, parseBatchId } from "../job/ids.ts";
import { JOB_STATES, type JobState } from "../job/states.ts";
import { retryOverridesSchema } from "../job/retry.ts";
import {
  CLIENT_JOB_ID_MAX_LENGTH,
  CONTINUATION_TOKEN_MAX_LENGTH,
  DISPLAY_NAME_MAX_LENGTH,
  FIND_TEXT_MAX_LENGTH,
  IDEMPOTENCY_KEY_DAYS,
  IDEMPOTENCY_KEY_MAX_LENGTH,
  LIMIT_KEY_MAX_LENGTH,
  PACKAGE_NAME_MAX_LENGTH,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  POOL_NAME_MAX_LENGTH,
  REQUEUE_MAX_JOBS,
  START_AHEAD_MAX_MS,
  SUBMIT_MAX_JOBS,
  TAGS_MAX_COUNT,
  TAG_MAX_LENGTH,
  TENANT_NAME_MAX_LENGTH,
  TIMEOUT_MAX_MS,
  TIME_TO_LIVE_MAX_MS,
  TIME_TO_LIVE_MIN_MS,
  UNIQUE_KEY_MAX_LENGTH,
} from "../limits.ts";
import { PLAIN_LINE } from "../text.ts";
import { jobStateSchema, prioritySchema } from "./views.ts";

/** A blob name below its tenant: one path segment that ends in `.zip`. */
const ZIP_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]*\.zip$/;

/** A name that is shown, logged and put into tables. */
export const displayName = z
  .string()
  .min(1, "must not be empty")
  .max(DISPLAY_NAME_MAX_LENGTH, `must have at most ${DISPLAY_NAME_MAX_LENGTH} characters`)
  .regex(PLAIN_LINE, "must not contain control characters, nor characters that turn the direction of text");

export const tenantName = z
  .string()
  .regex(TENANT_NAME_PATTERN, `must be 1 to ${TENANT_NAME_MAX_LENGTH} lower-case letters, digits or inner hyphens`)
  .meta({ description: "Whose it is.", examples: ["acme"] });

export const poolName = z
  .string()
  .regex(POOL_NAME_PATTERN, `must be 1 to ${POOL_NAME_MAX_LENGTH} lower-case letters, digits or inner hyphens`)
  .meta({ description: "One of the worker pools the system has.", examples: [DEFAULT_POOL] });

export const packageName = z
  .string()
  .max(PACKAGE_NAME_MAX_LENGTH, `must have at most ${PACKAGE_NAME_MAX_LENGTH} characters`)
  .regex(ZIP_NAME_PATTERN, "must be a file name ending in .zip, of letters, digits, dots, hyphens and underscores")
  .meta({ description: "File name of the package that holds the job type.", examples: ["thumbnails.zip"] });

const batchId = z.string().refine((id) => parseBatchId(id) !== undefined, "is not a batch id");

export const instant = z.iso
  .datetime({ offset: true, error: "must be an instant such as 2030-01-31T08:00:00Z" })
  .transform((text) => new Date(text));

// --- Paths: ids are looked up, not judged, so that a malformed one is simply not found --------------------------------

export const batchParams = z.object({
  batchId: z.string().meta({ description: "The batch.", examples: ["acme.zybsjbpcjz4q7d2c9m"] }),
});

export const jobParams = z.object({
  jobId: z.string().meta({ description: "The job.", examples: ["acme.zybsjbpcjz4q7d2c9m.00.01m6dmbe3r0c7kq2t9"] }),
});

export const artifactParams = jobParams.extend({
  path: z.string().meta({ description: "Path of the artifact; slashes stay slashes.", examples: ["report/2030.pdf"] }),
});

export const deadLetterParams = z.object({
  queue: z.string().meta({ description: "The queue a listed letter names.", examples: ["jobs-default-normal"] }),
  sequenceNumber: z.string().meta({ description: "The number it names.", examples: ["42"] }),
});

/** Whole numbers arrive as text. */
const wholeNumber = z.coerce.number().int();

export const readLogSchema = z.strictObject({
  execution: wholeNumber.min(1).optional().meta({
    description: "Of which start of the job, as its history counts them. Default: the latest.",
  }),
  fromByte: wholeNumber.min(0).default(0).meta({ description: "Where to start: what the caller has already." }),
  follow: z.enum(["true", "false"]).default("false").meta({
    description:
      "Goes on as long as that start of the job does; waits for it when it has not begun. Ends after an hour at the latest.",
  }),
});

export const clientJobParams = z.object({
  tenantName: z.string().meta({ description: "Whose it is.", examples: ["acme"] }),
  clientJobId: z.string().meta({ description: "The id the submitter gave the job.", examples: ["order-7"] }),
});

// --- Headers ---------------------------------------------------------------------------------------------------------

const PRINTABLE = /^[\x20-\x7e]+$/;

export const submitHeaders = z.object({
  "idempotency-key": z
    .string()
    .max(IDEMPOTENCY_KEY_MAX_LENGTH, `must have at most ${IDEMPOTENCY_KEY_MAX_LENGTH} characters`)
    .regex(PRINTABLE, "must be printable ASCII")
    .optional()
    .meta({
      description: `Repeats are safe: for ${IDEMPOTENCY_KEY_DAYS} days the same key and request answer the first's ids.`,
    }),
});

// --- Bodies ----------------------------------------------------------------------------------------------------------

/** Characters that need no escape in an address; a first one that makes no path of dots. */
const CLIENT_JOB_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._~-]*$/;

const clientJobId = z
  .string()
  .max(CLIENT_JOB_ID_MAX_LENGTH, `must have at most ${CLIENT_JOB_ID_MAX_LENGTH} characters`)
  .regex(CLIENT_JOB_ID_PATTERN, "must be letters, digits and . _ ~ -, and start with a letter or digit");

/** Safe in table keys, addresses and shells. */
const TAG_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:=@+-]*$/;

const tag = z
  .string()
  .max(TAG_MAX_LENGTH, `must have at most ${TAG_MAX_LENGTH} characters`)
  .regex(TAG_PATTERN, "must be letters, digits and . _ : = @ + -, and start with a letter or digit")
  .meta({ examples: ["customer:4711"] });

export const tags = z.array(tag).max(TAGS_MAX_COUNT, `must hold at most ${TAGS_MAX_COUNT} tags`);

const limitKey = z
  .string()
  .min(1, "must not be empty")
  .max(LIMIT_KEY_MAX_LENGTH, `must have at most ${LIMIT_KEY_MAX_LENGTH} characters`)
  .regex(PLAIN_LINE, "must not contain control characters, nor characters that turn the direction of text");

const jobFields = z.strictObject({
  tenantName,
  clientJobId: clientJobId.optional().meta({
    description: "The submitter's own id, unique within the tenant. Submitted again, the same job is answered.",
    examples: ["order-7"],
  }),
  jobType: displayName.meta({ description: "What to run, as declared in the package.", examples: ["Thumbnails"] }),
  jobName: displayName.meta({ description: "For people.", examples: ["Thumbnails of order 7"] }),
  jobProcessorPackageName: packageName,
  parameters: z.unknown().optional().meta({
    description:
      "Any JSON value up to 1 MiB; handed to the job unchanged. A number that a 64-bit floating-point number does not hold is refused: send it as text.",
  }),
  priority: prioritySchema.optional().meta({ description: "Default: the batch's." }),
  retry: retryOverridesSchema.optional().meta({
    description: "Fields not given come from the package, then from the default.",
  }),
  timeoutMs: z.int().min(1_000).max(TIMEOUT_MAX_MS).optional().meta({
    description: "An attempt that runs longer is stopped and counts as failed. Default: the package's, then 6 hours.",
  }),
  runAt: instant.optional().meta({ description: "Not to be started before. An instant in the past: at once." }),
  delayMs: z.int().min(0).max(START_AHEAD_MAX_MS).optional().meta({
    description: "As `runAt`, counted from now. Not together with `runAt`.",
  }),
  timeToLiveMs: z.int().min(TIME_TO_LIVE_MIN_MS).max(TIME_TO_LIVE_MAX_MS).optional().meta({
    description: "A job that has waited longer, counted from when it may start, fails instead of starting.",
  }),
  tags: tags.optional().meta({ description: "To find it by. Those of its batch are added; at most 10 in all." }),
  concurrencyKey: limitKey.optional().meta({
    description:
      "Under which key the job counts for the `limits.concurrency` that its package declares, in place of the package's own key. Refused where the package declares none.",
    examples: ["customer-7"],
  }),
  unique: z
    .strictObject({
      key: z
        .string()
        .min(1, "must not be empty")
        .max(UNIQUE_KEY_MAX_LENGTH, `must have at most ${UNIQUE_KEY_MAX_LENGTH} characters`)
        .regex(PLAIN_LINE, "must not contain control characters, nor characters that turn the direction of text")
        .meta({ description: "Of jobs of this type and package.", examples: ["customer-7"] }),
      onConflict: z
        .enum(ON_CONFLICT)
        .default("refuse")
        .meta({
          description:
            "While another job with the key is queued or running. `refuse`: 409. `first`: that job is answered. `replace`: one " +
            "that waits is canceled, and this one takes its place; with `delayMs` the last of a series runs, after a pause.",
        }),
    })
    .optional()
    .meta({ description: "At most one job of this type with this key is queued or running." }),
  publishLater: z.boolean().optional().meta({
    description:
      "The package, or the version that has this job type, is published after this submit: it is not looked for now.",
  }),
});

/** When a job may start. At most one of both. */
export const startFields = {
  runAt: jobFields.shape.runAt,
  delayMs: jobFields.shape.delayMs,
};
export const startsOnce = ({ runAt, delayMs }: { runAt?: Date | undefined; delayMs?: number | undefined }): boolean =>
  runAt === undefined || delayMs === undefined;
export const NOT_BOTH = { path: ["delayMs"], error: "must not be given together with runAt" };

export const jobRequestSchema = jobFields.refine(startsOnce, NOT_BOTH).meta({ id: "JobRequest" });

export const submitJobSchema = jobFields
  .extend({
    batchId: batchId.optional().meta({ description: "Default: the tenant's batch of the day." }),
  })
  .refine(startsOnce, NOT_BOTH)
  .meta({ id: "SubmitJob" });

const bulkBatchId = batchId
  .optional()
  .meta({ description: "Of all jobs. Default: their tenants' batches of the day." });
const TOO_MANY_JOBS = `must hold at most ${SUBMIT_MAX_JOBS} jobs`;

/** Checks the request as a whole. `jobRequestSchema` checks each of its jobs. */
export const submitJobsSchema = z.strictObject({
  batchId: bulkBatchId,
  jobs: z.array(z.unknown()).min(1).max(SUBMIT_MAX_JOBS, TOO_MANY_JOBS),
});

/** The request as documented. */
export const submitJobsDocument = z
  .strictObject({ batchId: bulkBatchId, jobs: z.array(jobRequestSchema).min(1).max(SUBMIT_MAX_JOBS) })
  .meta({ id: "SubmitJobs" });

export const createBatchSchema = z
  .strictObject({
    tenantName: tenantName.optional().meta({ description: "Default: the only tenant the caller acts for." }),
    batchName: displayName.meta({ description: "For people.", examples: ["Invoices of January"] }),
    priority: prioritySchema.optional().meta({ description: "Of jobs that name none. Default: normal." }),
    pool: poolName.optional(),
    tags: tags.optional().meta({ description: "Its jobs get them when they are submitted." }),
    large: z.boolean().optional().meta({
      description: "Set for batches of more than some ten thousand jobs: spreads them over more table partitions.",
    }),
  })
  .meta({ id: "CreateBatch" });

/** For commands that have nothing to say but their name. */
export const emptySchema = z.strictObject({}).meta({ id: "NoFields" });

export const resubmitJobSchema = z
  .strictObject({
    parameters: z.unknown().optional().meta({ description: "Default: those of the job." }),
    publishLater: z.boolean().optional().meta({ description: "As for a submit." }),
  })
  .meta({ id: "ResubmitJob" });

export const rescheduleJobSchema = z
  .strictObject(startFields)
  .refine(({ runAt, delayMs }) => runAt !== undefined || delayMs !== undefined, {
    path: ["runAt"],
    error: "must be given, or delayMs",
  })
  .refine(startsOnce, NOT_BOTH)
  .meta({ id: "RescheduleJob" });

export const requeueJobsSchema = z
  .strictObject({
    jobIds: z.array(z.string()).min(1).max(REQUEUE_MAX_JOBS, `must hold at most ${REQUEUE_MAX_JOBS} ids`),
  })
  .meta({ id: "RequeueJobs" });

export const requeueBatchSchema = z
  .strictObject({
    state: z.enum(["failed", "canceled"]).default("failed").meta({ description: "Which jobs run again." }),
  })
  .meta({ id: "RequeueBatch" });

// --- Queries ---------------------------------------------------------------------------------------------------------

export const pageFields = {
  pageSize: z.coerce.number().int().min(1).max(PAGE_SIZE_MAX).default(PAGE_SIZE_DEFAULT).meta({
    description: "The most items a page holds.",
  }),
  continuationToken: z.string().max(CONTINUATION_TOKEN_MAX_LENGTH).optional().meta({
    description: "What the page before ended with. Opaque.",
  }),
};

export const submitLinesQuery = z.strictObject({
  batchId: bulkBatchId.meta({ description: "For a stream of lines; a JSON body names its batch itself." }),
});

export const listBatchesSchema = z.strictObject({ tenantName, ...pageFields });

export const listJobsSchema = z.strictObject({
  state: jobStateSchema.optional().meta({ description: "Only jobs in this state." }),
  ...pageFields,
});

const STATES_MESSAGE = `must be one or several of ${JOB_STATES.join(", ")}`;

/** One state, or several. */
export const jobStatesSchema = z.union([jobStateSchema, z.array(jobStateSchema).min(1).max(JOB_STATES.length)], {
  error: STATES_MESSAGE,
});

/** The filter of a tenant's lists and actions. */
export const jobFilterFields = {
  state: jobStatesSchema.optional().meta({ description: "Only jobs in this state, or in one of these." }),
  jobType: displayName.optional().meta({ description: "Only jobs of this type." }),
  tag: tag.optional().meta({ description: "Only jobs with this tag." }),
  jobProcessorPackageName: packageName.optional().meta({ description: "Only jobs of this package." }),
  batchId: batchId.optional().meta({ description: "Only jobs of this batch." }),
  text: z
    .string()
    .min(1, "must not be empty")
    .max(FIND_TEXT_MAX_LENGTH, `must have at most ${FIND_TEXT_MAX_LENGTH} characters`)
    .optional()
    .meta({
      description: "Only jobs with this text, in any case, in their name, an id or the message of their failure.",
    }),
  since: instant.optional().meta({ description: "Only jobs submitted then or later." }),
  until: instant.optional().meta({ description: "Only jobs submitted before." }),
};

export const findJobsSchema = z.strictObject({
  ...jobFilterFields,
  delayed: z.literal("true").optional().meta({
    description: "Only queued jobs that may not start yet. Not together with another `state`.",
  }),
  ...pageFields,
});

export const listActionsSchema = z.strictObject(pageFields);

export const tenantJobsParams = z.object({
  tenantName: z.string().meta({ description: "Whose they are.", examples: ["acme"] }),
});

export const listDeadLettersSchema = z.strictObject({
  tenantName: tenantName.optional().meta({ description: "Default: every tenant of the caller's." }),
  pool: poolName.default(DEFAULT_POOL),
  poison: z.enum(["true", "false"]).default("false").meta({
    description: "Also messages that no worker can read, for callers who operate the system.",
  }),
  ...pageFields,
});

export type JobRequestBody = z.infer<typeof jobRequestSchema>;
export type CreateBatchBody = z.infer<typeof createBatchSchema>;

/** As a program writes it; an instant may be a Date, which JSON makes a text of. */
type Written<T extends { runAt?: string | undefined }> = Omit<T, "runAt"> & {
  readonly runAt?: string | Date | undefined;
};
/** A job among many, which share their batch. */
export type JobSubmission = Written<z.input<typeof jobRequestSchema>>;
/** A job, and its batch. */
export type SubmitJobBody = Written<z.input<typeof submitJobSchema>>;
/** The filter of a tenant's lists and actions, as a program writes it. */
export interface JobFilterFields {
  /** One state, or several. */
  readonly state?: JobState | readonly JobState[] | undefined;
  /** Only queued jobs that may not start yet. */
  readonly delayed?: boolean | undefined;
  readonly jobType?: string | undefined;
  readonly jobProcessorPackageName?: string | undefined;
  readonly tag?: string | undefined;
  readonly batchId?: string | undefined;
  /** In the name, an id or the failure's message, in any case. At most 100 characters. */
  readonly text?: string | undefined;
  /** Submitted then or later. */
  readonly since?: string | Date | undefined;
  /** Submitted before. */
  readonly until?: string | Date | undefined;
}
/** One of both. */
export type RescheduleJobBody = Written<z.input<typeof rescheduleJobSchema>>;
export type RequeueBatchBody = z.input<typeof requeueBatchSchema>;
