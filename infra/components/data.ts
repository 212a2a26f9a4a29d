/** The data account: all tables and containers of the topology. Only identities have access. */
import * as storage from "@pulumi/azure-native/storage/index.js";
import * as pulumi from "@pulumi/pulumi";
import { CONTAINERS, TABLES } from "../../runtime/core/deployment/storage-layout.ts";
import { lifecycleRules } from "../plan/lifecycle.ts";
import { lookUp } from "../plan/look-up.ts";
import type { AllowedNetworks, Place } from "./place.ts";
import { storageNetworkRules } from "./storage-network.ts";

export interface DataArgs {
  readonly place: Place;
  readonly replication: "LRS" | "ZRS" | "GRS" | "GZRS" | "RAGRS" | "RAGZRS";
  /** How long deleted and overwritten blobs can be restored. 0: not at all. */
  readonly softDeleteDays: number;
  /** Whether the account and its contents are protected from deletion and replacement. */
  readonly protect: boolean;
  /** Who reaches the account, in addition to trusted Azure services. Undefined: any address with a token. */
  readonly allowOnly: AllowedNetworks | undefined;
}

export class Data extends pulumi.ComponentResource {
  readonly accountName: pulumi.Output<string>;
  readonly accountId: pulumi.Output<string>;
  readonly #tableIds = new Map<string, pulumi.Output<string>>();
  readonly #containerIds = new Map<string, pulumi.Output<string>>();

  constructor(name: string, args: DataArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:Data", name, {}, options);
    const { place, protect, softDeleteDays } = args;
    const { resourceGroupName } = place;
    const child = { parent: this, protect };

    const account = new storage.StorageAccount(
      // Account names are short and have no hyphens. Pulumi adds eight characters.
      `jobyard${name}`,
      {
        ...place,
        kind: storage.Kind.StorageV2,
        sku: { name: `Standard_${args.replication}` },
        accessTier: storage.AccessTier.Hot,
        minimumTlsVersion: storage.MinimumTlsVersion.TLS1_2,
        enableHttpsTrafficOnly: true,
        allowBlobPublicAccess: false,
        allowSharedKeyAccess: false,
        allowCrossTenantReplication: false,
        defaultToOAuthAuthentication: true,
        networkRuleSet: storageNetworkRules(args.allowOnly),
      },
      child,
    );
    const blobs = new storage.BlobServiceProperties(
      `${name}-blobs`,
      {
        resourceGroupName,
        accountName: account.name,
        blobServicesName: "default",
        ...(softDeleteDays === 0
          ? { deleteRetentionPolicy: { enabled: false }, containerDeleteRetentionPolicy: { enabled: false } }
          : {
              isVersioningEnabled: true,
              deleteRetentionPolicy: { enabled: true, days: softDeleteDays },
              containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays },
            }),
      },
      { parent: this },
    );
    for (const containerName of Object.values(CONTAINERS)) {
      const container = new storage.BlobContainer(
        `${name}-container-${containerName}`,
        { resourceGroupName, accountName: account.name, containerName, publicAccess: storage.PublicAccess.None },
        { ...child, dependsOn: [blobs] },
      );
      this.#containerIds.set(containerName, container.id);
    }
    for (const tableName of Object.values(TABLES)) {
      const table = new storage.Table(
        `${name}-table-${tableName}`,
        { resourceGroupName, accountName: account.name, tableName },
        child,
      );
      this.#tableIds.set(tableName, table.id);
    }
    const rules = lifecycleRules(softDeleteDays);
    if (rules.length > 0) {
      new storage.ManagementPolicy(
        `${name}-lifecycle`,
        { resourceGroupName, accountName: account.name, managementPolicyName: "default", policy: { rules } },
        { parent: this, dependsOn: [blobs] },
      );
    }

    this.accountName = account.name;
    this.accountId = account.id;
    this.registerOutputs({ accountName: account.name });
  }

  tableId = (table: string): pulumi.Output<string> => lookUp(this.#tableIds, "table", table);
  containerId = (container: string): pulumi.Output<string> => lookUp(this.#containerIds, "container", container);
}
