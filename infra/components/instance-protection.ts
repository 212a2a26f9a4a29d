/** The custom role that lets workers protect their own machine from scale-in. No built-in role is as narrow. */
import * as authorization from "@pulumi/azure-native/authorization/index.js";
import * as pulumi from "@pulumi/pulumi";
import { INSTANCE_PROTECTOR } from "../plan/grants.ts";

export interface InstanceProtectionArgs {
  readonly resourceGroupId: pulumi.Input<string>;
  readonly resourceGroupName: pulumi.Input<string>;
}

export class InstanceProtection extends pulumi.ComponentResource {
  readonly roleDefinitionId: pulumi.Output<string>;

  constructor(name: string, args: InstanceProtectionArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:InstanceProtection", name, {}, options);
    const definition = new authorization.RoleDefinition(
      `${name}-role`,
      {
        scope: args.resourceGroupId,
        // Must be unique in the whole directory. The name of the resource group is not, but its suffix is.
        roleName: pulumi.interpolate`${INSTANCE_PROTECTOR.title} (${args.resourceGroupName})`,
        roleType: "CustomRole",
        description: INSTANCE_PROTECTOR.description,
        assignableScopes: [args.resourceGroupId],
        permissions: [{ actions: [...INSTANCE_PROTECTOR.actions] }],
      },
      { parent: this },
    );
    this.roleDefinitionId = definition.id;
    this.registerOutputs({ roleDefinitionId: definition.id });
  }
}
