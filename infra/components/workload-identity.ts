/** A managed identity and everything it may do. What it may do is decided in `plan/grants.ts`. */
import * as authorization from "@pulumi/azure-native/authorization/index.js";
import * as managedidentity from "@pulumi/azure-native/managedidentity/index.js";
import * as pulumi from "@pulumi/pulumi";
import { BUILT_IN_ROLES, type Grant, type GrantScope } from "../plan/grants.ts";
import type { Place } from "./place.ts";

export interface WorkloadIdentityArgs {
  readonly place: Place;
  readonly subscriptionId: pulumi.Input<string>;
  /** Roles on built-in definitions, all to this identity. */
  readonly grants: readonly Grant[];
  /** The resource a grant is about. */
  readonly scopeId: (scope: GrantScope) => pulumi.Input<string>;
}

/** Whoever starts something as this identity depends on the component, so that it does not start before its rights. */
export class WorkloadIdentity extends pulumi.ComponentResource {
  readonly id: pulumi.Output<string>;
  readonly clientId: pulumi.Output<string>;
  readonly principalId: pulumi.Output<string>;

  constructor(name: string, args: WorkloadIdentityArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:WorkloadIdentity", name, {}, options);
    const identity = new managedidentity.UserAssignedIdentity(`${name}-identity`, { ...args.place }, { parent: this });
    for (const grant of args.grants) {
      if (grant.role === "instanceProtector") throw new RangeError(`${grant.id} is no grant of a built-in role.`);
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
      // Without it Azure looks the identity up in a directory that may not have heard of it yet.
      principalType: authorization.PrincipalType.ServicePrincipal,
      description: why,
    },
    // One and the same permission cannot be there twice: the old goes first.
    { parent, deleteBeforeReplace: true },
  );

const builtInRoleId = (subscriptionId: pulumi.Input<string>, role: string): pulumi.Output<string> =>
  pulumi.interpolate`/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`;
