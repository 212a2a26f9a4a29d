/** Operations on access: how to sign in, what the caller may do, tenants, and who may act for them. */
import type { LooseFacts } from "../../core/audit.ts";
import { NotFoundError } from "../../core/errors.ts";
import { type AuthFacts, authFactsSchema } from "../../core/http/auth-facts.ts";
import {
  grantParams,
  grantView,
  grantViewSchema,
  listTenantsSchema,
  meSchema,
  putGrantSchema,
  tenantParams,
  tenantView,
  tenantViewSchema,
} from "../../core/http/tenant-api.ts";
import { pauseView, putWeightSchema } from "../../core/http/pause-api.ts";
import { pageSchema, pageView } from "../../core/http/views.ts";
import type { QuotaStore } from "../../core/ports/quota-store.ts";
import type { TenantGrant, TenantStore } from "../../core/ports/tenant-store.ts";
import type { TimerRegistration } from "../../timers/register/registration.ts";
import { assertNotErasing } from "../erase/begin-erasure.ts";
import { type RemoveTenantDeps, removeBelongings } from "../erase/remove-tenant.ts";
import { type Operation, operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import { isVisibleTo } from "./pause-routes.ts";
import { type ReadQuotaDeps, readQuotas } from "./quota-routes.ts";

export interface AccessOperationDeps extends RemoveTenantDeps, ReadQuotaDeps {
  /** How to sign in. */
  readonly authFacts: AuthFacts;
  readonly tenants: TenantStore;
  readonly timerRegistration: Pick<TimerRegistration, "removeTenant">;
  readonly quotas: Pick<QuotaStore, "get" | "remove">;
}

export const accessOperations = (deps: AccessOperationDeps): readonly Operation[] => [
  getAuth(deps),
  getMe(deps),
  listTenants(deps),
  putTenant(deps),
  putWeight(deps),
  deleteTenant(deps),
  listGrants(deps),
  putGrant(deps),
  deleteGrant(deps),
];

const getAuth = ({ authFacts }: AccessOperationDeps) =>
  operation({
    id: "getAuth",
    method: "get",
    path: "/v1/auth",
    tag: "Access",
    summary: "Show how to sign in",
    description:
      "The issuer's metadata is at `{authority}/{tenantId}/v2.0/.well-known/openid-configuration`. Programs with " +
      "credentials of their own request `applicationScope`. Programs that act for a user request `userScope`.",
    needs: "anonymous",
    responses: { 200: { description: "The issuer of tokens and the scopes to request.", schema: authFactsSchema } },
    errors: [],
    handle: () => Promise.resolve({ status: 200 as const, body: authFacts }),
  });

const getMe = (deps: AccessOperationDeps) =>
  operation({
    id: "getMe",
    method: "get",
    path: "/v1/me",
    tag: "Access",
    summary: "Show who you are and what you may do",
    needs: "signed-in",
    responses: { 200: { description: "From the token and the grants.", schema: meSchema } },
    errors: [],
    async handle({ caller }) {
      const { kind, principalId, roles = [], grants = [] } = caller.identity ?? {};
      const pauses = deps.pauseBoard.current().pauses.filter(isVisibleTo(caller)).map(pauseView);
      const body = {
        name: caller.name,
        ...(kind && { kind }),
        ...(principalId !== undefined && { principalId }),
        roles,
        grants,
        allTenants: caller.mayOperate(),
        ...(pauses.length > 0 && { pauses }),
      };
      const views = await Promise.all(
        grants.slice(0, ME_QUOTAS_MAX).map(({ tenantName }) => readQuotas(tenantName, deps)),
      );
      const used = views.filter((view) => Object.keys(view).length > 1);
      return { status: 200, body: { ...body, ...(used.length > 0 && { quotas: used }) } };
    },
  });

/** A caller with more grants asks for the quotas of a tenant. */
const ME_QUOTAS_MAX = 20;

const listTenants = ({ tenants }: AccessOperationDeps) =>
  operation({
    id: "listTenants",
    method: "get",
    path: "/v1/tenants",
    tag: "Access",
    summary: "List the tenants",
    needs: "operate",
    query: listTenantsSchema,
    responses: { 200: { description: "A page, by name.", schema: pageSchema("TenantPage", tenantViewSchema) } },
    errors: [],
    handle: async ({ query }) => ({ status: 200, body: pageView(await tenants.list(query), tenantView) }),
  });

const putTenant = ({ tenants, pauseBoard, now }: AccessOperationDeps) =>
  operation({
    id: "putTenant",
    method: "put",
    path: "/v1/tenants/{tenantName}",
    tag: "Access",
    summary: "Create a tenant",
    description: "Does nothing if the tenant exists. A caller needs a grant to act for it.",
    needs: "operate",
    params: tenantParams,
    responses: { 200: { description: "The tenant.", schema: tenantViewSchema } },
    errors: ["TenantErasing"],
    async handle({ caller, params: { tenantName }, changed }) {
      assertNotErasing(pauseBoard, tenantName);
      const tenant = await tenants.create({ tenantName, createdAt: now(), createdBy: caller.name });
      changed({ after: { createdAt: tenant.createdAt, createdBy: tenant.createdBy } });
      return { status: 200, body: tenantView(tenant) };
    },
  });

const putWeight = ({ tenants }: AccessOperationDeps) =>
  operation({
    id: "putWeight",
    method: "put",
    path: "/v1/tenants/{tenantName}/weight",
    tag: "Access",
    summary: "Set a tenant's share of the slots",
    description:
      "While tenants compete for the slots of a pool, each gets its weight divided by the sum of their weights. What it " +
      "does not use goes to the others. Takes effect within 10 seconds.",
    needs: "operate",
    params: tenantParams,
    body: jsonBody(putWeightSchema),
    responses: { 200: { description: "The tenant.", schema: tenantViewSchema } },
    errors: ["TenantNotFound"],
    async handle({ params: { tenantName }, body: { weight }, changed }) {
      const before = await tenants.get(tenantName);
      const tenant = await tenants.setWeight(tenantName, weight);
      if (tenant === undefined) throw noSuchTenant(tenantName);
      changed({ before: { weight: before?.weight }, after: { weight } });
      return { status: 200, body: tenantView(tenant) };
    },
  });

const deleteTenant = (deps: AccessOperationDeps) =>
  operation({
    id: "deleteTenant",
    method: "delete",
    path: "/v1/tenants/{tenantName}",
    tag: "Access",
    summary: "Delete a tenant, its grants, webhooks, settings, pauses and timers",
    description:
      "Its batches, jobs and packages stay. Only an administrator can reach them. To remove these too, erase the tenant.",
    needs: "operate",
    params: tenantParams,
    responses: { 204: { description: "Deleted." } },
    errors: ["TenantNotFound"],
    async handle({ caller, params: { tenantName }, changed }) {
      const { tenants, timerRegistration } = deps;
      const tenant = await tenants.get(tenantName);
      // First: afterwards no caller could remove them.
      await removeBelongings(tenantName, caller.name, deps);
      const removed = await tenants.remove(tenantName);
      // Also if there is no such tenant: an earlier deletion may have stopped here.
      await timerRegistration.removeTenant(tenantName);
      if (!removed) throw noSuchTenant(tenantName);
      changed({ before: { createdAt: tenant?.createdAt, createdBy: tenant?.createdBy } });
      return { status: 204 };
    },
  });

const listGrants = ({ tenants }: AccessOperationDeps) =>
  operation({
    id: "listGrants",
    method: "get",
    path: "/v1/tenants/{tenantName}/grants",
    tag: "Access",
    summary: "List the grants of a tenant",
    needs: "operate",
    params: tenantParams,
    query: listTenantsSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("GrantPage", grantViewSchema) } },
    errors: ["TenantNotFound"],
    async handle({ params: { tenantName }, query }) {
      await assertTenant(tenants, tenantName);
      return { status: 200, body: pageView(await tenants.listGrants(tenantName, query), grantView) };
    },
  });

const putGrant = ({ tenants, now }: AccessOperationDeps) =>
  operation({
    id: "putGrant",
    method: "put",
    path: "/v1/tenants/{tenantName}/grants/{principalId}",
    tag: "Access",
    summary: "Grant a principal access to a tenant",
    description: "Replaces the grant the principal had. Takes effect on every instance within 30 seconds.",
    needs: "operate",
    params: grantParams,
    body: jsonBody(putGrantSchema),
    responses: { 200: { description: "The grant.", schema: grantViewSchema } },
    errors: ["TenantNotFound"],
    async handle({ caller, params, body, changed }) {
      await assertTenant(tenants, params.tenantName);
      const before = await findGrant(tenants, params);
      const grant = { ...params, ...body, grantedAt: now(), grantedBy: caller.name };
      await tenants.putGrant(grant);
      changed({ before: before && factsOfGrant(before), after: factsOfGrant(grant) });
      return { status: 200, body: grantView(grant) };
    },
  });

const deleteGrant = ({ tenants }: AccessOperationDeps) =>
  operation({
    id: "deleteGrant",
    method: "delete",
    path: "/v1/tenants/{tenantName}/grants/{principalId}",
    tag: "Access",
    summary: "Remove a grant",
    description: "Takes effect on every instance within 30 seconds.",
    needs: "operate",
    params: grantParams,
    responses: { 204: { description: "Removed." } },
    errors: ["GrantNotFound"],
    async handle({ params, changed }) {
      const { tenantName, principalId } = params;
      const before = await findGrant(tenants, params);
      if (!(await tenants.removeGrant(tenantName, principalId))) {
        throw new NotFoundError("GrantNotFound", `${principalId} has no grant on tenant ${tenantName}.`);
      }
      changed({ before: before && factsOfGrant(before) });
      return { status: 204 };
    },
  });

async function findGrant(
  tenants: Pick<TenantStore, "grantsOf">,
  { tenantName, principalId }: Pick<TenantGrant, "tenantName" | "principalId">,
): Promise<TenantGrant | undefined> {
  return (await tenants.grantsOf(principalId)).find((grant) => grant.tenantName === tenantName);
}

const factsOfGrant = ({ access, name }: TenantGrant): LooseFacts => ({ access, name });

async function assertTenant(tenants: Pick<TenantStore, "get">, tenantName: string): Promise<void> {
  if ((await tenants.get(tenantName)) === undefined) throw noSuchTenant(tenantName);
}

const noSuchTenant = (tenantName: string): NotFoundError =>
  new NotFoundError("TenantNotFound", `There is no tenant ${tenantName}.`);
