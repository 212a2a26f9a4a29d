/** How a stack is removed: the resource group goes as a whole. */
import * as pulumi from "@pulumi/pulumi";

/**
 * From now on `pulumi destroy` leaves to Azure what is in the first resource group: Azure knows an order that it refuses one
 * by one, since an app keeps a hold on its subnet for a while after it is gone. Role assignments and definitions are still
 * deleted one by one: a definition lives outside the group, and cannot go before its assignments.
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
