/**
 * Lengths, characters and ranges that Azure holds inputs to, by resource type and path. Azure publishes them in words only:
 * azure-native's types lack them. A type that is deployed and missing here fails the test.
 * Names: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
 */
import { Duration } from "luxon";
import * as z from "zod";

type Limits = Readonly<Record<string, z.ZodType>>;

const text = (min: number, max: number, pattern = /^[^]*$/): z.ZodType => z.string().min(min).max(max).regex(pattern);
const whole = (min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType => z.number().int().min(min).max(max);
const oneOf = (...values: readonly (string | number)[]): z.ZodType =>
  z.union([z.string(), z.number()]).refine((value) => values.includes(value), { error: `not ${values.join(", ")}` });
const check = (what: string, holds: (value: never) => boolean): z.ZodType =>
  z.unknown().refine((value) => holds(value as never), { error: what });

const milliseconds = (period: string): number => Duration.fromISO(period).toMillis();
/** An ISO 8601 duration. */
const period = (min: string, max: string): z.ZodType =>
  check(`not a period from ${min} to ${max}`, (value: string) => {
    const duration = Duration.fromISO(value);
    return duration.isValid && duration.toMillis() >= milliseconds(min) && duration.toMillis() <= milliseconds(max);
  });

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const guid = (): z.ZodType => text(36, 36, GUID);
/** Networks: letters, digits, underscores, periods and hyphens; ends with a letter, a digit or an underscore. */
const networkName = (min: number): z.ZodType => text(min, min === 1 ? 80 : 64, /^[A-Za-z0-9]([\w.-]*\w)?$/);
/** Monitor: no reserved character, and no period or blank at the end. */
const monitorName = (): z.ZodType => text(1, 260, /^[^*#&+:<>?@%{}\\/]*[^*#&+:<>?@%{}\\/ .]$/);
/** Service Bus: letters, digits, periods, hyphens, underscores and slashes; begins and ends with a letter or digit. */
const entityName = (max: number): z.ZodType => text(1, max, /^[A-Za-z0-9]([\w./-]*[A-Za-z0-9_])?$/);
const cidr = (longest: number): z.ZodType =>
  check(`not a network of at most /${longest}`, (value: string) => {
    const [, bits] = /^\d{1,3}(?:\.\d{1,3}){3}\/(\d{1,2})$/.exec(value) ?? [];
    return bits !== undefined && Number(bits) <= longest;
  });

/**
 * https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources: 50 tags; storage takes names of 128
 * characters, which is the least of all.
 */
export const TAGS: z.ZodType = z
  .record(text(1, 128, /^[^<>%&\\?/]*$/) as z.ZodType<string>, text(0, 256))
  .refine((tags) => Object.keys(tags).length <= 50, { error: "more than 50 tags" });

/** https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
const ENTITY: Limits = {
  maxSizeInMegabytes: oneOf(1024, 2048, 3072, 4096, 5120),
  duplicateDetectionHistoryTimeWindow: period("PT20S", "P7D"),
};

const STORAGE: Limits = { accountName: text(3, 24, /^[a-z0-9]*$/) };
/** Storage's firewall takes neither private addresses nor the two smallest ranges. */
const PRIVATE = /^(10|127|192\.168|172\.(1[6-9]|2\d|3[01]))\./;

interface Capacity {
  readonly minimum: string;
  readonly default: string;
  readonly maximum: string;
}
interface Alert {
  readonly evaluationFrequency: string;
  readonly windowSize: string;
}
interface Probe {
  readonly intervalInSeconds: number;
  readonly numberOfProbes: number;
  readonly gracePeriod: number;
}

const POOL = "virtualMachineProfile.";
const NIC = `${POOL}networkProfile.networkInterfaceConfigurations[].`;
const DAYS = "policy.rules[].definition.actions.";
const RULES = "profiles[].rules[].";

export const LIMITS: Readonly<Record<string, Limits>> = {
  "resources:ResourceGroup": { resourceGroupName: text(1, 90, /^[\w().-]*[\w()-]$/) },
  "applicationinsights:Component": { resourceName: text(1, 260, /^[^%&\\?/]*[^%&\\?/ .]$/) },
  "applicationinsights:Workbook": { resourceName: guid(), displayName: text(1, 256) },
  "authorization:RoleAssignment": { roleAssignmentName: guid(), principalId: guid(), description: text(0, 512) },
  "authorization:RoleDefinition": {
    roleDefinitionId: guid(),
    // https://learn.microsoft.com/azure/role-based-access-control/custom-roles
    roleName: text(1, 512),
    description: text(0, 2048),
  },
  "compute:VirtualMachineScaleSet": {
    vmScaleSetName: text(1, 64, /^[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]$/),
    "sku.capacity": whole(0, 1_000),
    platformFaultDomainCount: oneOf(1, 2, 3, 5),
    // https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs
    "automaticRepairsPolicy.gracePeriod": period("PT10M", "PT90M"),
    "spotRestorePolicy.restoreTimeout": period("PT15M", "PT2H"),
    // https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-terminate-notification
    [`${POOL}scheduledEventsProfile.terminateNotificationProfile.notBeforeTimeout`]: period("PT5M", "PT15M"),
    [`${POOL}osProfile.computerNamePrefix`]: text(1, 15, /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/),
    [`${POOL}osProfile.adminUsername`]: text(1, 32, /^(?!(?:admin|administrator|root|test|user)$)[a-z_][a-z0-9_-]*$/),
    // 64 KiB in base64.
    [`${POOL}osProfile.customData`]: text(0, 87_380, /^[A-Za-z0-9+/]*={0,2}$/),
    [`${POOL}storageProfile.osDisk.diskSizeGB`]: whole(30, 1_023),
    [`${POOL}billingProfile.maxPrice`]: check("neither -1 nor a price", (price: number) => price === -1 || price > 0),
    [`${NIC}ipConfigurations[].publicIPAddressConfiguration.idleTimeoutInMinutes`]: whole(4, 30),
    // https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension
    [`${POOL}extensionProfile.extensions[].settings`]: z
      .looseObject({
        port: whole(1, 65_535),
        intervalInSeconds: whole(5, 60),
        numberOfProbes: whole(1, 24),
        gracePeriod: whole(0, 14_400),
      })
      .and(
        check("a grace period shorter than its probes", (probe: Probe) => {
          return probe.gracePeriod >= probe.intervalInSeconds * probe.numberOfProbes;
        }),
      ),
  },
  "keyvault:Vault": {
    vaultName: text(3, 24, /^(?!.*--)[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$/),
    "properties.softDeleteRetentionInDays": z.int().min(7).max(90),
    "properties.networkAcls.virtualNetworkRules": z.array(z.unknown()).max(200),
    "properties.networkAcls.ipRules": z.array(z.unknown()).max(1_000),
  },
  "managedidentity:UserAssignedIdentity": { resourceName: text(3, 128, /^[A-Za-z0-9][\w-]*$/) },
  "monitor:ActionGroup": {
    actionGroupName: monitorName(),
    groupShortName: text(1, 12),
    "emailReceivers[].emailAddress": text(3, 254, /^[^\s@]+@[^\s@]+$/),
    "webhookReceivers[].serviceUri": text(9, 2_048, /^https:\/\//),
  },
  "monitor:AutoscaleSetting": {
    autoscaleSettingName: monitorName(),
    profiles: z.array(z.unknown()).min(1).max(20),
    "profiles[].rules": z.array(z.unknown()).max(10),
    "profiles[].capacity": check(
      "minimum, default and maximum are not whole numbers in order",
      (capacity: Capacity) => {
        const numbers = [capacity.minimum, capacity.default, capacity.maximum].map(Number);
        return numbers.every((one, at) => Number.isInteger(one) && one >= (numbers[at - 1] ?? 0));
      },
    ),
    [`${RULES}metricTrigger.timeGrain`]: period("PT1M", "PT12H"),
    [`${RULES}metricTrigger.timeWindow`]: period("PT5M", "PT12H"),
    [`${RULES}scaleAction.cooldown`]: period("PT1M", "P7D"),
    [`${RULES}scaleAction.value`]: text(1, 4, /^[0-9]*$/),
  },
  "monitor:DiagnosticSetting": { name: monitorName() },
  "monitor:MetricAlert": {
    ruleName: monitorName(),
    severity: whole(0, 4),
    evaluationFrequency: oneOf("PT1M", "PT5M", "PT15M", "PT30M", "PT1H"),
    windowSize: oneOf("PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D"),
    "": check("evaluated more seldom than its window is long", (alert: Alert) => {
      return milliseconds(alert.evaluationFrequency) <= milliseconds(alert.windowSize);
    }),
  },
  // https://learn.microsoft.com/azure/azure-monitor/service-limits, https://learn.microsoft.com/rest/api/monitor/scheduled-query-rules
  "monitor:ScheduledQueryRule": {
    ruleName: monitorName(),
    description: text(0, 4_096),
    severity: whole(0, 4),
    evaluationFrequency: oneOf("PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H"),
    windowSize: period("PT1M", "P2D"),
    "criteria.allOf": z.array(z.unknown()).length(1),
    "criteria.allOf[].query": text(1, 64 * 1_024),
    "criteria.allOf[].dimensions": z.array(z.unknown()).max(6),
    "criteria.allOf[].failingPeriods.numberOfEvaluationPeriods": whole(1, 6),
    "": check("evaluated more seldom than its window is long", (alert: Alert) => {
      return milliseconds(alert.evaluationFrequency) <= milliseconds(alert.windowSize);
    }),
  },
  "network:NatGateway": { natGatewayName: networkName(1), idleTimeoutInMinutes: whole(4, 120) },
  "network:NetworkSecurityGroup": {
    networkSecurityGroupName: networkName(1),
    "securityRules[].name": networkName(1),
    "securityRules[].description": text(0, 140),
    "securityRules[].priority": whole(100, 4_096),
  },
  "network:PublicIPAddress": { publicIpAddressName: networkName(1), idleTimeoutInMinutes: whole(4, 30) },
  "network:Subnet": { subnetName: networkName(1), addressPrefix: cidr(29), "delegations[].name": networkName(1) },
  "network:VirtualNetwork": { virtualNetworkName: networkName(2), "addressSpace.addressPrefixes[]": cidr(29) },
  "operationalinsights:Workspace": {
    workspaceName: text(4, 63, /^[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]$/),
    retentionInDays: whole(30, 730),
    "workspaceCapping.dailyQuotaGb": check("neither -1 nor 0.023 and more", (gb: number) => gb === -1 || gb >= 0.023),
  },
  "servicebus:Namespace": {
    namespaceName: text(6, 50, /^[A-Za-z](?!.*-(sb|mgmt)$)[A-Za-z0-9-]*[A-Za-z0-9]$/),
    "sku.capacity": oneOf(1, 2, 4, 8, 16),
    premiumMessagingPartitions: oneOf(0, 1, 2, 4),
  },
  "servicebus:NamespaceNetworkRuleSet": {
    virtualNetworkRules: z.array(z.unknown()).max(128),
    ipRules: z.array(z.unknown()).max(128),
  },
  "servicebus:Queue": {
    ...ENTITY,
    queueName: entityName(260),
    lockDuration: period("PT5S", "PT5M"),
    maxDeliveryCount: whole(1, 2_000),
  },
  "servicebus:Topic": { ...ENTITY, topicName: entityName(260) },
  "servicebus:Subscription": {
    subscriptionName: entityName(50),
    lockDuration: period("PT5S", "PT5M"),
    maxDeliveryCount: whole(1, 2_000),
    autoDeleteOnIdle: period("PT5M", "P10675199D"),
  },
  "servicebus:DefaultRule": { "sqlFilter.sqlExpression": text(1, 1_024) },
  "servicebus:Rule": { ruleName: entityName(50), "sqlFilter.sqlExpression": text(1, 1_024) },
  "storage:StorageAccount": {
    ...STORAGE,
    "networkRuleSet.virtualNetworkRules": z.array(z.unknown()).max(400),
    "networkRuleSet.ipRules": z.array(z.unknown()).max(400),
    "networkRuleSet.ipRules[].iPAddressOrRange": check(
      "a private address, or a range of /31 or /32",
      (range: string) => !PRIVATE.test(range) && !/\/3[12]$/.test(range),
    ),
    "sasPolicy.sasExpirationPeriod": text(1, 16, /^\d+\.\d\d:\d\d:\d\d$/),
  },
  "storage:BlobContainer": { ...STORAGE, containerName: text(3, 63, /^[a-z0-9](?!.*--)[a-z0-9-]*[a-z0-9]$/) },
  "storage:Blob": { ...STORAGE, blobName: text(1, 1_024) },
  "storage:BlobServiceProperties": {
    ...STORAGE,
    blobServicesName: oneOf("default"),
    "deleteRetentionPolicy.days": whole(1, 365),
    "containerDeleteRetentionPolicy.days": whole(1, 365),
  },
  "storage:ManagementPolicy": {
    ...STORAGE,
    managementPolicyName: oneOf("default"),
    "policy.rules": z.array(z.unknown()).min(1).max(100),
    "policy.rules[].name": text(1, 256, /^[A-Za-z0-9-]*$/),
    "policy.rules[].definition.filters.prefixMatch": z.array(z.unknown()).max(10),
    [`${DAYS}baseBlob.delete.daysAfterModificationGreaterThan`]: whole(0),
    [`${DAYS}version.delete.daysAfterCreationGreaterThan`]: whole(0),
  },
  "storage:Table": { ...STORAGE, tableName: text(3, 63, /^[A-Za-z][A-Za-z0-9]*$/) },
  "web:AppServicePlan": { name: text(1, 60, /^[A-Za-z0-9-]*$/), "sku.capacity": whole(0, 30) },
  "web:WebApp": {
    name: text(2, 60, /^[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]$/),
    "siteConfig.healthCheckPath": text(1, 256, /^\//),
    // The platform hands them on as variables of the environment.
    "siteConfig.appSettings[].name": text(1, 256, /^[A-Za-z_][A-Za-z0-9_.]*$/),
  },
  "web:WebAppFtpAllowed": {},
  "web:WebAppScmAllowed": {},
};
