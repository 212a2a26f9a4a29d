/** Operations on the audit: list the changes of a tenant, and those that belong to no tenant. */
import { auditEntrySchema, auditEntryView, listAuditSchema } from "../../core/http/audit-api.ts";
import { tenantParams } from "../../core/http/tenant-api.ts";
import { pageSchema, pageView } from "../../core/http/views.ts";
import type { AuditStore } from "../../core/ports/audit-store.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import { type Operation, operation } from "../http/operation.ts";

export interface AuditOperationDeps {
  readonly audit: Pick<AuditStore, "list">;
  readonly tenants: Pick<TenantStore, "get">;
}

export const auditOperations = (deps: AuditOperationDeps): readonly Operation[] => [
  listTenantAudit(deps),
  listSystemAudit(deps),
];

const responses = {
  200: {
    description:
      "A page, newest first. With a filter it can have fewer items than asked for and still not be the last.",
    schema: pageSchema("AuditPage", auditEntrySchema),
  },
};

const listTenantAudit = ({ audit, tenants }: AuditOperationDeps) =>
  operation({
    id: "listTenantAudit",
    method: "get",
    path: "/v1/tenants/{tenantName}/audit",
    tag: "Access",
    summary: "List who changed what of a tenant",
    description:
      "Changes through the API, with the caller, its address, and how it was before and after. Submits of single jobs are not in " +
      "it: the job says who submitted it. Others than administrators see entries since the tenant was created.",
    needs: "manage",
    params: tenantParams,
    query: listAuditSchema,
    responses,
    errors: [],
    async handle({ caller, params: { tenantName }, query }) {
      // A tenant of others answers like a tenant without changes.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      const since = latest(query.since, caller.mayOperate() ? undefined : (await tenants.get(tenantName))?.createdAt);
      return { status: 200, body: pageView(await audit.list(tenantName, { ...query, since }, query), auditEntryView) };
    },
  });

/** The name may have belonged to a tenant that was deleted. */
const latest = (a: Date | undefined, b: Date | undefined): Date | undefined => (a && b && a > b ? a : (b ?? a));

const listSystemAudit = ({ audit }: AuditOperationDeps) =>
  operation({
    id: "listSystemAudit",
    method: "get",
    path: "/v1/audit",
    tag: "Access",
    summary: "List who changed what that belongs to no tenant",
    description: "Such as workers, and changes that were refused because the caller may not use the tenant.",
    needs: "operate",
    query: listAuditSchema,
    responses,
    errors: [],
    handle: async ({ query }) => ({
      status: 200,
      body: pageView(await audit.list(undefined, query, query), auditEntryView),
    }),
  });
