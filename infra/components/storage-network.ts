/** Access to a storage account, in Azure's form. */
import * as storage from "@pulumi/azure-native/storage/index.js";
import type { AllowedNetworks } from "./place.ts";

/** Undefined: any address. Trusted Azure services with an identity have access in both cases. */
export const storageNetworkRules = (allowOnly: AllowedNetworks | undefined) =>
  allowOnly === undefined
    ? { defaultAction: storage.DefaultAction.Allow, bypass: storage.Bypass.AzureServices }
    : {
        defaultAction: storage.DefaultAction.Deny,
        bypass: storage.Bypass.AzureServices,
        virtualNetworkRules: allowOnly.subnetIds.map((virtualNetworkResourceId) => ({ virtualNetworkResourceId })),
        ipRules: allowOnly.ipRanges.map((range) => ({ iPAddressOrRange: range })),
      };
