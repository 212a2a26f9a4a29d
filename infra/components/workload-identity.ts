/** A managed identity and its role assignments. `plan/grants.ts` decides which ones. */
import * as authorization from "@pulumi/azure-native/authorization/index.js";
import * as managedidentity from "@pulumi/azure-native/managedidentity/index.js";
import * as pulumi from "@pulumi/pulumi";
import { BUILT_IN_ROLES, type Grant, type GrantScope } from "../plan/grants.ts";
import type { Place } from "./place.ts";

export interface WorkloadIdentityArgs {
  readonly place: Place;
  readonly subscriptionId: pulumi.Input<string>;
  /** Roles with built-in definitions, all for this identity. */
  readonly grants: readonly Grant[];
  /** The resource of a grant. */
  readonly scopeId: (scope: GrantScope) => pulumi.Input<string>;
}

/** To start something as this identity, depend on the component, so that the rights exist first. */
export class WorkloadIdentity extends pulumi.ComponentResource {
  readonly id: pulumi.Output<string>;
  readonly clientId: pulumi.Output<string>;
  readonly principalId: pulumi.Output<string>;

  constructor(name: string, args: WorkloadIdentityArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:WorkloadIdentity", name, {}, options);
    const identity = new managedidentity.UserAssignedIdentity(`${name}-identity`, { ...args.place }, { parent: this });
    for (const grant of args.grants) {
      if (grant.role === "instanceProtector") throw new RangeError(`${grant.id} does not have a built-in role.`);
      assignRole(this, grant, {
        principalId: identity.principalId,
        scope: args.scopeId(grant.scope),
        roleDefinitionId: builtInRoleId(args.subscriptionId, BUILT_IN_ROLES[grant.role].id),
      });
    }
    this.id = identity.id;
    this.clientId = identity.clientId;
    this.principalId = identity.principalId;
    this.registerOutputs({ clientId: identity.clientId });
  }
}

export interface RoleTarget {
  readonly principalId: pulumi.Input<string>;
  readonly scope: pulumi.Input<string>;
  readonly roleDefinitionId: pulumi.Input<string>;
}

export const assignRole = (
  parent: pulumi.Resource,
  { id, why }: Pick<Grant, "id" | "why">,
  target: RoleTarget,
): authorization.RoleAssignment =>
  new authorization.RoleAssignment(
    id,
    {
      ...target,
      // Without it, Azure looks up the identity in a directory that may not contain it yet.
      principalType: authorization.PrincipalType.ServicePrincipal,
      description: why,
    },
    // The same permission cannot exist twice: the old one is deleted first.
    { parent, deleteBeforeReplace: true },
  );

const builtInRoleId = (subscriptionId: pulumi.Input<string>, role: string): pulumi.Output<string> =>
  pulumi.interpolate`/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`;
