/** The Key Vault with the secrets of packages. Only identities have access, by role. */
import * as keyvault from "@pulumi/azure-native/keyvault/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { AllowedNetworks, Place } from "./place.ts";

export interface SecretsArgs {
  readonly place: Place;
  readonly tenantId: pulumi.Input<string>;
  /** Whether the vault is protected from deletion, and its secrets from an early end of their soft delete. */
  readonly protect: boolean;
  /** Who reaches the vault, in addition to trusted Azure services. Undefined: any address with a token. */
  readonly allowOnly: AllowedNetworks | undefined;
}

/** Azure's minimum. No name is used twice, so nothing waits for a deleted secret to be gone. It cannot be changed later. */
const SOFT_DELETE_DAYS = 7;

export class Secrets extends pulumi.ComponentResource {
  readonly vaultId: pulumi.Output<string>;
  readonly vaultUrl: pulumi.Output<string>;

  constructor(name: string, args: SecretsArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:Secrets", name, {}, options);
    const { place, protect, tenantId, allowOnly } = args;
    const vault = new keyvault.Vault(
      // A vault's name has at most 24 characters. Pulumi adds eight.
      `jobyard-${name}`,
      {
        ...place,
        properties: {
          tenantId,
          sku: { family: keyvault.SkuFamily.A, name: keyvault.SkuName.Standard },
          enableRbacAuthorization: true,
          enableSoftDelete: true,
          softDeleteRetentionInDays: SOFT_DELETE_DAYS,
          // Azure knows no "off" for it, and never turns it off again.
          ...(protect ? { enablePurgeProtection: true } : {}),
          networkAcls: networkRules(allowOnly),
        },
      },
      { parent: this, protect },
    );
    this.vaultId = vault.id;
    this.vaultUrl = pulumi.interpolate`https://${vault.name}.vault.azure.net`;
    this.registerOutputs({ vaultUrl: this.vaultUrl });
  }
}

const networkRules = (allowOnly: AllowedNetworks | undefined) =>
  allowOnly === undefined
    ? { defaultAction: keyvault.NetworkRuleAction.Allow, bypass: keyvault.NetworkRuleBypassOptions.AzureServices }
    : {
        defaultAction: keyvault.NetworkRuleAction.Deny,
        bypass: keyvault.NetworkRuleBypassOptions.AzureServices,
        virtualNetworkRules: allowOnly.subnetIds.map((id) => ({ id })),
        ipRules: allowOnly.ipRanges.map((value) => ({ value })),
      };
