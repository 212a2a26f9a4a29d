/**
 * Operations on grants for the identities of pools: which tenants' jobs get tokens, and for which services. Administrators
 * give them, because the identity is the operator's and its rights reach beyond any tenant.
 */
import type { LooseFacts } from "../../core/audit.ts";
import { NotFoundError } from "../../core/errors.ts";
import {
  identityGrantParams,
  identityGrantsSchema,
  identityGrantView,
  identityGrantViewSchema,
  putIdentityGrantSchema,
} from "../../core/http/identity-api.ts";
import { tenantParams } from "../../core/http/tenant-api.ts";
import type { Logger } from "../../core/logger.ts";
import type { IdentityGrant, IdentityGrantStore } from "../../core/ports/identity-grant-store.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import type { Clock } from "../../core/clock.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";

export interface IdentityOperationDeps {
  readonly identityGrants: IdentityGrantStore;
  readonly tenants: Pick<TenantStore, "get">;
  readonly now: Clock["now"];
  readonly log: Logger;
}

export const identityOperations = (deps: IdentityOperationDeps): readonly Operation[] => [
  listIdentityGrants(deps),
  putIdentityGrant(deps),
  deleteIdentityGrant(deps),
];

const listIdentityGrants = ({ identityGrants }: IdentityOperationDeps) =>
  operation({
    id: "listIdentityGrants",
    method: "get",
    path: "/v1/tenants/{tenantName}/identities",
    tag: "Access",
    summary: "List the identities that a tenant's jobs may use",
    needs: "manage",
    params: tenantParams,
    responses: { 200: { description: "By pool.", schema: identityGrantsSchema } },
    errors: [],
    async handle({ caller, params: { tenantName } }) {
      // A tenant of others answers like a tenant without grants.
      const grants = caller.mayUse(tenantName) ? await identityGrants.of(tenantName) : [];
      return { status: 200, body: { items: grants.map(identityGrantView) } };
    },
  });

const putIdentityGrant = ({ identityGrants, tenants, now, log }: IdentityOperationDeps) =>
  operation({
    id: "putIdentityGrant",
    method: "put",
    path: "/v1/tenants/{tenantName}/identities/{pool}",
    tag: "Access",
    summary: "Grant a tenant's jobs the identity of a pool",
    description:
      "Jobs on the pool get tokens for those of the audiences that their package declares. Replaces the grant that the " +
      "tenant had on the pool. Takes effect on every worker within 10 seconds.",
    needs: "operate",
    params: identityGrantParams,
    body: jsonBody(putIdentityGrantSchema),
    responses: { 200: { description: "The grant.", schema: identityGrantViewSchema } },
    errors: ["TenantNotFound"],
    async handle({ caller, params, body: { audiences }, changed }) {
      const { tenantName, pool } = params;
      if ((await tenants.get(tenantName)) === undefined) {
        throw new NotFoundError("TenantNotFound", `There is no tenant ${tenantName}.`);
      }
      const grant = { tenantName, pool, audiences, grantedAt: now(), grantedBy: caller.name };
      const before = await identityGrants.get(tenantName, pool);
      await identityGrants.put(grant);
      changed({ before: before && factsOfGrant(before), after: factsOfGrant(grant) });
      log.info({ tenantName, pool, audiences, by: caller.name }, "identity granted");
      return { status: 200, body: identityGrantView(grant) };
    },
  });

const deleteIdentityGrant = ({ identityGrants, log }: IdentityOperationDeps) =>
  operation({
    id: "deleteIdentityGrant",
    method: "delete",
    path: "/v1/tenants/{tenantName}/identities/{pool}",
    tag: "Access",
    summary: "Revoke a tenant's grant on the identity of a pool",
    description:
      "Takes effect on every worker within 10 seconds. Tokens that jobs have got are valid until they expire, within 24 hours.",
    needs: "operate",
    params: identityGrantParams,
    responses: { 204: { description: "Revoked." } },
    errors: ["GrantNotFound"],
    async handle({ caller, params: { tenantName, pool }, changed }) {
      const before = await identityGrants.get(tenantName, pool);
      if (!(await identityGrants.remove(tenantName, pool))) {
        throw new NotFoundError("GrantNotFound", `The tenant ${tenantName} has no grant on the identity of ${pool}.`);
      }
      changed({ before: before && factsOfGrant(before) });
      log.info({ tenantName, pool, by: caller.name }, "identity revoked");
      return { status: 204 };
    },
  });

const factsOfGrant = ({ audiences, grantedAt, grantedBy }: IdentityGrant): LooseFacts => ({
  audiences: audiences.join(", "),
  grantedAt,
  grantedBy,
});
