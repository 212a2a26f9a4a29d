/** Exports the jobs of a tenant or a batch. */
import { NotFoundError } from "../../core/errors.ts";
import { CSV_MEDIA_TYPE, exportJobsSchema, exportLineSchema } from "../../core/http/export-api.ts";
import { tenantJobsParams } from "../../core/http/requests.ts";
import { EXPORTS_MAX_COUNT, EXPORTS_PER_CALLER_MAX_COUNT } from "../../core/limits.ts";
import type { JobFilter } from "../../core/job/job-filter.ts";
import type { Batch } from "../../core/job/job.ts";
import { type Caller, callerKey, stillMay } from "../auth/caller.ts";
import { type ExportJobsDeps, asCsv, asLines, exportJobs } from "../export/export-jobs.ts";
import { operation, type Operation } from "../http/operation.ts";
import { createShares } from "../http/rate-limit.ts";
import type { Lookup } from "../lookup.ts";

export interface ExportOperationDeps extends ExportJobsDeps {
  readonly lookup: Pick<Lookup, "batch">;
}

export const exportOperations = (deps: ExportOperationDeps): readonly Operation[] => [exportOne(deps)];

const exportOne = (deps: ExportOperationDeps) => {
  const exports = createShares({
    what: "exports",
    maxCount: EXPORTS_MAX_COUNT,
    maxPerCaller: EXPORTS_PER_CALLER_MAX_COUNT,
  });
  return operation({
    id: "exportJobs",
    method: "get",
    path: "/v1/tenants/{tenantName}/export",
    tag: "Jobs",
    summary: "Export a tenant's or a batch's jobs as JSON lines or CSV",
    description:
      "Every job that fits the filter, batch by batch, in one answer of any length. A job that is submitted or changes " +
      "meanwhile may be in it as it was before. The last line says that the export is whole: " +
      '`{"complete":true,"jobs":2}`, or `# complete: 2 jobs` in CSV. If it is missing, repeat the export; as JSON lines, ' +
      "the last line is then an error with a `requestId`, unless the connection broke. In CSV, line breaks in a text are " +
      "blanks, and a text that a spreadsheet would take for a formula has an apostrophe before it. Parameters that are " +
      "too large to be kept beside the job are left out.",
    needs: "read",
    params: tenantJobsParams,
    query: exportJobsSchema,
    responses: { 200: { description: "A line for each job.", lines: exportLineSchema, file: CSV_MEDIA_TYPE } },
    errors: ["TenantNotFound", "BatchNotFound"],
    async handle({ caller, params: { tenantName }, query: { format, ...fields }, gone }) {
      const filter = { ...fields, tenantName };
      const batch = await batchOf(deps, caller, filter);
      const leave = exports.take(callerKey(caller));
      // The client may have disconnected already; then the answer never ends.
      if (gone.aborted) leave();
      gone.addEventListener("abort", leave);
      const mayRead = () => stillMay(caller, [tenantName]);
      const groups = leavingAtItsEnd(exportJobs({ filter, batch, mayRead }, deps), leave);
      if (format === "ndjson") return { status: 200, lines: asLines(groups) };
      const blob = { contentType: `${CSV_MEDIA_TYPE}; charset=utf-8`, stream: asCsv(groups) };
      return { status: 200, file: { blob, saveAs: `${tenantName}.csv` } };
    },
  });
};

/** Undefined: all of the tenant's. Throws NotFoundError, the same for what is not there as for what the caller may not use. */
async function batchOf(
  { lookup }: ExportOperationDeps,
  caller: Caller,
  { tenantName, batchId }: Pick<JobFilter, "tenantName" | "batchId">,
): Promise<Batch | undefined> {
  if (batchId !== undefined) {
    const { value: batch } = await lookup.batch(caller, batchId);
    if (batch.tenantName === tenantName) return batch;
    throw new NotFoundError("BatchNotFound", `There is no batch ${batchId}.`);
  }
  if (!caller.mayUse(tenantName)) throw new NotFoundError("TenantNotFound", `There is no tenant ${tenantName}.`);
  return undefined;
}

async function* leavingAtItsEnd<T>(items: AsyncIterable<T>, leave: () => void): AsyncGenerator<T> {
  try {
    yield* items;
  } finally {
    leave();
  }
}
