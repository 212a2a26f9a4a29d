/** Exports of jobs as a stream of lines, of any length, in constant memory. */
import { CSV_END_PATTERN, type ExportFormat } from "../core/http/job-csv.ts";
import type { JobFilterFields } from "../core/http/requests.ts";
import { linesOf } from "./bytes.ts";
import { JobServiceError, networkFailed } from "./job-service-error.ts";
import { type CallOptions, type Transport, path } from "./transport.ts";

export type ExportOptions = CallOptions & Omit<JobFilterFields, "delayed">;

export interface ExportLinesOptions extends ExportOptions {
  /** Default "ndjson". */
  readonly format?: ExportFormat | undefined;
}

/**
 * Yields the lines without their line breaks and without the last one, which says that the export is whole. If that is
 * missing, it throws after the lines that have arrived: the service's error, or NetworkFailed. Nothing is repeated then.
 */
export async function* exportLines(
  transport: Transport,
  tenantName: string,
  { signal, format = "ndjson", since, until, ...filter }: ExportLinesOptions,
): AsyncGenerator<string> {
  const query = { ...filter, format, since: textOf(since), until: textOf(until) };
  const response = await transport.stream({ path: path`/v1/tenants/${tenantName}/export`, query, signal });
  const lines = linesOf(response.body, { stallMs: transport.answerWithinMs });
  /** Only at the end it is known to be the last one. */
  let held: string | undefined;
  try {
    for (;;) {
      const next = await lines.next().catch((error: unknown) => {
        throw networkFailed(error, response);
      });
      if (next.done === true) break;
      if (held !== undefined) yield held;
      held = next.value;
    }
  } finally {
    await lines.return(undefined);
  }
  assertWhole(held ?? "", format, response);
}

const textOf = (instant: string | Date | undefined): string | undefined =>
  instant instanceof Date ? instant.toISOString() : instant;

interface LastLine {
  readonly complete?: boolean;
  readonly error?: {
    readonly code?: string;
    readonly message?: string;
    readonly requestId?: string;
    readonly retryable?: boolean;
  };
}

function assertWhole(last: string, format: ExportFormat, { status, headers }: Response): void {
  if (format === "csv" ? CSV_END_PATTERN.test(last) : parsed(last).complete === true) return;
  const { code, message = "The export ended early.", requestId, retryable } = parsed(last).error ?? {};
  const id = requestId ?? headers.get("x-request-id") ?? undefined;
  if (code !== undefined) throw new JobServiceError(code, message, { status, requestId: id, retryable });
  throw networkFailed(new Error("The export ended before its last line."), { status });
}

function parsed(line: string): LastLine {
  try {
    return JSON.parse(line) as LastLine;
  } catch {
    // Cut off, or a line of CSV: not the last one of an export that is whole.
    return {};
  }
}
