/** Finds and counts jobs of a tenant across its batches. */
import { NotFoundError } from "../../core/errors.ts";
import { overviewSchema } from "../../core/http/overview-api.ts";
import { pauseView, tenantOfPause } from "../../core/http/pause-api.ts";
import { findJobsSchema, tenantJobsParams } from "../../core/http/requests.ts";
import { jobView, jobViewSchema, pageSchema, pageView } from "../../core/http/views.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import { assertDelayed, type FindJobs, findPage } from "../find/find-jobs.ts";
import type { ReadOverview } from "../find/read-overview.ts";
import { operation, type Operation } from "../http/operation.ts";

export interface FindOperationDeps {
  readonly findJobs: FindJobs;
  readonly readOverview: ReadOverview;
  readonly pauseBoard: Pick<PauseBoard, "current">;
}

export const findOperations = (deps: FindOperationDeps): readonly Operation[] => [findJobs(deps), getOverview(deps)];

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
      const filter = { tenantName, ...fields, ...(delayed && { delayed: true as const }) };
      assertDelayed(filter, "delayed");
      return {
        status: 200,
        body: pageView(await findPage(findJobs, filter, { pageSize, continuationToken }, gone), jobView),
      };
    },
  });

const getOverview = ({ readOverview, pauseBoard }: FindOperationDeps) =>
  operation({
    id: "getOverview",
    method: "get",
    path: "/v1/tenants/{tenantName}/overview",
    tag: "Jobs",
    summary: "Count a tenant's jobs",
    description:
      "How many wait, run and have failed, and how the jobs of the last hours ended. The numbers come from the index: they " +
      "are some seconds late, and go up to a limit. The counts of a batch are exact.",
    needs: "read",
    params: tenantJobsParams,
    responses: { 200: { description: "The numbers.", schema: overviewSchema } },
    errors: ["TenantNotFound"],
    async handle({ caller, params: { tenantName } }) {
      if (!caller.mayUse(tenantName)) {
        throw new NotFoundError("TenantNotFound", `There is no tenant ${tenantName} for this caller.`);
      }
      const overview = await readOverview(tenantName);
      const pauses = pauseBoard.current().pauses.filter(({ subject }) => {
        const of = tenantOfPause(subject);
        return of === undefined || of === tenantName;
      });
      return { status: 200, body: { ...overview, ...(pauses.length > 0 && { pauses: pauses.map(pauseView) }) } };
    },
  });
