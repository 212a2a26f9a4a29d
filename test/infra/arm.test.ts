/** Checks that Azure Resource Manager would accept every input of every variant of the program, without Azure. */
import { runtime } from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { autoName } from "../../infra/rehearsal/pulumi/azure-names.ts";
import { armProblems, hasInput } from "../support/infra/arm/judge.ts";
import { LIMITS } from "../support/infra/arm/limits.ts";
import { FAKE_BUNDLES, mockedStack, type MockedResource } from "../support/infra/mocked-stack.ts";

const PREFIX = "azure-native:";
const GUID = "11111111-1111-4111-8111-111111111111";
const POOL_OF_20 = "a-pool-of-20-letters";
const PACKAGE = { packageName: "nightly.zip", manifest: { timers: [{ timerName: "Close", cron: "0 0 2 * * *" }] } };

/** Every choice that changes which resources are created, and settings at both ends of their range. */
const VARIANTS: Readonly<Record<string, { readonly stack: string; readonly settings: Record<string, unknown> }>> = {
  dev: { stack: "dev", settings: {} },
  prod: { stack: "prod", settings: {} },
  "pools of every kind": {
    stack: "dev",
    settings: {
      egress: "instancePublicIp",
      dataNetwork: "internet",
      workerAutoscale: false,
      workerCount: 101,
      pools: {
        [POOL_OF_20]: { subnet: 62, spot: true, vmSize: "Standard_NC4as_T4_v3", autoscale: true, min: 0 },
        farm: { subnet: 1, count: 800 },
      },
    },
  },
  "Premium, and applications that exist": {
    stack: "prod",
    settings: {
      busSku: "Premium",
      busCapacity: 16,
      storageReplication: "RAGZRS",
      authMode: "existing",
      authClientId: GUID,
      authPublicClientId: GUID,
    },
  },
  "the minimum of every setting": {
    stack: "prod",
    settings: {
      softDeleteDays: 0,
      jobRetentionDays: 0,
      logRetentionDays: 0,
      outputRetentionDays: 0,
      deadLetterRetentionDays: 0,
      lockSeconds: 30,
      workerOsDiskGb: 30,
      workerMin: 0,
      workerMax: 1,
      terminateNoticeMinutes: 5,
      addressSpace: "192.168.0.0/21",
      insightsRetentionDays: 30,
      insightsDailyCapGb: 0.1,
      backlogAlert: 1,
      oldestWaitingAlertMinutes: 1,
      failureAlertPercent: 1,
      traceRatio: 0,
    },
  },
  "the maximum of every setting": {
    stack: "prod",
    settings: {
      tags: Object.fromEntries(
        Array.from({ length: 47 }, (_, index) => [String(index).padStart(128, "t"), "v".repeat(256)]),
      ),
      softDeleteDays: 365,
      jobRetentionDays: 3_650,
      logRetentionDays: 3_650,
      outputRetentionDays: 3_650,
      deadLetterRetentionDays: 3_650,
      allowedIpRanges: ["203.0.113.7", "198.51.100.0/30"],
      deployerIpRanges: ["203.0.113.0/24"],
      lockSeconds: 300,
      apiSku: "P3v3",
      apiMin: 30,
      apiMax: 30,
      workerOsDiskGb: 1_023,
      workerMin: 100,
      workerMax: 100,
      terminateNoticeMinutes: 15,
      addressSpace: "10.0.0.0/8",
      insightsRetentionDays: 730,
      insightsDailyCapGb: 1_000,
      alertEmail: "somebody@example.com",
      alertWebhook: "https://alerts.example.com/azure?token=1",
      oldestWaitingAlertMinutes: 10_080,
      failureAlertPercent: 99,
      traceRatio: 1,
      backlogAlert: 1_000_000,
    },
  },
  "timers registered by Pulumi": {
    stack: "dev",
    settings: { packagesPath: "jobs", packagesTenant: "t".repeat(15), runtimeRegistration: false },
  },
};

const armType = ({ type }: MockedResource): string => type.slice(PREFIX.length);

/** The inputs that Azure gets, with the names that Pulumi generates. */
async function resourcesOf(variant: string): Promise<readonly MockedResource[]> {
  const { stack, settings } = VARIANTS[variant]!;
  const packages = settings["packagesPath"] === undefined ? [] : [PACKAGE];
  const { resources } = await mockedStack(stack, settings, { ...FAKE_BUNDLES, packages });
  return resources
    .filter(({ type }) => type.startsWith(PREFIX))
    .map((one) => ({ ...one, inputs: { ...revealed(one.inputs), ...autoName(armType(one), one.name, one.inputs) } }));
}

/** Azure gets secrets as plain values. */
const revealed = (inputs: MockedResource["inputs"]): MockedResource["inputs"] =>
  Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, runtime.unwrapRpcSecret(value) as unknown]));

const deployed = new Map<string, readonly MockedResource[]>();
beforeAll(async () => {
  for (const variant of Object.keys(VARIANTS)) deployed.set(variant, await resourcesOf(variant));
});
const all = (): readonly MockedResource[] => [...deployed.values()].flat();

describe("Azure Resource Manager", () => {
  it.each(Object.keys(VARIANTS))("Azure Resource Manager accepts every input of: %s", (variant) => {
    const resources = deployed.get(variant) ?? [];
    expect(resources.length).toBeGreaterThan(80);
    const problems = resources.flatMap(({ type, name, inputs }) =>
      armProblems(type, inputs).map((problem) => `${name} (${type}): ${problem}`),
    );
    expect(problems).toEqual([]);
  });

  it("every type that has limits is deployed, and every limit names an existing input", () => {
    expect(Object.keys(LIMITS).toSorted()).toEqual([...new Set([...all().map(armType), "servicebus:Rule"])].toSorted());
    for (const [type, limits] of Object.entries(LIMITS)) {
      for (const path of Object.keys(limits)) expect([type, path, hasInput(type, path)]).toEqual([type, path, true]);
    }
  });
});

/** A change of one input, as `[type, path, value]`. Undefined removes the input. */
type Change = readonly [type: string, path: string, value: unknown];

/** Without this, assets could not be cloned, because they hold promises. */
const copyOf = (inputs: object) => JSON.parse(JSON.stringify(inputs)) as Record<string, unknown>;

/** The problems after a change of the first deployed resource of the type that has the parent of the path. */
function problemsWith([type, path, value]: Change): readonly string[] {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  for (const { inputs } of all().filter((one) => armType(one) === type)) {
    const changed = copyOf(inputs);
    const place = keys.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], changed);
    if (place === undefined) continue;
    (place as Record<string, unknown>)[last] = value;
    return armProblems(PREFIX + type, changed);
  }
  throw new RangeError(`No deployed resource has ${type} ${path}.`);
}

const ACCOUNT = "storage:StorageAccount";
const SCALE_SET = "compute:VirtualMachineScaleSet";
const AUTOSCALE = "monitor:AutoscaleSetting";
const ALERT = "monitor:MetricAlert";
const QUERY_ALERT = "monitor:ScheduledQueryRule";

describe("the check of inputs", () => {
  it.each<Change>([
    // Names.
    [ACCOUNT, "accountName", "a".repeat(25)],
    [ACCOUNT, "accountName", "with-hyphens"],
    ["storage:Table", "tableName", "with-hyphens"],
    ["storage:BlobContainer", "containerName", "two--hyphens"],
    ["servicebus:Namespace", "namespaceName", "jobyard-sb"],
    ["servicebus:Subscription", "subscriptionName", "s".repeat(51)],
    ["network:VirtualNetwork", "virtualNetworkName", "v".repeat(65)],
    ["applicationinsights:Workbook", "resourceName", "workbook"],
    ["web:WebApp", "name", "under_score"],
    [SCALE_SET, "virtualMachineProfile.osProfile.computerNamePrefix", "p".repeat(16)],
    [SCALE_SET, "virtualMachineProfile.osProfile.adminUsername", "root"],
    // Ranges.
    ["storage:BlobServiceProperties", "deleteRetentionPolicy.days", 400],
    ["storage:ManagementPolicy", "policy.rules.0.definition.actions.version.delete.daysAfterCreationGreaterThan", 0.5],
    ["servicebus:Queue", "lockDuration", "PT6M"],
    ["servicebus:Queue", "maxDeliveryCount", 2_001],
    ["servicebus:Queue", "duplicateDetectionHistoryTimeWindow", "10 minutes"],
    ["network:NetworkSecurityGroup", "securityRules.0.priority", 99],
    ["network:Subnet", "addressPrefix", "10.0.0.0/30"],
    ["operationalinsights:Workspace", "retentionInDays", 731],
    [SCALE_SET, "virtualMachineProfile.storageProfile.osDisk.diskSizeGB", 1_024],
    [SCALE_SET, "virtualMachineProfile.osProfile.customData", "not base64"],
    [SCALE_SET, "virtualMachineProfile.scheduledEventsProfile.terminateNotificationProfile.notBeforeTimeout", "PT16M"],
    [SCALE_SET, "virtualMachineProfile.extensionProfile.extensions.0.settings.gracePeriod", 30],
    [AUTOSCALE, "profiles.0.capacity.default", "101"],
    [AUTOSCALE, "profiles.0.rules", Array(11).fill({})],
    [AUTOSCALE, "profiles.0.rules.0.metricTrigger.timeWindow", "PT4M"],
    [ALERT, "windowSize", "PT1M"],
    [ALERT, "severity", 5],
    [QUERY_ALERT, "windowSize", "PT10M"],
    [QUERY_ALERT, "evaluationFrequency", "PT20M"],
    [QUERY_ALERT, "criteria.allOf.0.query", ""],
    [QUERY_ALERT, "criteria.allOf.0.dimensions", Array(7).fill({ name: "pool", operator: "Include", values: ["*"] })],
    ["monitor:ActionGroup", "webhookReceivers", [{ name: "webhook", serviceUri: "http://alerts.example.com" }]],
    [ACCOUNT, "networkRuleSet.ipRules", [{ iPAddressOrRange: "10.0.0.1" }]],
    [ACCOUNT, "tags", { ["t".repeat(129)]: "" }],
    // Unknown or differently spelt words.
    [ACCOUNT, "sku.name", "Standard_XRS"],
    [ACCOUNT, "minimumTlsVersion", "1.2"],
    ["web:WebApp", "siteConfig.ftpsState", "disabled"],
    [AUTOSCALE, "profiles.0.rules.0.scaleAction.type", "ChangeCounts"],
    [ALERT, "criteria.allOf.0.operator", "MoreThan"],
    [QUERY_ALERT, "criteria.allOf.0.timeAggregation", "count"],
    [ALERT, "criteria.odataType", "Microsoft.Azure.Monitor.Criteria"],
    // Inputs that only Azure writes, and unknown inputs.
    [ACCOUNT, "primaryEndpoints", {}],
    [SCALE_SET, "provisioningState", "Succeeded"],
    ["network:NatGateway", "resourceGuid", GUID],
    [SCALE_SET, "virtualMachineProfile.osProfile.computerName", "one"],
    // Missing inputs, and inputs of another type.
    [ACCOUNT, "kind", undefined],
    ["servicebus:Namespace", "sku.name", undefined],
    [AUTOSCALE, "profiles.0.capacity", undefined],
    [ALERT, "criteria.allOf.0.threshold", "10"],
    ["servicebus:Queue", "requiresSession", "false"],
    ["network:VirtualNetwork", "addressSpace.addressPrefixes", "10.0.0.0/8"],
    ["web:WebApp", "siteConfig.appSettings", { PORT: "80" }],
  ])("the check refuses %s with %s of %j", (...change) => {
    expect(problemsWith(change)).not.toEqual([]);
  });

  it("the check finds every misspelt input name at any depth", () => {
    const seen = new Set<string>();
    for (const resource of all()) {
      for (const keys of keysOf(resource.inputs)) {
        const path = [armType(resource), ...keys.map((key) => (/^\d+$/.test(key) ? "[]" : key))].join(".");
        if (seen.has(path)) continue;
        seen.add(path);
        const changed = copyOf(resource.inputs);
        const place = keys
          .slice(0, -1)
          .reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], changed);
        const { [keys.at(-1) ?? ""]: value } = place as Record<string, unknown>;
        (place as Record<string, unknown>)[`${keys.at(-1) ?? ""}X`] = value;
        expect(armProblems(resource.type, changed), path).not.toEqual([]);
      }
    }
    expect(seen.size).toBeGreaterThan(250);
  });
});

/** Settings of an extension, tags and the source of a blob are free in form. */
const FREE = ["settings", "tags", "source"];

/** The path to every key of an object. */
function keysOf(value: unknown, before: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(Array.isArray(value) ? [] : [[...before, key]]),
    ...(FREE.includes(key) ? [] : keysOf(inner, [...before, key])),
  ]);
}
