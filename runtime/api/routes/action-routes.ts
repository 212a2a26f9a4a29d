/** Operations on many jobs of a tenant at once: start an action, follow it, cancel it. */
import type * as z from "zod";
import { NotFoundError, UnavailableError, invalidField } from "../../core/errors.ts";
import { actionParams, actionView, actionViewSchema, startActionSchema } from "../../core/http/action-api.ts";
import { emptySchema, listActionsSchema, tenantJobsParams } from "../../core/http/requests.ts";
import { pageSchema, pageView } from "../../core/http/views.ts";
import { type JobAction, NO_ACTION_COUNTS, refusedState } from "../../core/job/action.ts";
import type { Clock } from "../../core/clock.ts";
import { type IdSource, parseBatchId } from "../../core/job/ids.ts";
import { statesOf } from "../../core/job/job-filter.ts";
import type { ActionStore } from "../../core/ports/action-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { Caller } from "../auth/caller.ts";
import { operation, type Operation } from "../http/operation.ts";
import { assertDelayed } from "../find/find-jobs.ts";
import { jsonBody } from "../http/read-request.ts";
import { startTimeOf } from "../submit/start-time.ts";

export interface ActionOperationDeps {
  readonly actions: ActionStore;
  readonly ids: Pick<IdSource, "batchId">;
  readonly now: Clock["now"];
}

export const actionOperations = (deps: ActionOperationDeps): readonly Operation[] => [
  startAction(deps),
  listActions(deps),
  getAction(deps),
  cancelAction(deps),
];

const startAction = ({ actions, ids, now }: ActionOperationDeps) =>
  operation({
    id: "startAction",
    method: "post",
    path: "/v1/tenants/{tenantName}/actions",
    tag: "Jobs",
    summary: "Cancel, requeue, reschedule or tag many jobs",
    description:
      "Starts an action on all jobs that fit the filter and were submitted before. It goes on in the background, some " +
      "hundred jobs a second, over restarts of the service; its counts show how far it is.",
    needs: "submit",
    params: tenantJobsParams,
    body: jsonBody(startActionSchema),
    responses: { 202: { description: "The action.", schema: actionViewSchema } },
    errors: ["TenantNotFound"],
    async handle({ caller, params: { tenantName }, body }) {
      if (!caller.mayUse(tenantName)) {
        throw new NotFoundError("TenantNotFound", `There is no tenant ${tenantName} for this caller.`);
      }
      const { kind, filter, tags = [], dryRun = false } = body;
      assertSensible(body);
      const startedAt = now();
      const runAt = kind === "reschedule" ? startTimeOf(body, startedAt) : undefined;
      const until = filter.until !== undefined && filter.until < startedAt ? filter.until : startedAt;
      const action: JobAction = {
        ...{ actionId: ids.batchId(tenantName), tenantName, kind, tags: [...new Set(tags)], runAt, dryRun },
        filter: { ...filter, until },
        ...{ state: "running", counts: NO_ACTION_COUNTS, position: undefined, cancelWanted: false },
        ...{ startedAt, startedBy: caller.name, endedAt: undefined },
      };
      await actions.start(action);
      return { status: 202, body: actionView(action) };
    },
  });

type Sensible = Pick<z.output<typeof startActionSchema>, "kind" | "tags" | "filter" | "runAt" | "delayMs">;

/** Throws InvalidRequestError. */
function assertSensible({ kind, filter, tags, runAt, delayMs }: Sensible): void {
  const isTagging = kind === "tag" || kind === "untag";
  if (isTagging && tags === undefined) throw invalidField("tags", `are required to ${kind} jobs`);
  if (!isTagging && tags !== undefined) throw invalidField("tags", "must be given to tag or untag jobs only");
  const isTimed = runAt !== undefined || delayMs !== undefined;
  if (kind === "reschedule" && !isTimed) throw invalidField("runAt", "must be given to reschedule jobs, or delayMs");
  if (kind !== "reschedule" && isTimed) {
    throw invalidField(runAt === undefined ? "delayMs" : "runAt", "must be given to reschedule jobs only");
  }
  // An empty filter is more often a mistake than a wish.
  if (Object.values(filter).every((value) => value === undefined)) {
    throw invalidField("filter", "must have at least one field");
  }
  assertDelayed(filter, "filter.delayed");
  const problem = statesOf(filter)?.flatMap((state) => refusedState(kind, state) ?? [])[0];
  if (problem !== undefined) throw invalidField("filter.state", problem);
}

const listActions = ({ actions }: ActionOperationDeps) =>
  operation({
    id: "listActions",
    method: "get",
    path: "/v1/tenants/{tenantName}/actions",
    tag: "Jobs",
    summary: "List a tenant's actions, newest first",
    needs: "read",
    params: tenantJobsParams,
    query: listActionsSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("ActionPage", actionViewSchema) } },
    errors: [],
    async handle({ caller, params: { tenantName }, query }) {
      // A tenant of others answers like a tenant without actions.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      return { status: 200, body: pageView(await actions.list(tenantName, query), actionView) };
    },
  });

const getAction = (deps: ActionOperationDeps) =>
  operation({
    id: "getAction",
    method: "get",
    path: "/v1/tenants/{tenantName}/actions/{actionId}",
    tag: "Jobs",
    summary: "Get an action",
    needs: "read",
    params: actionParams,
    responses: { 200: { description: "The action with its counts.", schema: actionViewSchema } },
    errors: ["ActionNotFound"],
    async handle({ caller, params }) {
      return { status: 200, body: actionView((await find(deps, caller, params)).value) };
    },
  });

/** A step that ends writes the row a few times a second at most. */
const CANCEL_TRIES = 50;

const cancelAction = (deps: ActionOperationDeps) =>
  operation({
    id: "cancelAction",
    method: "post",
    path: "/v1/tenants/{tenantName}/actions/{actionId}/cancel",
    tag: "Jobs",
    summary: "Cancel an action",
    description: "It ends before its next step. What it has done to jobs stays.",
    needs: "submit",
    params: actionParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The action.", schema: actionViewSchema } },
    errors: ["ActionNotFound"],
    async handle({ caller, params }) {
      for (let tries = 0; tries < CANCEL_TRIES; tries++) {
        const { value: action, etag } = await find(deps, caller, params);
        if (action.state !== "running" || action.cancelWanted) return { status: 200, body: actionView(action) };
        if (await deps.actions.update(action.actionId, etag, { cancelWanted: true })) {
          return { status: 200, body: actionView({ ...action, cancelWanted: true }) };
        }
      }
      throw new UnavailableError("StorageUnavailable", "The action changed each time it was to be canceled.");
    },
  });

/** Throws NotFoundError, also for what belongs to a tenant that the caller may not use. */
async function find(
  { actions }: ActionOperationDeps,
  caller: Caller,
  { tenantName, actionId }: { readonly tenantName: string; readonly actionId: string },
): Promise<Stored<JobAction>> {
  const isOurs = parseBatchId(actionId)?.tenantName === tenantName && caller.mayUse(tenantName);
  const stored = isOurs ? await actions.get(actionId) : undefined;
  if (stored === undefined) throw new NotFoundError("ActionNotFound", `There is no action ${actionId}.`);
  return stored;
}
