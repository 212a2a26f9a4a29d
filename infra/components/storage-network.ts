/** Who reaches a storage account, as Azure wants it written. */
import * as storage from "@pulumi/azure-native/storage/index.js";
import type { AllowedNetworks } from "./place.ts";

/** Undefined: any address. Azure's own services that are trusted get in either way, with an identity of their own. */
export const storageNetworkRules = (allowOnly: AllowedNetworks | undefined) =>
  allowOnly === undefined
    ? { defaultAction: storage.DefaultAction.Allow, bypass: storage.Bypass.AzureServices }
    : {
        defaultAction: storage.DefaultAction.Deny,
        bypass: storage.Bypass.AzureServices,
        virtualNetworkRules: allowOnly.subnetIds.map((virtualNetworkResourceId) => ({ virtualNetworkResourceId })),
        ipRules: allowOnly.ipRanges.map((range) => ({ iPAddressOrRange: range })),
      };
