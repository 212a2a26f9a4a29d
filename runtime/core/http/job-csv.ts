/** The forms of an export, and a job as a line of CSV. Without schemas, because the client and the command line load it too. */
import type { JobView } from "./views.ts";

export const EXPORT_FORMATS = ["ndjson", "csv"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

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
