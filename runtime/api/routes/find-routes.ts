/** Finds jobs of a tenant across its batches. */
import { invalidField } from "../../core/errors.ts";
import { findJobsSchema, tenantJobsParams } from "../../core/http/requests.ts";
import { jobView, jobViewSchema, pageSchema, pageView } from "../../core/http/views.ts";
import { type FindJobs, findPage } from "../find/find-jobs.ts";
import { operation, type Operation } from "../http/operation.ts";

export interface FindOperationDeps {
  readonly findJobs: FindJobs;
}

export const findOperations = (deps: FindOperationDeps): readonly Operation[] => [findJobs(deps)];

const findJobs = ({ findJobs }: FindOperationDeps) =>
  operation({
    id: "findJobs",
    method: "get",
    path: "/v1/tenants/{tenantName}/jobs",
    tag: "Jobs",
    summary: "Find a tenant's jobs, newest first",
    description:
      "Across all batches. A job appears some seconds after it was submitted or changed; every job that is shown fits " +
      "the filter at that moment. A page can have fewer items than `pageSize`, even none, while more follow: go on while " +
      "there is a `continuationToken`.",
    needs: "read",
    params: tenantJobsParams,
    query: findJobsSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("FoundJobPage", jobViewSchema) } },
    errors: [],
    async handle({ caller, params: { tenantName }, query, gone }) {
      // A tenant of others answers like a tenant without jobs.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      const { pageSize, continuationToken, delayed, ...fields } = query;
      if (delayed !== undefined && (fields.state ?? "queued") !== "queued") {
        throw invalidField("delayed", `must not be given together with state ${fields.state ?? ""}`);
      }
      const filter = { tenantName, ...fields, ...(delayed && { delayed: true as const }) };
      return {
        status: 200,
        body: pageView(await findPage(findJobs, filter, { pageSize, continuationToken }, gone), jobView),
      };
    },
  });
