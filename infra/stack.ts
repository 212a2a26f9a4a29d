/** Composes one stack: creates the components and connects them. */
import * as authorization from "@pulumi/azure-native/authorization/index.js";
import * as resources from "@pulumi/azure-native/resources/index.js";
import * as pulumi from "@pulumi/pulumi";
import { planAutoscale } from "../runtime/core/deployment/autoscale.ts";
import { PRIORITIES } from "../runtime/core/job/priority.ts";
import { busTopology, jobQueueName } from "../runtime/core/deployment/topology.ts";
import type { Bundles } from "./bundles.ts";
import { ApiHost } from "./components/api-host.ts";
import { Autoscale } from "./components/autoscale.ts";
import { Data } from "./components/data.ts";
import { EntraApplications } from "./components/entra.ts";
import { InstanceProtection } from "./components/instance-protection.ts";
import { Messaging } from "./components/messaging.ts";
import { Network } from "./components/network.ts";
import { Observability } from "./components/observability.ts";
import type { Place } from "./components/place.ts";
import { Release, versionOf } from "./components/release.ts";
import { Secrets } from "./components/secrets.ts";
import { Watch } from "./components/watch.ts";
import { WorkerPool } from "./components/worker-pool.ts";
import { WorkloadIdentity } from "./components/workload-identity.ts";
import { InfraConfigError, type AuthConfig, type InfraConfig, type PoolConfig } from "./config.ts";
import { workerCloudInit } from "./plan/cloud-init.ts";
import { hasAccelerator } from "./plan/skus.ts";
import { apiEnvironment, workerEnvironment, type AuthFacts, type Surroundings } from "./plan/environment.ts";
import { planGrants, type Grant, type GrantScope } from "./plan/grants.ts";
import { planSubnets } from "./plan/subnets.ts";
import { planTimers } from "./plan/timers.ts";

export interface StackArgs {
  readonly stack: string;
  readonly config: InfraConfig;
  /** The code to deploy. */
  readonly bundles: Bundles;
}

/** The output of `pulumi stack output`. */
export interface StackOutputs {
  readonly apiUrl: pulumi.Output<string>;
  readonly tenantId: pulumi.Output<string>;
  readonly clientId: pulumi.Input<string>;
  readonly publicClientId: pulumi.Input<string>;
  readonly resourceGroup: pulumi.Output<string>;
  readonly storageAccount: pulumi.Output<string>;
  readonly serviceBusNamespace: pulumi.Output<string>;
  /** Names of the scale sets by pool. */
  readonly workerPools: Readonly<Record<string, pulumi.Output<string>>>;
  /** Principal ids of the identities of jobs, by pool, to give them roles. */
  readonly jobIdentities: Readonly<Record<string, pulumi.Output<string>>>;
  readonly apiVersion: string;
  readonly workerVersion: string;
}

/** A resource group's name has at most 90 characters. Pulumi appends eight digits. */
const STACK_NAME_MAX_LENGTH = 90 - "jobyard-".length - 8;

/** Throws InfraConfigError if Azure would refuse the stack's name. */
export function createStack({ stack, config, bundles }: StackArgs): StackOutputs {
  if (stack.length > STACK_NAME_MAX_LENGTH) {
    throw new InfraConfigError([`the name of the stack must have at most ${STACK_NAME_MAX_LENGTH} characters`]);
  }
  const tags = { ...config.tags, app: "jobyard", stack, managedBy: "pulumi" };
  const client = authorization.getClientConfigOutput();
  const { subscriptionId, tenantId } = client;
  const group = new resources.ResourceGroup(`jobyard-${stack}`, { tags }, { protect: config.protectData });
  const place: Place = { resourceGroupName: group.name, location: group.location, tags };

  const poolNames = config.pools.map(({ name }) => name);
  const { packages } = bundles;
  const declared = planTimers({ packages, tenantName: config.packages.tenant, pools: poolNames });
  // Only one of them creates subscriptions: the API, each with its filter in one request, or Pulumi if the API may not.
  const timers = config.runtimeRegistration ? [] : declared;
  const topology = busTopology(poolNames, { lockMs: config.lockSeconds * 1_000, timers });
  const grants = planGrants({ topology, pools: poolNames, runtimeRegistration: config.runtimeRegistration });

  const observability = new Observability("observability", {
    place,
    retentionDays: config.insightsRetentionDays,
    dailyCapGb: config.insightsDailyCapGb,
    alertEmail: config.alertEmail,
    alertWebhook: config.alertWebhook,
  });
  const network = new Network("network", {
    place,
    addressSpace: config.addressSpace.text,
    subnets: planSubnets(config.addressSpace, config.pools),
    egress: config.egress,
  });
  const allowOnly =
    config.dataNetwork === "vnet" ? { subnetIds: network.subnetIds, ipRanges: config.allowedIpRanges } : undefined;
  const data = new Data("data", {
    place,
    replication: config.storageReplication,
    softDeleteDays: config.softDeleteDays,
    protect: config.protectData,
    allowOnly,
  });
  const secrets = new Secrets("secrets", { place, tenantId, protect: config.protectData, allowOnly });
  const messaging = new Messaging("bus", {
    place,
    sku: config.busSku,
    capacity: config.busCapacity,
    topology,
    protect: config.protectData,
    allowOnly,
  });
  const release = new Release("release", {
    place,
    api: bundles.api,
    worker: bundles.worker,
    allowOnly:
      config.deployerIpRanges.length > 0
        ? { subnetIds: network.subnetIds, ipRanges: config.deployerIpRanges }
        : undefined,
  });

  const scopeId = (scope: GrantScope): pulumi.Input<string> => {
    switch (scope.kind) {
      case "table":
        return data.tableId(scope.name);
      case "container":
        return data.containerId(scope.name);
      case "queue":
        return messaging.queueId(scope.name);
      case "topic":
        return messaging.topicId(scope.name);
      case "releases":
        return release.containerId;
      case "telemetry":
        return observability.insightsId;
      case "secrets":
        return secrets.vaultId;
      case "scaleSet":
        throw new RangeError("The component of the scale set assigns this role, after its identity.");
    }
  };
  const identityFor = (name: string, own: readonly Grant[]): WorkloadIdentity =>
    new WorkloadIdentity(name, { place, subscriptionId, grants: own, scopeId });
  const surroundings = (identity: WorkloadIdentity): Omit<Surroundings<pulumi.Input<string>>, "version"> => ({
    storageAccount: data.accountName,
    serviceBusNamespace: messaging.hostName,
    keyVaultUrl: secrets.vaultUrl,
    identityClientId: identity.clientId,
    insightsConnectionString: observability.connectionString,
    traceRatio: config.traceRatio,
    lockSeconds: config.lockSeconds,
    events: config.events,
  });

  // The only place that decides whose tokens the API accepts.
  const entra = config.auth.mode === "create" ? createEntra(stack, client.objectId, config.auth) : undefined;
  const auth: AuthFacts<pulumi.Input<string>> = { tenantId, ...clientIds(config.auth, entra) };

  const apiIdentity = identityFor(
    "api",
    grants.filter(({ to }) => to.kind === "api"),
  );
  const api = new ApiHost("api-host", {
    place,
    sku: config.apiSku,
    min: config.apiMin,
    max: Math.max(config.apiMin, config.apiMax),
    identity: apiIdentity,
    packageUrl: release.apiPackageUrl,
    entry: bundles.apiEntry,
    environment: apiEnvironment({
      ...surroundings(apiIdentity),
      version: versionOf(bundles.api),
      pools: poolNames,
      auth,
      allowedOrigins: config.allowedOrigins,
      packagesTenant: packages.length === 0 ? undefined : config.packages.tenant,
      timerRegistration: config.runtimeRegistration,
      retention: {
        rowDays: config.jobRetentionDays,
        logDays: config.logRetentionDays,
        fileDays: config.outputRetentionDays,
        deadLetterDays: config.deadLetterRetentionDays,
      },
    }),
    subnetId: network.apiSubnetId,
    // The API registers timers at start. Their subscriptions must exist by then.
    after: messaging.subscriptions,
  });
  if (entra !== undefined && config.auth.mode === "create") {
    entra.allowPages("entra", [pulumi.interpolate`${api.url}/`, ...config.auth.redirectUris]);
  }

  const protection = new InstanceProtection("protection", {
    resourceGroupId: group.id,
    resourceGroupName: group.name,
  });
  const jobIdentities: Record<string, pulumi.Output<string>> = {};
  const createPool = (pool: PoolConfig): WorkerPool => {
    const own = grants.filter(({ to }) => to.kind === "pool" && to.name === pool.name);
    const [protect, ...others] = own.toSorted((a) => (a.role === "instanceProtector" ? -1 : 1));
    if (protect?.role !== "instanceProtector")
      throw new RangeError(`Pool ${pool.name} has no role to protect its machines.`);
    const identity = identityFor(`pool-${pool.name}`, others);
    // One minute remains for the machine to answer the notice and stop.
    const drainSeconds = (config.terminateNoticeMinutes - 1) * 60;
    // Its rights are the operator's to give: none of this stack's resources is among them.
    const forJobs = pool.jobIdentity ? identityFor(`jobs-${pool.name}`, []) : undefined;
    if (forJobs !== undefined) jobIdentities[pool.name] = forJobs.principalId;
    const environment = workerEnvironment({
      ...surroundings(identity),
      jobIdentityClientId: forJobs?.clientId,
      pool: pool.name,
      slots: pool.slots,
      drainSeconds,
      protection: config.workerProtection,
      idleGraceSeconds: config.workerIdleGraceSeconds,
      releaseAccount: release.accountName,
      releasePatienceMinutes: config.workerReleasePatienceMinutes,
    });
    return new WorkerPool(`pool-${pool.name}`, {
      place,
      pool,
      identity,
      jobIdentity: forJobs,
      subnetId: network.poolSubnetId(pool.name),
      publicIp: config.egress === "instancePublicIp",
      customData: pulumi.all([environment, release.url]).apply(([settings, releasesUrl]) =>
        workerCloudInit({
          environment: settings,
          releasesUrl,
          slots: pool.slots,
          devices: hasAccelerator(pool.vmSize),
          drainSeconds,
          ssh: config.sshPublicKey !== undefined,
        }),
      ),
      sshPublicKey: config.sshPublicKey,
      terminateNoticeMinutes: config.terminateNoticeMinutes,
      protection: { grant: protect, roleDefinitionId: protection.roleDefinitionId },
      after: [release],
    });
  };
  const pools = new Map(config.pools.map((pool) => [pool.name, createPool(pool)]));
  for (const { name, slots, scale } of config.pools) {
    const scaleSetId = pools.get(name)?.scaleSetId;
    if (scale.kind === "fixed" || scaleSetId === undefined) continue;
    const queues = PRIORITIES.map((priority) => jobQueueName(name, priority));
    new Autoscale(`autoscale-${name}`, {
      place,
      plan: planAutoscale({ queues, min: scale.min, max: scale.max, slots }),
      scaleSetId,
      busId: messaging.namespaceId,
      workspaceId: observability.workspaceId,
    });
  }
  new Watch("watch", {
    place,
    stack,
    observability,
    busId: messaging.namespaceId,
    apiId: api.siteId,
    pools: new Map([...pools].map(([name, { scaleSetId }]) => [name, scaleSetId])),
    limits: {
      backlog: config.backlogAlert,
      oldestWaitingMinutes: config.oldestWaitingAlertMinutes,
      failurePercent: config.failureAlertPercent,
      hasDailyCap: config.insightsDailyCapGb !== undefined,
    },
  });

  return {
    apiUrl: api.url,
    tenantId,
    clientId: auth.clientId,
    publicClientId: auth.publicClientId,
    resourceGroup: group.name,
    storageAccount: data.accountName,
    serviceBusNamespace: messaging.hostName,
    workerPools: Object.fromEntries([...pools].map(([name, { scaleSetName }]) => [name, scaleSetName])),
    jobIdentities,
    apiVersion: versionOf(bundles.api),
    workerVersion: versionOf(bundles.worker),
  };
}

const createEntra = (
  stack: string,
  ownerObjectId: pulumi.Input<string>,
  { adminObjectIds, allowAzureCli }: Extract<AuthConfig, { mode: "create" }>,
): EntraApplications =>
  new EntraApplications("entra", { displayName: `Jobyard (${stack})`, ownerObjectId, adminObjectIds, allowAzureCli });

function clientIds(config: AuthConfig, entra: EntraApplications | undefined) {
  if (config.mode === "existing") return { clientId: config.clientId, publicClientId: config.publicClientId };
  if (entra === undefined) throw new RangeError("With authMode create, the Entra applications must exist here.");
  return { clientId: entra.clientId, publicClientId: entra.publicClientId };
}
