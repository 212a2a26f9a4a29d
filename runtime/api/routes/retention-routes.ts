/** Operations on how long a tenant keeps what is left of its jobs. */
import { NotFoundError } from "../../core/errors.ts";
import { putRetentionSchema, retentionView, retentionViewSchema } from "../../core/http/retention-api.ts";
import { tenantParams } from "../../core/http/tenant-api.ts";
import type { Retention } from "../../core/job/retention.ts";
import type { RetentionStore } from "../../core/ports/retention-store.ts";
import { type Operation, operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import type { Clock } from "../../core/clock.ts";
import type { Caller } from "../auth/caller.ts";

export interface RetentionOperationDeps {
  readonly retentions: Pick<RetentionStore, "get" | "put" | "remove">;
  /** Of tenants that have set none. */
  readonly defaultRetention: Retention;
  readonly now: Clock["now"];
}

export const retentionOperations = (deps: RetentionOperationDeps): readonly Operation[] => [
  getRetention(deps),
  putRetention(deps),
  deleteRetention(deps),
];

const PATH = "/v1/tenants/{tenantName}/retention";

const getRetention = ({ retentions, defaultRetention }: RetentionOperationDeps) =>
  operation({
    id: "getRetention",
    method: "get",
    path: PATH,
    tag: "Access",
    summary: "Show how long a tenant's jobs, logs, artifacts and dead letters are kept",
    needs: "read",
    params: tenantParams,
    responses: { 200: { description: "In days after a job's end.", schema: retentionViewSchema } },
    errors: ["TenantNotFound"],
    async handle({ caller, params: { tenantName } }) {
      assertMine(caller, tenantName);
      return { status: 200, body: retentionView(tenantName, (await retentions.get(tenantName)) ?? defaultRetention) };
    },
  });

const putRetention = ({ retentions, now }: RetentionOperationDeps) =>
  operation({
    id: "putRetention",
    method: "put",
    path: PATH,
    tag: "Access",
    summary: "Set how long a tenant's jobs, logs, artifacts and dead letters are kept",
    description:
      "What is older is removed for good, within some hours. What is gone does not come back when the days are raised.",
    needs: "manage",
    params: tenantParams,
    body: jsonBody(putRetentionSchema),
    responses: { 200: { description: "As it is kept from now on.", schema: retentionViewSchema } },
    errors: ["TenantNotFound"],
    async handle({ caller, params: { tenantName }, body }) {
      assertMine(caller, tenantName);
      const retention = { ...body, tenantName, changedAt: now(), changedBy: caller.name };
      await retentions.put(retention);
      return { status: 200, body: retentionView(tenantName, retention) };
    },
  });

const deleteRetention = ({ retentions }: RetentionOperationDeps) =>
  operation({
    id: "deleteRetention",
    method: "delete",
    path: PATH,
    tag: "Access",
    summary: "Give a tenant the system's default retention again",
    needs: "manage",
    params: tenantParams,
    responses: { 204: { description: "It has the defaults." } },
    errors: ["TenantNotFound"],
    async handle({ caller, params: { tenantName } }) {
      assertMine(caller, tenantName);
      await retentions.remove(tenantName);
      return { status: 204 };
    },
  });

function assertMine(caller: Caller, tenantName: string): void {
  if (!caller.mayUse(tenantName)) throw new NotFoundError("TenantNotFound", `There is no tenant ${tenantName}.`);
}
