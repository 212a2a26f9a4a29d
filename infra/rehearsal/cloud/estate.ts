/** Reads the record of a deployment into the form that the rehearsal needs. The record is its only source. */
import { z } from "zod";
import type { AutoscalePlan, AutoscaleRule, ScaleChange } from "../../../runtime/core/deployment/autoscale.ts";
import type { BusTopology } from "../../../runtime/core/deployment/service-bus.ts";
import { assetOf, type CloudRecord, type Properties, type RecordedAsset } from "../pulumi/record.ts";
import { stableGuid } from "../pulumi/azure-names.ts";

export interface RecordedBlob {
  readonly account: string;
  readonly container: string;
  readonly name: string;
  readonly asset: RecordedAsset;
}

export interface RecordedAccount {
  readonly id: string;
  readonly name: string;
  readonly allowsKeys: boolean;
  /** Ids of the subnets that can reach it. Undefined: all. */
  readonly subnetIds: readonly string[] | undefined;
  readonly containers: readonly string[];
  readonly tables: readonly string[];
}

export interface RecordedIdentity {
  readonly id: string;
  readonly name: string;
  readonly clientId: string;
  readonly principalId: string;
}

export interface RecordedAssignment {
  /** Its name in the program, as `plan/grants.ts` gives it. */
  readonly name: string;
  readonly principalId: string;
  /** The last part of the role definition's id. */
  readonly role: string;
  readonly scope: string;
}

export interface RecordedSite {
  readonly id: string;
  readonly host: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly commandLine: string;
  readonly identityIds: readonly string[];
  readonly instances: number;
  readonly subnetId: string;
}

export interface RecordedScaleSet {
  readonly id: string;
  readonly name: string;
  readonly vmSize: string;
  readonly capacity: number;
  /** The cloud-init document. */
  readonly customData: string;
  readonly identityIds: readonly string[];
  readonly subnetId: string;
  /** Undefined if autoscale is off. */
  readonly autoscale: AutoscalePlan | undefined;
}

export interface Estate {
  readonly accounts: readonly RecordedAccount[];
  readonly blobs: readonly RecordedBlob[];
  /** Of Application Insights. */
  readonly insightsId: string;
  readonly namespaceId: string;
  /** Host name. */
  readonly namespace: string;
  readonly topology: BusTopology;
  readonly identities: readonly RecordedIdentity[];
  readonly assignments: readonly RecordedAssignment[];
  /** Actions of custom roles, by the last part of their ids. */
  readonly customRoles: ReadonlyMap<string, readonly string[]>;
  /** Address prefixes by id. */
  readonly subnets: ReadonlyMap<string, string>;
  readonly site: RecordedSite;
  readonly scaleSets: readonly RecordedScaleSet[];
}

const text = z.string();
const schemas = {
  account: z.object({
    accountName: text,
    allowSharedKeyAccess: z.boolean().default(true),
    networkRuleSet: z
      .object({
        defaultAction: text,
        virtualNetworkRules: z.array(z.object({ virtualNetworkResourceId: text })).default([]),
      })
      .optional(),
  }),
  container: z.object({ accountName: text, containerName: text }),
  table: z.object({ accountName: text, tableName: text }),
  blob: z.object({ accountName: text, containerName: text, blobName: text, source: z.unknown() }),
  namespace: z.object({ namespaceName: text }),
  queue: z.object({ queueName: text }),
  topic: z.object({ topicName: text }),
  subscription: z.object({ topicName: text, subscriptionName: text }),
  rule: z.object({
    topicName: text,
    subscriptionName: text,
    ruleName: text.default("$Default"),
    sqlFilter: z.object({ sqlExpression: text }),
  }),
  entity: z.object({
    lockDuration: text.optional(),
    maxDeliveryCount: z.number().optional(),
    requiresDuplicateDetection: z.boolean().optional(),
    duplicateDetectionHistoryTimeWindow: text.optional(),
    defaultMessageTimeToLive: text.optional(),
    deadLetteringOnMessageExpiration: z.boolean().optional(),
    forwardTo: text.optional(),
    requiresSession: z.boolean().optional(),
  }),
  assignment: z.object({ principalId: text, roleDefinitionId: text, scope: text }),
  role: z.object({ permissions: z.array(z.object({ actions: z.array(text) })) }),
  subnet: z.object({ addressPrefix: text }),
  plan: z.object({ sku: z.object({ capacity: z.number() }) }),
  site: z.object({
    serverFarmId: text,
    virtualNetworkSubnetId: text,
    identity: z.object({ userAssignedIdentities: z.array(text) }),
    siteConfig: z.object({
      appCommandLine: text,
      appSettings: z.array(z.object({ name: text, value: text })),
    }),
  }),
  scaleSet: z.object({
    sku: z.object({ name: text, capacity: z.number() }),
    identity: z.object({ userAssignedIdentities: z.array(text) }),
    virtualMachineProfile: z.object({
      osProfile: z.object({ customData: text }),
      networkProfile: z.object({
        networkInterfaceConfigurations: z.tuple([
          z.object({ ipConfigurations: z.tuple([z.object({ subnet: z.object({ id: text }) })]) }),
        ]),
      }),
    }),
  }),
  autoscale: z.object({
    targetResourceUri: text,
    profiles: z.tuple([
      z.object({
        capacity: z.object({ minimum: text, maximum: text, default: text }),
        rules: z.array(
          z.object({
            metricTrigger: z.object({
              dimensions: z.tuple([z.object({ values: z.tuple([text]) })]),
              dividePerInstance: z.boolean(),
              operator: z.enum(["GreaterThan", "LessThan"]),
              threshold: z.number(),
              timeWindow: text,
            }),
            scaleAction: z.object({
              direction: z.enum(["Increase", "Decrease"]),
              type: z.enum(["PercentChangeCount", "ChangeCount", "ExactCount"]),
              value: text,
              cooldown: text,
            }),
          }),
        ),
      }),
    ]),
  }),
};

/** Throws ZodError if a resource lacks an input that Azure would need. */
export function readEstate(cloud: CloudRecord): Estate {
  const all = Object.entries(cloud).map(([id, { type, name, inputs }]) => ({ id, type, name, inputs }));
  const of = <Shape>(type: string, schema: z.ZodType<Shape>) =>
    all
      .filter((resource) => resource.type === `azure-native:${type}`)
      .map(({ id, name, inputs }) => ({ id, name, inputs, ...schema.parse(inputs) }));

  const containers = of("storage:BlobContainer", schemas.container);
  const tables = of("storage:Table", schemas.table);
  const plans = of("web:AppServicePlan", schemas.plan);
  const [site] = of("web:WebApp", schemas.site);
  const [namespace] = of("servicebus:Namespace", schemas.namespace);
  const [insights] = of("applicationinsights:Component", z.object({}));
  if (site === undefined || namespace === undefined || insights === undefined)
    throw new RangeError("The record has no API, no Service Bus or no Application Insights.");
  // The API's plan scales by other metrics. It does not scale here.
  const autoscales = all
    .filter(
      ({ type, inputs }) =>
        type === "azure-native:monitor:AutoscaleSetting" &&
        /virtualMachineScaleSets/.test(String(inputs["targetResourceUri"])),
    )
    .map(({ inputs }) => schemas.autoscale.parse(inputs));

  return {
    accounts: of("storage:StorageAccount", schemas.account).map(
      ({ id, accountName, allowSharedKeyAccess, networkRuleSet }) => ({
        id,
        name: accountName,
        allowsKeys: allowSharedKeyAccess,
        subnetIds:
          networkRuleSet?.defaultAction === "Deny"
            ? networkRuleSet.virtualNetworkRules.map(({ virtualNetworkResourceId }) => virtualNetworkResourceId)
            : undefined,
        containers: containers.filter((one) => one.accountName === accountName).map((one) => one.containerName),
        tables: tables.filter((one) => one.accountName === accountName).map((one) => one.tableName),
      }),
    ),
    blobs: of("storage:Blob", schemas.blob).flatMap(({ accountName, containerName, blobName, source }) => {
      const asset = assetOf(source);
      return asset === undefined ? [] : [{ account: accountName, container: containerName, name: blobName, asset }];
    }),
    insightsId: insights.id,
    namespaceId: namespace.id,
    namespace: `${namespace.namespaceName}.servicebus.windows.net`,
    topology: topologyOf(
      of("servicebus:Queue", schemas.queue),
      of("servicebus:Topic", schemas.topic),
      of("servicebus:Subscription", schemas.subscription),
      [...of("servicebus:DefaultRule", schemas.rule), ...of("servicebus:Rule", schemas.rule)],
    ),
    identities: of("managedidentity:UserAssignedIdentity", z.object({})).map(({ id }) => ({
      id,
      name: id.split("/").at(-1) ?? id,
      clientId: stableGuid("client", id),
      principalId: stableGuid("principal", id),
    })),
    assignments: of("authorization:RoleAssignment", schemas.assignment).map(
      ({ name, principalId, roleDefinitionId, scope }) => ({
        name,
        principalId,
        role: lastPart(roleDefinitionId),
        scope,
      }),
    ),
    customRoles: new Map(
      of("authorization:RoleDefinition", schemas.role).map(({ id, permissions }) => [
        lastPart(id),
        permissions.flatMap(({ actions }) => actions),
      ]),
    ),
    subnets: new Map(of("network:Subnet", schemas.subnet).map(({ id, addressPrefix }) => [id, addressPrefix])),
    site: {
      id: site.id,
      host: `${lastPart(site.id)}.azurewebsites.net`,
      settings: Object.fromEntries(site.siteConfig.appSettings.map(({ name, value }) => [name, value])),
      commandLine: site.siteConfig.appCommandLine,
      identityIds: site.identity.userAssignedIdentities,
      instances: plans.find(({ id }) => id === site.serverFarmId)?.sku.capacity ?? 1,
      subnetId: site.virtualNetworkSubnetId,
    },
    scaleSets: of("compute:VirtualMachineScaleSet", schemas.scaleSet).map(({ id, sku, identity, ...rest }) => {
      const { osProfile, networkProfile } = rest.virtualMachineProfile;
      const autoscale = autoscales.find(({ targetResourceUri }) => targetResourceUri === id);
      return {
        id,
        name: lastPart(id),
        vmSize: sku.name,
        capacity: sku.capacity,
        customData: Buffer.from(osProfile.customData, "base64").toString(),
        identityIds: identity.userAssignedIdentities,
        subnetId: networkProfile.networkInterfaceConfigurations[0].ipConfigurations[0].subnet.id,
        autoscale: autoscale && planOf(autoscale),
      };
    }),
  };
}

const lastPart = (id: string): string => id.split("/").at(-1) ?? id;

interface Named<Shape> {
  readonly inputs: Properties;
  readonly shape?: Shape;
}

function topologyOf(
  queues: readonly (Named<never> & z.infer<typeof schemas.queue>)[],
  topics: readonly (Named<never> & z.infer<typeof schemas.topic>)[],
  subscriptions: readonly (Named<never> & z.infer<typeof schemas.subscription>)[],
  rules: readonly z.infer<typeof schemas.rule>[],
): BusTopology {
  return {
    queues: queues.map(({ queueName, inputs }) => ({ name: queueName, ...entityOptions(inputs) })),
    topics: topics.map(({ topicName, inputs }) => {
      const { duplicateWindowMs, timeToLiveMs } = entityOptions(inputs);
      return {
        name: topicName,
        ...(duplicateWindowMs !== undefined && { duplicateWindowMs }),
        ...(timeToLiveMs !== undefined && { timeToLiveMs }),
        subscriptions: subscriptions
          .filter((one) => one.topicName === topicName)
          .map(({ subscriptionName, inputs: own }) => {
            const filters = rules.filter(
              (rule) => rule.topicName === topicName && rule.subscriptionName === subscriptionName,
            );
            return {
              name: subscriptionName,
              ...entityOptions(own),
              ...(filters.length > 0 && {
                rules: filters.map(({ ruleName, sqlFilter }) => ({
                  name: ruleName,
                  filter: { kind: "sql" as const, expression: sqlFilter.sqlExpression },
                })),
              }),
            };
          }),
      };
    }),
  };
}

function entityOptions(inputs: Properties) {
  const entity = schemas.entity.parse(inputs);
  const { lockDuration, maxDeliveryCount, defaultMessageTimeToLive, forwardTo } = entity;
  const window = entity.duplicateDetectionHistoryTimeWindow;
  return {
    ...(lockDuration !== undefined && { lockMs: durationMs(lockDuration) }),
    ...(maxDeliveryCount !== undefined && { maxDeliveryCount }),
    ...(entity.requiresDuplicateDetection === true && window && { duplicateWindowMs: durationMs(window) }),
    ...(defaultMessageTimeToLive !== undefined && { timeToLiveMs: durationMs(defaultMessageTimeToLive) }),
    ...(entity.deadLetteringOnMessageExpiration === true && { deadLetterOnExpiry: true }),
    ...(forwardTo !== undefined && { forwardTo }),
    ...(entity.requiresSession === true && { requiresSession: true }),
  };
}

/** ISO 8601, with days as its largest unit. Throws RangeError for anything else. */
export function durationMs(iso: string): number {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(iso);
  if (match === null) throw new RangeError(`${iso} is not an ISO 8601 duration.`);
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = match
    .slice(1)
    .map((part: string | undefined) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000;
}

const CHANGE_KINDS = {
  PercentChangeCount: "percent",
  ChangeCount: "count",
  ExactCount: "exactly",
} as const satisfies Record<string, ScaleChange["kind"]>;

/** Converts the recorded setting to the plan that core's model of Azure Monitor uses. */
function planOf({ profiles: [profile] }: z.infer<typeof schemas.autoscale>): AutoscalePlan {
  const minutes = (iso: string): number => durationMs(iso) / 60_000;
  return {
    minimum: Number(profile.capacity.minimum),
    maximum: Number(profile.capacity.maximum),
    fallback: Number(profile.capacity.default),
    rules: profile.rules.map(({ metricTrigger, scaleAction }): AutoscaleRule => ({
      direction: scaleAction.direction === "Increase" ? "out" : "in",
      queue: metricTrigger.dimensions[0].values[0],
      perInstance: metricTrigger.dividePerInstance,
      threshold: metricTrigger.threshold,
      windowMinutes: minutes(metricTrigger.timeWindow),
      change: { kind: CHANGE_KINDS[scaleAction.type], value: Number(scaleAction.value) },
      cooldownMinutes: minutes(scaleAction.cooldown),
    })),
  };
}
