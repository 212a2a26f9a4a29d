import { beforeAll, describe, expect, it } from "vitest";
import { parseInfraConfig } from "../../infra/config.ts";
import { createStack } from "../../infra/stack.ts";
import { JOB_USERS } from "../../infra/plan/cloud-init.ts";
import { INSTANCE_PROTECTOR, planGrants } from "../../infra/plan/grants.ts";
import { AUTOSCALE_MAX_INSTANCES, AUTOSCALE_MAX_RULES } from "../../runtime/core/deployment/autoscale.ts";
import { SETTING } from "../../runtime/core/settings/names.ts";
import { busTopology } from "../../runtime/core/deployment/topology.ts";
import { CONTAINERS, TABLES } from "../../runtime/core/deployment/storage-layout.ts";
import { API_CLIENT_ID, DIRECTORY_ID, PUBLIC_CLIENT_ID } from "../../runtime/local/identity/principals.ts";
import { FAKE_BUNDLES, mockedStack, type MockedStack } from "../support/infra/mocked-stack.ts";

type Json = Record<string, unknown>;

const ACCOUNT = "azure-native:storage:StorageAccount";
const NAMESPACE = "azure-native:servicebus:Namespace";
const QUEUE = "azure-native:servicebus:Queue";
const ASSIGNMENT = "azure-native:authorization:RoleAssignment";
const SCALE_SET = "azure-native:compute:VirtualMachineScaleSet";
const AUTOSCALE = "azure-native:monitor:AutoscaleSetting";
const ALERT = "azure-native:monitor:MetricAlert";
const QUERY_ALERT = "azure-native:monitor:ScheduledQueryRule";
const SUBNET = "azure-native:network:Subnet";

const PUBLIC_IP_INPUT = "publicIPAddressConfiguration";
const settingsOf = (stack: MockedStack): Record<string, unknown> => {
  const { appSettings } = stack.named("jobyard-api-host")["siteConfig"] as {
    appSettings: { name: string; value: unknown }[];
  };
  return Object.fromEntries(appSettings.map(({ name, value }) => [name, value]));
};

/** In the form of their files. Created once, because each takes a moment. */
let dev: MockedStack;
let prod: MockedStack;
beforeAll(async () => {
  dev = await mockedStack("dev");
  prod = await mockedStack("prod");
});

it("a stack is refused if its resource group cannot have its name", () => {
  const config = parseInfraConfig({});
  expect(() => createStack({ stack: "s".repeat(75), config, bundles: FAKE_BUNDLES })).toThrow(/at most 74 characters/);
});

describe.each(["dev", "prod"])("stack %s", (name) => {
  let stack: MockedStack;
  beforeAll(() => {
    stack = name === "dev" ? dev : prod;
  });

  it("the stack has these resources; a renamed resource is another resource", () => {
    expect(stack.resources.map((resource) => `${resource.type}  ${resource.name}`).sort()).toMatchSnapshot();
  });

  it("the stack has every table, container and queue of the topology", () => {
    const names = (type: string, input: string) => stack.ofType(type).map(({ inputs }) => inputs[input]);
    expect(names("azure-native:storage:Table", "tableName").sort()).toEqual(Object.values(TABLES).sort());
    expect(names("azure-native:storage:BlobContainer", "containerName").sort()).toEqual(
      [...Object.values(CONTAINERS), "releases"].sort(),
    );
    expect(names(QUEUE, "queueName").sort()).toEqual(
      busTopology(["default"])
        .queues.map((queue) => queue.name)
        .sort(),
    );
  });

  it("storage accepts only identities, except the account for releases", () => {
    for (const { name: account, inputs } of stack.ofType(ACCOUNT)) {
      expect(inputs["allowSharedKeyAccess"]).toBe(account === "jobyardrelease");
      expect(inputs).toMatchObject({
        allowBlobPublicAccess: false,
        minimumTlsVersion: "TLS1_2",
        enableHttpsTrafficOnly: true,
        allowCrossTenantReplication: false,
      });
    }
    expect(stack.named("jobyarddata")["networkRuleSet"]).toMatchObject({ defaultAction: "Deny", ipRules: [] });
    expect(stack.named("jobyardrelease")).toMatchObject({
      defaultToOAuthAuthentication: true,
      isLocalUserEnabled: false,
      isSftpEnabled: false,
      allowedCopyScope: "AAD",
      sasPolicy: { sasExpirationPeriod: "00.01:00:00", expirationAction: "Block" },
      networkRuleSet: { defaultAction: "Allow" },
    });
    for (const { inputs } of stack.ofType("azure-native:storage:BlobContainer")) {
      expect(inputs["publicAccess"]).toBe("None");
    }
  });

  it("Service Bus accepts only identities", () => {
    expect(stack.ofType(NAMESPACE)).toHaveLength(1);
    expect(stack.named("jobyard-bus")).toMatchObject({ disableLocalAuth: true, minimumTlsVersion: "1.2" });
  });

  it("telemetry and logs are accepted only from identities", () => {
    expect(
      stack.named("observability-insights")["DisableLocalAuth"] ??
        stack.named("observability-insights")["disableLocalAuth"],
    ).toBe(true);
    expect(stack.named("observability-logs")["features"]).toMatchObject({ disableLocalAuth: true });
  });

  it("inbound traffic is blocked: every subnet has the closed group, and no way out by default", () => {
    const [group] = stack.ofType("azure-native:network:NetworkSecurityGroup");
    expect(group?.inputs["securityRules"]).toEqual([
      expect.objectContaining({
        access: "Deny",
        direction: "Inbound",
        protocol: "*",
        sourceAddressPrefix: "*",
        destinationPortRange: "*",
      }),
    ]);
    for (const { inputs } of stack.ofType(SUBNET)) {
      expect(inputs["defaultOutboundAccess"]).toBe(false);
      expect(inputs["networkSecurityGroup"]).toBeDefined();
    }
  });

  it("every role assignment names the kind of principal, and the assignments match the plan", () => {
    const assignments = stack.ofType(ASSIGNMENT);
    for (const { inputs } of assignments) expect(inputs["principalType"]).toBe("ServicePrincipal");
    const planned = planGrants({ topology: busTopology(["default"]), pools: ["default"], runtimeRegistration: true });
    expect(assignments.map((assignment) => assignment.name).sort()).toEqual(planned.map(({ id }) => id).sort());
  });

  it("every role is assigned on one resource, never on the group, an account or the subscription", () => {
    for (const { name: assignment, inputs } of stack.ofType(ASSIGNMENT)) {
      expect(inputs["scope"], assignment).toMatch(
        /\/(tables|containers|queues|topics|virtualMachineScaleSets|components|vaults)\/[^/]+$/,
      );
    }
  });

  it("the stack has one custom role, with two rights, assignable in its own group", () => {
    expect(stack.ofType("azure-native:authorization:RoleDefinition")).toHaveLength(1);
    const role = stack.named("protection-role");
    expect(role["permissions"]).toEqual([{ actions: [...INSTANCE_PROTECTOR.actions] }]);
    expect(INSTANCE_PROTECTOR.actions).toEqual([
      "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
      "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/write",
    ]);
    expect(role["assignableScopes"]).toEqual([role["scope"]]);
  });

  it("worker machines allow no login, are not overprovisioned, and get a terminate notice", () => {
    const [pool] = stack.ofType(SCALE_SET);
    expect(pool?.inputs).toMatchObject({
      orchestrationMode: "Uniform",
      overprovision: false,
      singlePlacementGroup: true,
      upgradePolicy: { mode: "Manual" },
      automaticRepairsPolicy: { enabled: true },
      virtualMachineProfile: {
        scheduledEventsProfile: { terminateNotificationProfile: { enable: true, notBeforeTimeout: "PT15M" } },
        osProfile: { linuxConfiguration: { disablePasswordAuthentication: true } },
        extensionProfile: { extensions: [{ type: "ApplicationHealthLinux", settings: { port: 8081 } }] },
      },
    });
  });

  it("a machine's document never contains the version of the code", () => {
    const [pool] = stack.ofType(SCALE_SET);
    const { customData } = (pool?.inputs["virtualMachineProfile"] as { osProfile: { customData: string } }).osProfile;
    const text = Buffer.from(customData, "base64").toString();
    for (const setting of [
      `${SETTING.pool}="default"`,
      `${SETTING.metadataUrl}="http://169.254.169.254"`,
      `${SETTING.scaleInProtection}="required"`,
      `${SETTING.releaseAccount}="jobyardrelease`,
      `${SETTING.healthPort}="8081"`,
      `${SETTING.jobUser}="${JOB_USERS}"`,
    ]) {
      expect(text).toContain(JSON.stringify(setting).slice(1, -1));
    }
    expect(text).toContain("/releases");
    expect(text).not.toContain(FAKE_BUNDLES.worker.sha256.slice(0, 12));
  });

  it("autoscale of the workers is on and within Azure's limits", () => {
    const { profiles, enabled } = stack.named("autoscale-default-setting");
    expect(enabled).toBe(true);
    const [profile] = profiles as {
      capacity: { maximum: string };
      rules: { metricTrigger: Json; scaleAction: Json }[];
    }[];
    expect(Number(profile?.capacity.maximum)).toBeLessThanOrEqual(AUTOSCALE_MAX_INSTANCES);
    expect(profile?.rules.length).toBeLessThanOrEqual(AUTOSCALE_MAX_RULES);
    for (const { metricTrigger } of profile!.rules) {
      expect(metricTrigger).toMatchObject({
        metricName: "ActiveMessages",
        metricResourceUri: expect.stringContaining("/Microsoft.ServiceBus/namespaces/") as string,
      });
    }
  });

  it("the API accepts only TLS, has no publishing credentials, and starts with core's settings", () => {
    expect(stack.named("jobyard-api-host")).toMatchObject({
      httpsOnly: true,
      siteConfig: {
        ftpsState: "Disabled",
        minTlsVersion: "1.2",
        healthCheckPath: "/healthz",
        linuxFxVersion: "NODE|24-lts",
      },
    });
    expect(stack.named("api-host-ftp")["allow"]).toBe(false);
    expect(stack.named("api-host-scm")["allow"]).toBe(false);
    const settings = settingsOf(stack);
    expect(settings).toMatchObject({
      [SETTING.storageAccount]: expect.stringMatching(/^jobyarddata[0-9a-f]{8}$/) as string,
      [SETTING.serviceBusNamespace]: expect.stringMatching(/^jobyard-bus[0-9a-f]{8}\.servicebus/) as string,
      [SETTING.pools]: "default",
      [SETTING.auth]: "entra",
      [SETTING.authTenantId]: DIRECTORY_ID,
      [SETTING.authClientId]: API_CLIENT_ID,
      [SETTING.authPublicClientId]: PUBLIC_CLIENT_ID,
      [SETTING.proxyHops]: "1",
    });
    expect(Object.keys(settings)).not.toContain(SETTING.allowedOrigins);
    // For packages that the API brings along; here it brings none.
    expect(Object.keys(settings)).not.toContain(SETTING.packagesTenant);
    expect(Object.keys(settings)).not.toContain(SETTING.storageConnectionString);
    expect(Object.keys(settings)).not.toContain(SETTING.serviceBusConnectionString);
    expect(JSON.stringify(settings)).not.toMatch(/AccountKey|SharedAccessKey|sig=/);
  });

  it("the API is registered with three roles, a scope, and a client that needs no consent", () => {
    const api = stack.named("entra-api") as { appRoles: { value: string; id: string }[]; api: Json };
    expect(api.appRoles.map(({ value }) => value).sort()).toEqual(["Jobs.Admin", "Jobs.Read", "Jobs.Submit"]);
    expect(new Set(api.appRoles.map(({ id }) => id)).size).toBe(3);
    expect(stack.named("entra-api-principal")["appRoleAssignmentRequired"]).toBe(true);
    expect(stack.named("entra-client")).toMatchObject({ fallbackPublicClientEnabled: true });
    expect(stack.named("entra-client-preauthorized")["authorizedClientId"]).toBe(PUBLIC_CLIENT_ID);
    expect(stack.named("entra-client-pages")["redirectUris"]).toEqual([
      expect.stringMatching(/^https:\/\/jobyard-api-host[0-9a-f]{8}\.azurewebsites\.net\/$/),
    ]);
  });

  it("every resource that can have tags has them", () => {
    const { inputs } = stack.ofType("azure-native:resources:ResourceGroup")[0]!;
    expect(inputs["tags"]).toEqual({ app: "jobyard", stack: name, managedBy: "pulumi" });
    for (const type of [ACCOUNT, NAMESPACE, SCALE_SET, AUTOSCALE, ALERT, "azure-native:web:WebApp"]) {
      for (const resource of stack.ofType(type)) expect(resource.inputs["tags"], resource.name).toEqual(inputs["tags"]);
    }
  });
});

describe("configuration", () => {
  it("the setting egress selects one gateway, or an address for each worker", () => {
    expect(prod.named("network-pool-default-subnet")["natGateway"]).toBeDefined();
    expect(JSON.stringify(prod.named("pool-default-workers"))).not.toContain(PUBLIC_IP_INPUT);
    expect(dev.named("network-pool-default-subnet")["natGateway"]).toBeUndefined();
    expect(JSON.stringify(dev.named("pool-default-workers"))).toContain(PUBLIC_IP_INPUT);
  });

  it("another pool has its own queues, identity, subnet, machines, rules and alert", async () => {
    const stack = await mockedStack("dev", {
      pools: { gpu: { subnet: 1, vmSize: "Standard_NC4as_T4_v3", slots: 2, spot: true } },
    });
    expect(stack.named("bus-queue-jobs-gpu-high")["queueName"]).toBe("jobs-gpu-high");
    expect(stack.named("network-pool-gpu-subnet")["addressPrefix"]).toBe("10.20.8.0/22");
    expect(stack.named("autoscale-gpu-setting")["enabled"]).toBe(true);
    expect(stack.named("watch-workers-unavailable-gpu")["enabled"]).toBe(true);
    expect(settingsOf(stack)[SETTING.pools]).toBe("default,gpu");
    const machines = stack.named("pool-gpu-workers") as Json & { virtualMachineProfile: Json };
    expect(machines["sku"]).toMatchObject({ name: "Standard_NC4as_T4_v3" });
    // Azure refuses the notice on Spot machines.
    expect(machines.virtualMachineProfile).toMatchObject({ priority: "Spot", evictionPolicy: "Delete" });
    expect(machines.virtualMachineProfile["scheduledEventsProfile"]).toBeUndefined();
  });

  it("without autoscale the number of machines is fixed, in several placement groups above a hundred", async () => {
    const stack = await mockedStack("prod", { workerAutoscale: false, workerCount: 800 });
    expect(stack.resources.some(({ name }) => name.startsWith("autoscale-default"))).toBe(false);
    expect(stack.named("pool-default-workers")).toMatchObject({
      singlePlacementGroup: false,
      platformFaultDomainCount: 1,
      overprovision: false,
      sku: { capacity: 800 },
      // Azure refuses repairs for more than 200.
      automaticRepairsPolicy: { enabled: false },
    });
    const smaller = await mockedStack("prod", { workerAutoscale: false, workerCount: 200 });
    expect(smaller.named("pool-default-workers")["automaticRepairsPolicy"]).toMatchObject({ enabled: true });
  });

  it("the API's plan scales if the tier allows it", () => {
    expect(prod.named("api-host-autoscale")).toMatchObject({
      enabled: true,
      profiles: [{ capacity: { minimum: "2", maximum: "5" } }],
    });
    expect(dev.resources.some(({ name }) => name === "api-host-autoscale")).toBe(false);
  });

  it("with existing applications the stack changes nothing in the directory", async () => {
    const ids = { authClientId: crypto.randomUUID(), authPublicClientId: crypto.randomUUID() };
    const stack = await mockedStack("prod", { authMode: "existing", ...ids });
    expect(stack.resources.filter(({ type }) => type.startsWith("azuread:"))).toEqual([]);
    expect(settingsOf(stack)).toMatchObject({
      [SETTING.authClientId]: ids.authClientId,
      [SETTING.authPublicClientId]: ids.authPublicClientId,
    });
  });

  it("the API gets the allowed origins, and App Service adds no headers", async () => {
    const stack = await mockedStack("prod", { allowedOrigins: ["https://a.example.com", "http://localhost:5173"] });
    expect(settingsOf(stack)[SETTING.allowedOrigins]).toBe("https://a.example.com,http://localhost:5173");
    expect(stack.named("jobyard-api-host")["siteConfig"]).not.toHaveProperty("cors");
  });

  it("administrators get the role Jobs.Admin", async () => {
    const admin = crypto.randomUUID();
    const stack = await mockedStack("dev", { authAdminObjectIds: [admin] });
    expect(stack.named(`entra-admin-${admin}`)).toMatchObject({ principalObjectId: admin });
  });

  it("alerts are sent if there is a receiver", async () => {
    for (const { inputs } of [...prod.ofType(ALERT), ...prod.ofType(QUERY_ALERT)]) {
      expect(inputs["actions"]).toBeUndefined();
    }
    const webhook = "https://alerts.example.com/azure?token=1";
    const mail = await mockedStack("prod", { alertEmail: "ops@example.com" });
    const both = await mockedStack("prod", { alertEmail: "ops@example.com", alertWebhook: webhook });
    expect(mail.named("observability-alerts")).toMatchObject({ emailReceivers: [{ emailAddress: "ops@example.com" }] });
    expect(mail.named("observability-alerts")["webhookReceivers"]).toBeUndefined();
    expect(both.named("observability-alerts")).toMatchObject({
      emailReceivers: [{ emailAddress: "ops@example.com" }],
      // The wire's form of a secret: the address may contain a token.
      webhookReceivers: { value: [{ serviceUri: webhook, useCommonAlertSchema: true }] },
    });
    for (const { inputs } of both.ofType(ALERT)) expect(inputs["actions"]).toHaveLength(1);
    for (const { inputs } of both.ofType(QUERY_ALERT)) {
      expect(inputs["actions"]).toEqual({ actionGroups: [expect.any(String)] });
    }
  });

  it("an alert with a query watches the workspace and is raised by any row", () => {
    expect(dev.named("watch-oldest-waiting")).toMatchObject({
      kind: "LogAlert",
      scopes: [expect.stringContaining("observability-logs")],
      evaluationFrequency: "PT15M",
      windowSize: "PT15M",
      autoMitigate: true,
      criteria: {
        allOf: [
          {
            timeAggregation: "Count",
            operator: "GreaterThan",
            threshold: 0,
            dimensions: [
              { name: "pool", operator: "Include", values: ["*"] },
              { name: "priority", operator: "Include", values: ["*"] },
            ],
          },
        ],
      },
    });
    // Only Pulumi.dev.yaml limits the telemetry of a day.
    expect(dev.ofType(QUERY_ALERT).map(({ name }) => name)).toContain("watch-telemetry-cap");
    expect(prod.ofType(QUERY_ALERT).map(({ name }) => name)).not.toContain("watch-telemetry-cap");
  });

  it("only the network reaches a premium namespace", async () => {
    const stack = await mockedStack("prod", { busSku: "Premium", busCapacity: 2, allowedIpRanges: ["203.0.113.0/24"] });
    expect(stack.named("jobyard-bus")["sku"]).toEqual({ name: "Premium", tier: "Premium", capacity: 2 });
    expect(stack.named("bus-network")).toMatchObject({
      defaultAction: "Deny",
      ipRules: [{ ipMask: "203.0.113.0/24", action: "Allow" }],
    });
  });

  it("with deployerIpRanges, only these, the API and the workers reach the release account", async () => {
    const closed = await mockedStack("prod", {
      deployerIpRanges: ["198.51.100.7"],
      allowedIpRanges: ["203.0.113.0/24"],
    });
    const { networkRuleSet: own } = closed.named("jobyardrelease");
    const { networkRuleSet: data } = closed.named("jobyarddata") as {
      readonly networkRuleSet: { readonly virtualNetworkRules: readonly unknown[] };
    };
    // The subnets of the API and of every pool, without the addresses that reach only the data account.
    expect(own).toEqual({
      defaultAction: "Deny",
      bypass: "AzureServices",
      virtualNetworkRules: data.virtualNetworkRules,
      ipRules: [{ iPAddressOrRange: "198.51.100.7" }],
    });
    expect(data.virtualNetworkRules).toHaveLength(closed.ofType(SUBNET).length);
  });

  it("the data account is open to any address only with dataNetwork internet", async () => {
    const stack = await mockedStack("dev", { dataNetwork: "internet" });
    expect(stack.named("jobyarddata")["networkRuleSet"]).toMatchObject({ defaultAction: "Allow" });
  });
});

describe("a change of the code", () => {
  const FRESH = { file: "/c.zip", sha256: "c".repeat(64) };
  /** Names of the resources that differ from prod's. The set of resources must be the same. */
  function changesOf(after: MockedStack): readonly string[] {
    const text = ({ resources }: MockedStack) =>
      new Map(resources.map(({ type, name, inputs }) => [`${type}  ${name}`, JSON.stringify(inputs)]));
    const [old, fresh] = [text(prod), text(after)];
    expect([...fresh.keys()].sort()).toEqual([...old.keys()].sort());
    const changed = [...fresh].filter(([key, inputs]) => old.get(key) !== inputs);
    return changed.map(([key]) => key.split("  ")[1]!).sort();
  }

  it("a change of the code changes the release and the API's package, no machine and no permission", async () => {
    const after = await mockedStack("prod", {}, { ...FAKE_BUNDLES, api: FRESH, worker: FRESH });
    expect(changesOf(after)).toEqual(["jobyard-api-host", "release-api", "release-worker", "release-worker-pointer"]);
  });

  it("a change of job packages changes the API's package, and the app that runs from it", async () => {
    const after = await mockedStack("prod", {}, { ...FAKE_BUNDLES, api: FRESH });
    expect(changesOf(after)).toEqual(["jobyard-api-host", "release-api"]);
    const changed = (to: MockedStack) => {
      const [old, fresh] = [settingsOf(prod), settingsOf(to)];
      return Object.keys(fresh).filter((name) => JSON.stringify(fresh[name]) !== JSON.stringify(old[name]));
    };
    expect(changed(after).sort()).toEqual([SETTING.version, "WEBSITE_RUN_FROM_PACKAGE"]);
    const packages = [{ packageName: "close.zip", manifest: {} }];
    const withFirst = await mockedStack("prod", { packagesTenant: "team" }, { ...FAKE_BUNDLES, api: FRESH, packages });
    expect(changed(withFirst).sort()).toEqual([SETTING.packagesTenant, SETTING.version, "WEBSITE_RUN_FROM_PACKAGE"]);
    expect(settingsOf(withFirst)[SETTING.packagesTenant]).toBe("team");
  });
});
