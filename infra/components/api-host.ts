/** The API on App Service: a Linux plan, the app that runs from its package, and the plan's autoscale. */
import * as monitor from "@pulumi/azure-native/monitor/index.js";
import * as pulumi from "@pulumi/pulumi";
import * as web from "@pulumi/azure-native/web/index.js";
import { apiProfile } from "../plan/autoscale-profile.ts";
import { apiCommandLine } from "../plan/environment.ts";
import { API_SKUS, type ApiSkuName } from "../plan/skus.ts";
import type { Place } from "./place.ts";
import type { WorkloadIdentity } from "./workload-identity.ts";

export interface ApiHostArgs {
  readonly place: Place;
  readonly sku: ApiSkuName;
  readonly min: number;
  /** May exceed `min` only if the plan scales automatically. */
  readonly max: number;
  readonly identity: WorkloadIdentity;
  /** ZIP in the release container. A new address is a new version. */
  readonly packageUrl: pulumi.Input<string>;
  /** The file in the package to start. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
  /** The subnet for the app's outgoing traffic to storage and Service Bus. */
  readonly subnetId: pulumi.Input<string>;
  /** Resources that must exist before it starts, in addition to those its settings name. */
  readonly after: readonly pulumi.Resource[];
}

export class ApiHost extends pulumi.ComponentResource {
  readonly siteId: pulumi.Output<string>;
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: ApiHostArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:ApiHost", name, {}, options);
    const { place, identity } = args;
    const { resourceGroupName } = place;
    const { tier, autoscale } = API_SKUS[args.sku];
    const scales = autoscale && args.max > args.min;
    const child = { parent: this };

    const plan = new web.AppServicePlan(
      `${name}-plan`,
      {
        ...place,
        kind: "linux",
        // Azure's name for a Linux plan.
        reserved: true,
        sku: { name: args.sku, tier, capacity: args.min },
      },
      { ...child, ...(scales ? { ignoreChanges: ["sku.capacity"] } : {}) },
    );
    const settings: Readonly<Record<string, pulumi.Input<string>>> = {
      ...args.environment,
      WEBSITE_RUN_FROM_PACKAGE: args.packageUrl,
      WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID: identity.id,
      SCM_DO_BUILD_DURING_DEPLOYMENT: "false",
      // Two processes on one machine would write under the same name.
      WEBSITE_DISABLE_OVERLAPPED_RECYCLING: "1",
    };
    const site = new web.WebApp(
      `jobyard-${name}`,
      {
        ...place,
        serverFarmId: plan.id,
        kind: "app,linux",
        reserved: true,
        httpsOnly: true,
        clientAffinityEnabled: false,
        publicNetworkAccess: "Enabled",
        virtualNetworkSubnetId: args.subnetId,
        identity: { type: web.ManagedServiceIdentityType.UserAssigned, userAssignedIdentities: [identity.id] },
        keyVaultReferenceIdentity: identity.id,
        siteConfig: {
          linuxFxVersion: "NODE|24-lts",
          appCommandLine: apiCommandLine(args.entry),
          alwaysOn: true,
          http20Enabled: true,
          ftpsState: web.FtpsState.Disabled,
          minTlsVersion: web.SupportedTlsVersions.SupportedTlsVersions_1_2,
          scmMinTlsVersion: web.SupportedTlsVersions.SupportedTlsVersions_1_2,
          healthCheckPath: "/healthz",
          webSocketsEnabled: true,
          // Private addresses and service endpoints use the subnet. All other traffic does not.
          vnetRouteAllEnabled: false,
          remoteDebuggingEnabled: false,
          appSettings: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
        },
      },
      { ...child, dependsOn: [identity, ...args.after] },
    );
    new web.WebAppFtpAllowed(`${name}-ftp`, { resourceGroupName, name: site.name, allow: false }, child);
    new web.WebAppScmAllowed(`${name}-scm`, { resourceGroupName, name: site.name, allow: false }, child);
    if (scales) {
      new monitor.AutoscaleSetting(
        `${name}-autoscale`,
        {
          ...place,
          // Off by default in Azure.
          enabled: true,
          targetResourceUri: plan.id,
          targetResourceLocation: place.location,
          profiles: [apiProfile({ min: args.min, max: args.max }, { resourceId: plan.id, location: place.location })],
        },
        child,
      );
    }

    this.siteId = site.id;
    this.url = pulumi.interpolate`https://${site.defaultHostName}`;
    this.registerOutputs({ url: this.url });
  }
}
