import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { queueProperties, ruleProperties, subscriptionProperties } from "../../infra/plan/bus-entities.ts";
import { JOB_USERS, machineFiles, workerCloudInit } from "../../infra/plan/cloud-init.ts";
import { apiEnvironment, workerEnvironment } from "../../infra/plan/environment.ts";
import { planGrants, roleTitle } from "../../infra/plan/grants.ts";
import { lifecycleRules } from "../../infra/plan/lifecycle.ts";
import { hasAccelerator, vmSizeProblem } from "../../infra/plan/skus.ts";
import { keyOfNobody, stableUuid } from "../../infra/plan/stable-id.ts";
import { parseAddressSpace, planSubnets, poolCapacity } from "../../infra/plan/subnets.ts";
import { workbookJson } from "../../infra/plan/workbook.ts";
import { parseWorkerMachineSettings, WORKER_HEALTH } from "../../runtime/core/settings/machine-settings.ts";
import { parseApiSettings } from "../../runtime/core/settings/api-settings.ts";
import { SETTING } from "../../runtime/core/settings/names.ts";
import { parseWorkerSettings } from "../../runtime/core/settings/worker-settings.ts";
import { busTopology, EVENTS_TOPIC, TIMERS_TOPIC } from "../../runtime/core/deployment/topology.ts";
import { CONTAINERS, TABLES } from "../../runtime/core/deployment/storage-layout.ts";
import type { BusTopology } from "../../runtime/core/deployment/service-bus.ts";

const addressOf = (cidr: string): { readonly first: number; readonly last: number } => {
  const [address = "", prefix = ""] = cidr.split("/");
  const first = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return { first, last: first + 2 ** (32 - Number(prefix)) - 1 };
};

describe("subnets", () => {
  const pools = (count: number) => Array.from({ length: count }, (_, subnet) => ({ name: `pool-${subnet}`, subnet }));

  it("subnets never overlap, are inside the network, and have room for 800 workers each", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 20 }), fc.integer({ min: 0, max: 30 }), (prefix, wanted) => {
        const text = `10.0.0.0/${prefix}`;
        const space = parseAddressSpace(text)!;
        const plan = planSubnets(space, pools(Math.min(wanted, poolCapacity(space))));
        const ranges = [plan.api, ...plan.pools.values()].map(addressOf).sort((a, b) => a.first - b.first);
        for (const [index, range] of ranges.entries()) {
          expect(range.first).toBeGreaterThan(ranges[index - 1]?.last ?? -1);
          expect(range.last).toBeLessThanOrEqual(addressOf(text).last);
        }
        for (const cidr of plan.pools.values()) {
          const { first, last } = addressOf(cidr);
          expect(last - first + 1 - 5).toBeGreaterThanOrEqual(800);
        }
      }),
    );
  });

  it("a pool's subnet stays in place when other pools are added and removed, in any order", () => {
    const space = parseAddressSpace("10.20.0.0/16")!;
    const [own, gpu, farm] = [
      { name: "default", subnet: 0 },
      { name: "gpu", subnet: 2 },
      { name: "farm", subnet: 1 },
    ];
    const before = planSubnets(space, [own, gpu]);
    for (const pools of [[own, farm, gpu], [gpu, own, farm], [gpu]]) {
      expect(planSubnets(space, pools).pools.get("gpu")).toBe("10.20.12.0/22");
    }
    expect(before).toMatchObject({ api: "10.20.0.0/26" });
    expect(before.pools.get("default")).toBe("10.20.4.0/22");
  });

  it("subnets are refused if the network has no room for them", () => {
    const space = parseAddressSpace("10.0.0.0/20")!;
    expect(poolCapacity(space)).toBe(3);
    expect(() => planSubnets(space, pools(4))).toThrow(/room for 3 worker pools, so subnet 3 does not exist/);
  });

  it.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.1/16", "8.8.8.0/24", "172.32.0.0/16", "10.0.300.0/24", "a"])(
    "subnets are not planned in %s",
    (text) => {
      expect(parseAddressSpace(text)).toBeUndefined();
    },
  );
});

describe("stable ids", () => {
  it("stable ids are UUIDs that depend only on their words", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(stableUuid(a)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(stableUuid(a) === stableUuid(b)).toBe(a === b);
      }),
    );
    // Assignments in deployed directories refer to this id.
    expect(stableUuid("app-role", "Jobs.Admin")).toMatchInlineSnapshot(`"4993d0c2-847c-8519-af23-7e04ca8f6275"`);
  });

  it("the placeholder SSH key is well formed", () => {
    const bytes = Buffer.from(keyOfNobody().split(" ")[1]!, "base64");
    expect(bytes.length).toBe(4 + 11 + 4 + 32);
    expect(bytes.subarray(4, 15).toString()).toBe("ssh-ed25519");
  });
});

describe("VM sizes", () => {
  it.each(["Standard_D2as_v5", "Standard_B2s", "Standard_NC4as_T4_v3", "Standard_F4s_v2", "Standard_E4-2ads_v5"])(
    "the VM size %s is accepted",
    (size) => {
      expect(vmSizeProblem(size)).toBeUndefined();
    },
  );
  it.each(["", "D2", "standard_d2", "Standard_", "Standard_D2as_v5; rm", "Standard_D2pls_v5"])(
    "the VM size %j is refused",
    (size) => {
      expect(vmSizeProblem(size)).toBeDefined();
    },
  );
});

describe("Service Bus entities", () => {
  it("Service Bus entities have the settings of the topology, in Azure's terms", () => {
    const [queue] = busTopology(["default"]).queues;
    expect(queueProperties(queue!)).toEqual({
      lockDuration: "PT60S",
      maxDeliveryCount: 2_000,
      requiresDuplicateDetection: true,
      duplicateDetectionHistoryTimeWindow: "PT600S",
      deadLetteringOnMessageExpiration: true,
      requiresSession: false,
      enableBatchedOperations: true,
      maxSizeInMegabytes: 5_120,
    });
    expect(subscriptionProperties({ name: "s", forwardTo: "q", autoDeleteOnIdleMs: 300_000 })).toMatchObject({
      forwardTo: "q",
      autoDeleteOnIdle: "PT300S",
      deadLetteringOnFilterEvaluationExceptions: true,
    });
  });

  it("rules have filters of every kind, and refuse comparisons that Azure cannot make", () => {
    expect(ruleProperties({ kind: "sql", expression: "a = 1" })).toMatchObject({
      sqlFilter: { sqlExpression: "a = 1" },
    });
    expect(ruleProperties({ kind: "false" })).toMatchObject({ sqlFilter: { sqlExpression: "1=0" } });
    expect(ruleProperties({ kind: "true" })).toMatchObject({ sqlFilter: { sqlExpression: "1=1" } });
    expect(ruleProperties({ kind: "correlation", system: { subject: "x" }, properties: { Listener: "l" } })).toEqual({
      filterType: "CorrelationFilter",
      correlationFilter: { label: "x", properties: { Listener: "l" } },
    });
    expect(() => ruleProperties({ kind: "correlation", properties: { n: 1 } })).toThrow(/Use a SQL filter for n/);
    expect(() => ruleProperties({ kind: "correlation", system: { size: "1" } })).toThrow(/system property size/);
  });
});

describe("grants", () => {
  const whole = busTopology(["default", "gpu"]);
  const withoutTimers: BusTopology = { ...whole, topics: whole.topics.filter(({ name }) => name === EVENTS_TOPIC) };
  const plan = (topology: BusTopology, runtimeRegistration: boolean) =>
    planGrants({ topology, pools: ["default", "gpu"], runtimeRegistration });

  it("grants cover every table and container", () => {
    const grants = plan(whole, true);
    for (const name of [...Object.values(TABLES), ...Object.values(CONTAINERS)]) {
      expect(grants.some(({ to, scope }) => to.kind === "api" && "name" in scope && scope.name === name)).toBe(true);
    }
  });

  it("grants have stable, unique names, and apply to one table, container, queue or topic", () => {
    const grants = plan(whole, true);
    expect(new Set(grants.map(({ id }) => id)).size).toBe(grants.length);
    for (const { scope } of grants) {
      expect(["table", "container", "queue", "topic", "releases", "secrets", "telemetry", "scaleSet"]).toContain(
        scope.kind,
      );
    }
  });

  it("the API sets secrets and workers only read them and the settings", () => {
    const grants = plan(whole, true);
    const rolesOn = (kind: string, name?: string) =>
      grants
        .filter(({ scope }) => scope.kind === kind && (name === undefined || ("name" in scope && scope.name === name)))
        .map(({ to, role }) => `${to.kind} ${role}`);
    expect(rolesOn("secrets")).toEqual(["api secretsOfficer", "pool secretsUser", "pool secretsUser"]);
    expect(rolesOn("table", TABLES.settings)).toEqual(["api tableContributor", "pool tableReader", "pool tableReader"]);
  });

  it("a worker can take jobs only from its own pool, and protect only its own machines", () => {
    const grants = plan(whole, true).filter(({ to }) => to.kind === "pool" && to.name === "gpu");
    const queues = grants.flatMap(({ scope }) => (scope.kind === "queue" ? [scope.name] : []));
    expect(queues.every((queue) => queue.startsWith("jobs-gpu-"))).toBe(true);
    expect(grants.filter(({ role }) => role === "instanceProtector").map(({ scope }) => scope)).toEqual([
      { kind: "scaleSet", name: "gpu" },
    ]);
    expect(
      grants.filter(({ scope }) => scope.kind === "container" && scope.name === CONTAINERS.packages),
    ).toMatchObject([{ role: "blobReader" }]);
  });

  it("only the API is an owner: of the events topic, and of queues for which it registers subscriptions", () => {
    const owners = (grants: ReturnType<typeof plan>) => grants.filter(({ role }) => role === "busOwner");
    for (const grants of [plan(whole, false), plan(withoutTimers, true)]) {
      expect(owners(grants)).toMatchObject([{ to: { kind: "api" }, scope: { kind: "topic", name: EVENTS_TOPIC } }]);
    }
    const owned = owners(plan(whole, true));
    expect(owned.every(({ to }) => to.kind === "api")).toBe(true);
    const names = owned.map(({ scope }) => "name" in scope && scope.name);
    expect(names.toSorted()).toEqual([...whole.queues.map(({ name }) => name), EVENTS_TOPIC, TIMERS_TOPIC].toSorted());
  });

  it("the API can always send ticks, and workers only receive them, from their queues", () => {
    const onTimers = (grants: ReturnType<typeof plan>) =>
      grants
        .filter(({ scope }) => scope.kind === "topic" && scope.name === TIMERS_TOPIC)
        .map(({ to, role }) => [to.kind, role]);
    expect(onTimers(plan(whole, true))).toEqual([["api", "busOwner"]]);
    expect(onTimers(plan(whole, false))).toEqual([["api", "busSender"]]);
  });

  it("roles have the names in Azure's documentation", () => {
    expect(roleTitle("busOwner")).toBe("Azure Service Bus Data Owner");
    expect(roleTitle("instanceProtector")).toBe("Jobyard instance protector");
  });
});

describe("lifecycle rules", () => {
  it("lifecycle rules delete replaced versions only, because tenants decide what else is kept", () => {
    expect(lifecycleRules(14)).toMatchObject([
      { name: "end-of-replaced-versions", definition: { actions: { version: {} } } },
    ]);
    expect(lifecycleRules(0)).toEqual([]);
  });
});

describe("what programs start with", () => {
  const surroundings = {
    storageAccount: "account",
    serviceBusNamespace: "ns.servicebus.windows.net",
    keyVaultUrl: "https://v.vault.azure.net",
    identityClientId: "id",
    insightsConnectionString: "InstrumentationKey=1",
    traceRatio: 0.25,
    lockSeconds: 45,
    events: "terminal",
  } as const;

  it("the API's own parser accepts its environment", () => {
    const auth = { tenantId: stableUuid("t"), clientId: stableUuid("c"), publicClientId: stableUuid("p") };
    const allowedOrigins = ["https://a.example.com", "http://localhost:3000"];
    const env = apiEnvironment({
      ...{ ...surroundings, version: "v1", pools: ["default", "gpu"], auth },
      ...{ allowedOrigins, packagesTenant: "demo", timerRegistration: false },
      retention: { rowDays: 8, logDays: 2, fileDays: 3, deadLetterDays: 0 },
    });
    expect(parseApiSettings(env)).toMatchObject({
      connection: {
        ...{ kind: "credential", storageAccount: "account", serviceBusNamespace: "ns.servicebus.windows.net" },
        secrets: { kind: "vault", vaultUrl: "https://v.vault.azure.net" },
      },
      host: "0.0.0.0",
      port: 8080,
      pools: ["default", "gpu"],
      lockMs: 45_000,
      events: "terminal",
      auth: { kind: "entra", ...auth },
      traffic: { proxyHops: 1, allowedOrigins },
      packagesTenant: "demo",
      timerRegistration: false,
      retention: { failed: { rowDays: 8, logDays: 2, fileDays: 3 }, deadLetterDays: 0 },
    });
  });

  it("the API and the workers know where telemetry goes and how many traces to keep", () => {
    const auth = { tenantId: stableUuid("t"), clientId: stableUuid("c"), publicClientId: stableUuid("p") };
    const api = apiEnvironment({
      ...{ ...surroundings, version: "v1", pools: ["default"], auth },
      ...{ allowedOrigins: [], packagesTenant: undefined, timerRegistration: true },
      retention: { rowDays: 0, logDays: 0, fileDays: 0, deadLetterDays: 0 },
    });
    const worker = workerEnvironment({
      ...{ ...surroundings, pool: "default", slots: 1, drainSeconds: 840, jobIdentityClientId: undefined },
      ...{ protection: "required", idleGraceSeconds: 60, releaseAccount: "release", releasePatienceMinutes: 30 },
    });
    for (const environment of [api, worker]) {
      expect(environment).toMatchObject({
        APPLICATIONINSIGHTS_CONNECTION_STRING: "InstrumentationKey=1",
        JOBYARD_TRACE_RATIO: "0.25",
        AZURE_CLIENT_ID: "id",
      });
    }
  });

  it("the worker's own parser accepts its environment after the machine has added its name", () => {
    const env = workerEnvironment({
      ...{ ...surroundings, pool: "gpu", slots: 3, drainSeconds: 840, jobIdentityClientId: stableUuid("jobs") },
      ...{ protection: "best-effort", idleGraceSeconds: 60, releaseAccount: "release", releasePatienceMinutes: 90 },
    });
    const ofMachine = { [SETTING.workerId]: "w-1", [SETTING.workerDirectory]: "/var/lib/jobyard" };
    expect(parseWorkerSettings({ ...env, ...ofMachine })).toMatchObject({
      ...{ pool: "gpu", slots: 3, drainMs: 840_000, jobUser: JOB_USERS, events: "terminal" },
      jobIdentity: { kind: "managed", clientId: stableUuid("jobs") },
    });
    expect(parseWorkerMachineSettings(env)).toMatchObject({
      scaleSet: { protection: "best-effort", idleGraceMs: 60_000, identityClientId: "id" },
      releases: { kind: "credential", storageAccount: "release" },
      releasePatienceMs: 90 * 60_000,
      healthPort: WORKER_HEALTH.port,
    });
    expect(Object.keys(env)).not.toContain(SETTING.version);
  });
});

/** Azure accepts 64 KiB of custom data, in base64. */
const CUSTOM_DATA_MAX_LENGTH = Math.ceil(65_535 / 3) * 4;

describe("cloud-init", () => {
  const environment = { A: "1", B: 'a "quoted" \\ word' };
  const request = {
    environment,
    releasesUrl: "https://x/releases",
    slots: 1,
    devices: false,
    drainSeconds: 840,
    ssh: false,
  };

  it("the cloud-init document writes the worker's settings in systemd's format", () => {
    const text = workerCloudInit(request);
    expect(text.startsWith("#cloud-config\n")).toBe(true);
    const document = JSON.parse(text.slice(text.indexOf("\n"))) as { write_files: { content: string }[] };
    const [settings] = document.write_files;
    expect(settings?.content).toMatch(
      /^A="1"\nB="a \\"quoted\\" \\\\ word"\nJOBYARD_RELEASES_URL="https:\/\/x\/releases"\n/,
    );
    expect(settings?.content).toMatch(/JOBYARD_NODE_URL="https:.*\nJOBYARD_NODE_SHA256="[0-9a-f]{64}"\n$/);
    expect(Buffer.from(text).toString("base64").length).toBeLessThan(CUSTOM_DATA_MAX_LENGTH);
  });

  it("systemd stops the worker later than the worker stops its jobs", () => {
    const [unit] = machineFiles(request).filter(({ path }) => path.endsWith("pool.conf"));
    expect(unit?.content).toBe("[Service]\nTimeoutStopSec=900s\n");
  });

  it("jobs can use the machine's devices if there is a GPU", () => {
    const devices = hasAccelerator("Standard_NC4as_T4_v3") && !hasAccelerator("Standard_D2as_v5");
    const [unit] = machineFiles({ ...request, devices }).filter(({ path }) => path.endsWith("pool.conf"));
    expect(unit?.content).toBe("[Service]\nTimeoutStopSec=900s\nPrivateDevices=no\n");
  });

  it("cloud-init creates a user for each slot and eight more, and fits into custom data with the maximum of slots", () => {
    const usersOf = (slots: number): readonly string[] =>
      machineFiles({ ...request, slots })
        .filter(({ path }) => path.endsWith("jobyard-jobs.conf"))
        .flatMap(({ content }) => content.trim().split("\n"));
    expect(usersOf(1)).toHaveLength(9);
    expect(usersOf(1)[8]).toBe("u jobyard-job-9 30009:jobyard-job");
    expect(usersOf(1_000)).toHaveLength(1_008);
    const text = workerCloudInit({ ...request, slots: 1_000 });
    expect(Buffer.from(text).toString("base64").length).toBeLessThan(CUSTOM_DATA_MAX_LENGTH);
  });

  it("cloud-init closes SSH without a key, and refuses a setting of two lines", () => {
    expect(workerCloudInit(request)).toContain("ssh.socket");
    expect(workerCloudInit({ ...request, ssh: true })).not.toContain("ssh.socket");
    expect(() => workerCloudInit({ ...request, environment: { A: "1\nB=2" } })).toThrow(/A must be one line/);
  });
});

interface WorkbookItem {
  readonly name: string;
  readonly conditionalVisibility?: { readonly parameterName: string; readonly value: string };
  readonly content: {
    readonly items?: readonly WorkbookItem[];
    readonly links?: readonly { readonly linkLabel: string; readonly cellValue: string; readonly subTarget: string }[];
    readonly parameters?: readonly { readonly name: string }[];
    readonly timeContextFromParameter?: string;
  };
}

describe("the workbook", () => {
  const targets = {
    workspaceId: "/logs",
    busId: "/bus",
    apiId: "/api",
    pools: { default: "/vmss/default", gpu: "/vmss/gpu" },
  };
  const text = workbookJson(targets);
  const { items } = JSON.parse(text) as { readonly items: readonly WorkbookItem[] };
  const pages = items.filter(({ conditionalVisibility }) => conditionalVisibility !== undefined);

  it("the workbook shows queues, every pool and the API, and is the same text for the same targets", () => {
    expect(text).toBe(workbookJson(targets));
    for (const id of ["/bus", "/api", "/vmss/default", "/vmss/gpu"]) expect(text).toContain(`"resourceIds":["${id}"]`);
    expect(text).toContain('"fallbackResourceIds":["/logs"]');
  });

  it("each tab of the workbook shows one page", () => {
    const [tabs] = items.flatMap(({ content }) => (content.links === undefined ? [] : [content.links]));
    expect(tabs?.map(({ linkLabel }) => linkLabel)).toEqual([
      "Overview",
      "Job types",
      "Tenants",
      "Timers",
      "Workers and autoscale",
    ]);
    expect(tabs?.map(({ cellValue, subTarget }) => [cellValue, subTarget])).toEqual(
      pages.map(({ conditionalVisibility: shown }) => [shown?.parameterName, shown?.value]),
    );
  });

  it("every panel has a name of its own and follows the time range that the reader chooses", () => {
    const ranges = items.flatMap(({ content }) => content.parameters ?? []).map(({ name }) => name);
    const panels = pages.flatMap(({ content }) => content.items ?? []);
    expect(panels.length).toBeGreaterThan(20);
    expect(new Set(panels.map(({ name }) => name)).size).toBe(panels.length);
    for (const { content } of panels) expect(ranges).toContain(content.timeContextFromParameter);
  });
});
