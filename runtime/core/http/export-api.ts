/** The export of a tenant's or a batch's jobs: what may be asked for, and its two forms, JSON lines and CSV. */
import * as z from "zod";
import { jobFilterFields } from "./requests.ts";
import { type JobView, jobViewSchema, submitLineSchema } from "./views.ts";

export const EXPORT_FORMATS = ["ndjson", "csv"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const CSV_MEDIA_TYPE = "text/csv";

export const exportJobsSchema = z.strictObject({
  ...jobFilterFields,
  format: z.enum(EXPORT_FORMATS).default("ndjson").meta({ description: "`csv` leaves out the starts of each job." }),
});

/** The last line of an export that is whole. */
export const exportEndSchema = z
  .object({ complete: z.literal(true), jobs: z.int().min(0).meta({ description: "Lines before this one." }) })
  .meta({ id: "ExportEnd" });

const [, brokenOffSchema] = submitLineSchema.options;

export const exportLineSchema = z.union([jobViewSchema, exportEndSchema, brokenOffSchema]);

// --- CSV ---------------------------------------------------------------------------------------------------------------

type Cell = string | number | undefined;

const json = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));

const COLUMNS: Readonly<Record<string, (job: JobView) => Cell>> = {
  jobId: ({ jobId }) => jobId,
  batchId: ({ batchId }) => batchId,
  tenantName: ({ tenantName }) => tenantName,
  clientJobId: ({ clientJobId }) => clientJobId,
  jobType: ({ jobType }) => jobType,
  jobName: ({ jobName }) => jobName,
  jobProcessorPackageName: ({ jobProcessorPackageName }) => jobProcessorPackageName,
  tags: ({ tags }) => tags?.join(" "),
  originJobId: ({ originJobId }) => originJobId,
  priority: ({ priority }) => priority,
  pool: ({ pool }) => pool,
  state: ({ state }) => state,
  attempts: ({ attempts }) => attempts,
  interruptions: ({ interruptions }) => interruptions,
  submittedAt: ({ submittedAt }) => submittedAt,
  submittedBy: ({ submittedBy }) => submittedBy,
  runAt: ({ runAt }) => runAt,
  expiresAt: ({ expiresAt }) => expiresAt,
  startedAt: ({ startedAt }) => startedAt,
  endedAt: ({ endedAt }) => endedAt,
  workerId: ({ workerId }) => workerId,
  failureCode: ({ failure }) => failure?.code,
  failureMessage: ({ failure }) => failure?.message,
  artifactCount: ({ artifactCount }) => artifactCount,
  packageHash: ({ packageHash }) => packageHash,
  parameters: ({ parameters }) => json(parameters),
  output: ({ output }) => json(output),
};

/** One line, with its end. */
export const csvLine = (job: JobView): string => lineOf(Object.values(COLUMNS).map((cellOf) => cellOf(job)));

/** No line of a job begins like this: jobs' lines begin with an id. */
export const csvEnd = (jobs: number): string => `# complete: ${jobs} jobs\r\n`;
export const CSV_END_PATTERN = /^# complete: \d+ jobs$/;

/** https://www.rfc-editor.org/rfc/rfc4180, with each job on one line, so that a cut is always seen. */
function lineOf(cells: readonly Cell[]): string {
  return `${cells.map((cell) => (typeof cell === "string" ? textCell(cell) : (cell ?? ""))).join(",")}\r\n`;
}

/**
 * A spreadsheet takes a cell that begins like this for a formula, also behind blanks, and runs it:
 * https://owasp.org/www-community/attacks/CSV_Injection. The full-width forms are such to some.
 */
const FORMULA = /^[\s\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]/;
/** Line breaks, as every reader knows them, and what would end the text. */
const BREAKS = /[\u0000\t\n\v\f\r\u0085\u2028\u2029]+/g;

function textCell(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  const line = safe.replaceAll(BREAKS, " ");
  return /[",;]|^\s|\s$/.test(line) ? `"${line.replaceAll('"', '""')}"` : line;
}

export const CSV_HEADER = lineOf(Object.keys(COLUMNS));
