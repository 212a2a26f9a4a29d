/**
 * The machines of one worker pool: a Uniform scale set. Azure Monitor may scale it, and scale-in removes no busy
 * machine.
 */
import * as compute from "@pulumi/azure-native/compute/index.js";
import * as pulumi from "@pulumi/pulumi";
import { WORKER_HEALTH } from "../../runtime/core/settings/machine-settings.ts";
import type { PoolConfig } from "../config.ts";
import type { Grant } from "../plan/grants.ts";
import { scaleSetShape } from "../plan/scale-set.ts";
import { keyOfNobody } from "../plan/stable-id.ts";
import type { Place } from "./place.ts";
import { assignRole, type WorkloadIdentity } from "./workload-identity.ts";

export interface WorkerPoolArgs {
  readonly place: Place;
  readonly pool: PoolConfig;
  readonly identity: WorkloadIdentity;
  /** For its jobs, which get tokens from the worker. Undefined: they have none. */
  readonly jobIdentity: WorkloadIdentity | undefined;
  readonly subnetId: pulumi.Input<string>;
  /** Whether each machine has its own public address for outgoing traffic. */
  readonly publicIp: boolean;
  /** The first boot, as text. It must not change with a release, because a change creates a new model. */
  readonly customData: pulumi.Input<string>;
  /** The key for SSH login. Undefined: no login. */
  readonly sshPublicKey: string | undefined;
  readonly terminateNoticeMinutes: number;
  /** The identity's right to protect the machines, and its role. */
  readonly protection: { readonly grant: Grant; readonly roleDefinitionId: pulumi.Input<string> };
  /** Resources that must exist before a machine boots, such as the release that it downloads. */
  readonly after: readonly pulumi.Resource[];
}

const ADMIN = "jobyard";
/** Health is ignored for this long after a boot. It exceeds the time to install Node and download the release. */
const HEALTH_GRACE_SECONDS = 900;
/** Azure's minimum before it replaces an unhealthy machine is 10 minutes. A boot takes up to 15. */
const REPAIR_GRACE = "PT30M";

export class WorkerPool extends pulumi.ComponentResource {
  readonly scaleSetId: pulumi.Output<string>;
  readonly scaleSetName: pulumi.Output<string>;

  constructor(name: string, args: WorkerPoolArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:WorkerPool", name, {}, options);
    const { place, pool, identity } = args;
    const shape = scaleSetShape(pool);
    const identities = [identity, ...(args.jobIdentity === undefined ? [] : [args.jobIdentity])];

    const scaleSet = new compute.VirtualMachineScaleSet(
      `${name}-workers`,
      {
        ...place,
        orchestrationMode: compute.OrchestrationMode.Uniform,
        // Extra machines would take jobs and then be deleted.
        overprovision: false,
        singlePlacementGroup: shape.singlePlacementGroup,
        platformFaultDomainCount: shape.faultDomains,
        sku: { name: pool.vmSize, tier: "Standard", capacity: shape.capacity },
        identity: {
          type: compute.ResourceIdentityType.UserAssigned,
          userAssignedIdentities: identities.map(({ id }) => id),
        },
        // A deployment touches no machine: workers follow the release pointer.
        upgradePolicy: { mode: compute.UpgradeMode.Manual },
        scaleInPolicy: { rules: [compute.VirtualMachineScaleSetScaleInRules.OldestVM], forceDeletion: false },
        automaticRepairsPolicy: {
          enabled: shape.repairs,
          gracePeriod: REPAIR_GRACE,
          repairAction: compute.RepairAction.Replace,
        },
        ...(pool.spot ? { spotRestorePolicy: { enabled: true, restoreTimeout: "PT1H" } } : {}),
        virtualMachineProfile: {
          ...spotProfile(pool.spot),
          ...(pool.spot ? {} : { scheduledEventsProfile: terminateNotice(args.terminateNoticeMinutes) }),
          osProfile: osProfile(pool.name, args.customData, args.sshPublicKey),
          storageProfile: {
            imageReference: {
              publisher: "Canonical",
              offer: "ubuntu-24_04-lts",
              sku: "server",
              version: "latest",
            },
            osDisk: {
              createOption: compute.DiskCreateOptionTypes.FromImage,
              caching: compute.CachingTypes.ReadOnly,
              diskSizeGB: pool.osDiskGb,
              managedDisk: { storageAccountType: compute.StorageAccountTypes.StandardSSD_LRS },
            },
          },
          securityProfile: {
            securityType: compute.SecurityTypes.TrustedLaunch,
            uefiSettings: { secureBootEnabled: true, vTpmEnabled: true },
          },
          diagnosticsProfile: { bootDiagnostics: { enabled: true } },
          networkProfile: { networkInterfaceConfigurations: [networkInterface(args.subnetId, args.publicIp)] },
          extensionProfile: { extensions: [HEALTH_EXTENSION] },
        },
      },
      {
        parent: this,
        dependsOn: [...identities, ...args.after],
        // Azure cannot change these in place: the new scale set is created first, then the old one is deleted.
        replaceOnChanges: [...IMMUTABLE],
        // Autoscale owns the number of machines. A deployment must not reset it.
        ...(pool.scale.kind === "auto" ? { ignoreChanges: ["sku.capacity"] } : {}),
      },
    );
    assignRole(this, args.protection.grant, {
      principalId: identity.principalId,
      scope: scaleSet.id,
      roleDefinitionId: args.protection.roleDefinitionId,
    });

    this.scaleSetId = scaleSet.id;
    this.scaleSetName = scaleSet.name;
    this.registerOutputs({ scaleSetId: scaleSet.id });
  }
}

/** https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-upgrade-scale-set */
const IMMUTABLE = [
  "platformFaultDomainCount",
  "singlePlacementGroup",
  "virtualMachineProfile.priority",
  "virtualMachineProfile.evictionPolicy",
  "virtualMachineProfile.osProfile.computerNamePrefix",
] as const;

/** The extension polls the worker's health and reports it to the scale set. */
const HEALTH_EXTENSION = {
  name: "health",
  publisher: "Microsoft.ManagedServices",
  type: "ApplicationHealthLinux",
  typeHandlerVersion: "2.0",
  autoUpgradeMinorVersion: true,
  enableAutomaticUpgrade: true,
  settings: {
    protocol: "http",
    port: WORKER_HEALTH.port,
    requestPath: WORKER_HEALTH.path,
    intervalInSeconds: 15,
    numberOfProbes: 3,
    gracePeriod: HEALTH_GRACE_SECONDS,
  },
};

const spotProfile = (spot: boolean) =>
  spot
    ? {
        priority: compute.VirtualMachinePriorityTypes.Spot,
        evictionPolicy: compute.VirtualMachineEvictionPolicyTypes.Delete,
        // Up to the price of an ordinary machine, so Azure evicts only for capacity.
        billingProfile: { maxPrice: -1 },
      }
    : { priority: compute.VirtualMachinePriorityTypes.Regular };

/** Azure refuses this on Spot machines, which get 30 seconds of notice. */
const terminateNotice = (minutes: number) => ({
  terminateNotificationProfile: { enable: true, notBeforeTimeout: `PT${minutes}M` },
});

const osProfile = (pool: string, customData: pulumi.Input<string>, sshPublicKey: string | undefined) => ({
  // At most 9 characters: Azure adds six to a Linux name.
  computerNamePrefix: pool.replaceAll("-", "").slice(0, 9),
  adminUsername: ADMIN,
  customData: pulumi.output(customData).apply((text) => Buffer.from(text).toString("base64")),
  linuxConfiguration: {
    disablePasswordAuthentication: true,
    provisionVMAgent: true,
    ssh: { publicKeys: [{ path: `/home/${ADMIN}/.ssh/authorized_keys`, keyData: sshPublicKey ?? keyOfNobody() }] },
  },
});

const networkInterface = (subnetId: pulumi.Input<string>, publicIp: boolean) => ({
  name: "nic",
  primary: true,
  enableAcceleratedNetworking: false,
  ipConfigurations: [
    {
      name: "ip",
      primary: true,
      subnet: { id: subnetId },
      ...(publicIp
        ? {
            publicIPAddressConfiguration: {
              name: "out",
              idleTimeoutInMinutes: 10,
              sku: { name: compute.PublicIPAddressSkuName.Standard, tier: compute.PublicIPAddressSkuTier.Regional },
            },
          }
        : {}),
    },
  ],
});
