/** Operations to erase a tenant: begin it, and see how far it is. */
import { NotFoundError, invalidField } from "../../core/errors.ts";
import { erasureView, erasureViewSchema, startErasureSchema } from "../../core/http/erasure-api.ts";
import { tenantParams } from "../../core/http/tenant-api.ts";
import type { ErasureStore } from "../../core/ports/erasure-store.ts";
import { type BeginErasureDeps, beginErasure } from "../erase/begin-erasure.ts";
import { type Operation, operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";

export interface ErasureOperationDeps extends BeginErasureDeps {
  readonly erasures: ErasureStore;
}

export const erasureOperations = (deps: ErasureOperationDeps): readonly Operation[] => [
  startErasure(deps),
  getErasure(deps),
];

const PATH = "/v1/tenants/{tenantName}/erasure";

const startErasure = (deps: ErasureOperationDeps) =>
  operation({
    id: "startErasure",
    method: "post",
    path: PATH,
    tag: "Access",
    summary: "Erase a tenant and everything that is stored of it",
    description:
      "Its jobs are canceled. When they have ended, all its jobs, batches, logs, artifacts, packages, settings, secrets, timers, " +
      "webhooks and grants are removed for good, and the tenant itself. It goes on in the background, over restarts of the " +
      "service, and cannot be stopped. Meanwhile nothing is accepted for the tenant. Entries of the audit stay. The tenant " +
      "need not exist any more. A repeat answers the one that is under way.",
    needs: "operate",
    params: tenantParams,
    body: jsonBody(startErasureSchema),
    responses: { 202: { description: "It has begun.", schema: erasureViewSchema } },
    errors: [],
    async handle({ caller, params: { tenantName }, body: { confirm }, changed }) {
      if (confirm !== tenantName) throw invalidField("confirm", `must be the name of the tenant, ${tenantName}`);
      const erasure = await beginErasure(tenantName, caller.name, deps);
      changed({ after: { startedAt: erasure.startedAt, startedBy: erasure.startedBy } });
      return { status: 202, body: erasureView(erasure) };
    },
  });

const getErasure = ({ erasures }: ErasureOperationDeps) =>
  operation({
    id: "getErasure",
    method: "get",
    path: PATH,
    tag: "Access",
    summary: "Show how far the erasing of a tenant is, or the report of the last one",
    needs: "operate",
    params: tenantParams,
    responses: { 200: { description: "The erasure.", schema: erasureViewSchema } },
    errors: ["ErasureNotFound"],
    async handle({ params: { tenantName } }) {
      const stored = await erasures.get(tenantName);
      if (stored === undefined) throw new NotFoundError("ErasureNotFound", `Tenant ${tenantName} was never erased.`);
      return { status: 200, body: erasureView(stored.value) };
    },
  });
