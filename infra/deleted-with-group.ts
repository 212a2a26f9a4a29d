/** Deletes a stack's resources together with their resource group. */
import * as pulumi from "@pulumi/pulumi";

/**
 * After this call, `pulumi destroy` leaves the resources of the first resource group to Azure. Azure knows the order.
 * One by one it refuses, because an app holds its subnet for a while after it was deleted. Role assignments and
 * definitions are still deleted one by one: a definition is outside the group, and must be deleted after its
 * assignments.
 */
export function deleteWithGroup(): void {
  let group: pulumi.Resource | undefined;
  pulumi.runtime.registerStackTransformation(({ resource, type, props, opts }) => {
    if (type === "azure-native:resources:ResourceGroup") group ??= resource;
    const isInGroup = type.startsWith("azure-native:") && !type.startsWith("azure-native:authorization:");
    return group === undefined || resource === group || !isInGroup
      ? undefined
      : { props, opts: pulumi.mergeOptions(opts, { deletedWith: group }) };
  });
}
