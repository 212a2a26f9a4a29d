/**
 * Tests what the program registers in Pulumi's own loader. A load takes seconds, so other tests check variants with
 * mocks.
 */
import { relative } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readStackFile, ROOT, stackGraph, type StackGraph } from "../../infra/tools/stack-graph.ts";
import {
  ProgramFailedError,
  recordProgram,
  type EngineCloud,
  type Registration,
} from "../../infra/tools/stub-engine.ts";
import { API_CLIENT_ID, PUBLIC_CLIENT_ID } from "../../runtime/local/identity/principals.ts";
import { sourcePackage } from "../support/packages/source-package.ts";
import { subscriptionsOf } from "../support/infra/timer-subscriptions.ts";

const graphOf = (stack: string, overrides: Readonly<Record<string, string>> = {}): Promise<StackGraph> =>
  stackGraph({ stack, environment: { PATH: process.env["PATH"] }, overrides });

/** With the digits that Pulumi appends. */
const withDigits = (name: string, end = ""): string => expect.stringMatching(`^${name}[0-9a-f]{8}${end}$`) as string;

/** The program checks the settings before it registers anything. */
const createCloud = (): EngineCloud => ({
  preview: true,
  register: ({ name }) => ({ id: name, state: {} }),
  invoke: () => ({}),
});

const STACK = "pulumi:pulumi:Stack";
const keyOf = ({ type, name }: Registration): string => `${type}::${name}`;

function checkShape({ stack, registrations, outputs }: StackGraph): void {
  const keys = new Set(registrations.map(keyOf));
  expect(keys.size).toBe(registrations.length);
  for (const registration of registrations) {
    if (registration.type === STACK) continue;
    expect(keys, `parent of ${registration.name}`).toContain(registration.parent);
    for (const dependency of registration.dependsOn) expect(keys).toContain(dependency);
    // Every resource is a component of the stack or the child of one, except the group.
    const loose = registration.parent.startsWith(STACK) && !registration.type.startsWith("jobyard:infra:");
    expect(loose, registration.name).toBe(registration.type === "azure-native:resources:ResourceGroup");
  }
  expect(outputs).toMatchObject({
    apiUrl: withDigits("https://jobyard-api-host", ".azurewebsites.net"),
    clientId: API_CLIENT_ID,
    publicClientId: PUBLIC_CLIENT_ID,
    storageAccount: withDigits("jobyarddata"),
    serviceBusNamespace: withDigits("jobyard-bus", ".servicebus.windows.net"),
    resourceGroup: withDigits(`jobyard-${stack}`),
    workerPools: { default: withDigits("pool-default-workers") },
  });
}

describe("the program in Pulumi's own loader", () => {
  let dev: StackGraph;
  beforeAll(async () => {
    dev = await graphOf("dev");
  });

  it("the program registers all resources of dev, connected", () => {
    checkShape(dev);
    expect(dev.registrations.filter((registration) => registration.protect)).toEqual([]);
    expect(JSON.stringify(dev)).not.toContain(process.cwd());
  });

  it("the program protects prod's data, starts nothing before its rights, and leaves scaling to autoscale", async () => {
    await using packages = await sourcePackage({
      "sweep/package.json": JSON.stringify({
        ...{ name: "sweep", version: "1.0.0" },
        jobyard: { jobs: [{ jobType: "Sweep", command: "true" }], timers: [{ timerName: "Sweep", cron: "00:10:00" }] },
      }),
    });
    const graph = await graphOf("prod", {
      "jobyard:packagesPath": relative(ROOT, packages.path),
      "jobyard:packagesTenant": "team",
      "jobyard:runtimeRegistration": "false",
    });
    checkShape(graph);
    const named = (name: string): Registration => {
      const found = graph.registrations.find((registration) => registration.name === name && registration.custom);
      if (found === undefined) throw new Error(`No resource is registered as ${name}.`);
      return found;
    };
    const protectedTypes = new Set(graph.registrations.filter(({ protect }) => protect).map(({ type }) => type));
    expect([...protectedTypes].sort()).toEqual([
      "azure-native:keyvault:Vault",
      "azure-native:resources:ResourceGroup",
      "azure-native:servicebus:Namespace",
      "azure-native:servicebus:Queue",
      "azure-native:servicebus:Topic",
      "azure-native:storage:BlobContainer",
      "azure-native:storage:StorageAccount",
      "azure-native:storage:Table",
    ]);
    expect(named("jobyardrelease").protect).toBe(false);
    // A timer's subscription holds no data. If it was deleted, the rest of the stack must still deploy.
    expect(Object.values(subscriptionsOf(graph.registrations))).toEqual([
      { to: "jobs-default-normal", rules: ["Listener = 'team.sweep.Sweep'"] },
    ]);
    // Each exists with its rule before the API looks for it.
    const made = graph.registrations.filter(({ name }) => name.startsWith("bus-topic-timers-team.sweep."));
    expect(made).toHaveLength(2);
    for (const registration of made) expect(named("jobyard-api-host").dependsOn).toContain(keyOf(registration));

    const grants = (prefix: string, but: string): readonly string[] =>
      graph.registrations
        .filter(({ type, name }) => type.endsWith(":RoleAssignment") && name.startsWith(prefix) && name !== but)
        .map(keyOf);
    expect(named("jobyard-api-host").dependsOn).toEqual(expect.arrayContaining([...grants("api-", "")]));
    expect(named("pool-default-workers").dependsOn).toEqual(
      expect.arrayContaining([...grants("pool-default-", "pool-default-protect-scale-set")]),
    );
    expect(named("pool-default-workers").dependsOn).toContain("azure-native:storage:Blob::release-worker-pointer");
    expect(named("pool-default-workers").ignoreChanges).toEqual(["sku.capacity"]);
    // A blob that replaces one with the same name must not be deleted with it.
    expect(named("release-worker-pointer")).toMatchObject({ deleteBeforeReplace: true, retainOnDelete: false });
    // A rollback creates the older package again. Azure refuses that while the old blob still exists.
    expect(named("release-worker")).toMatchObject({ deleteBeforeReplace: false, retainOnDelete: false });
  });

  it("the program leaves the subscriptions of timers to the API, which creates each with its filter", () => {
    expect(subscriptionsOf(dev.registrations)).toEqual({});
  });

  it("a destroy leaves the resources of the group to the group", () => {
    const [group] = dev.registrations.filter(({ type }) => type === "azure-native:resources:ResourceGroup");
    const alone = dev.registrations
      .filter(({ custom, type, deletedWith }) => custom && type !== STACK && deletedWith !== keyOf(group!))
      .map(({ type }) => type.split(":").slice(0, 2).join(":"));
    // The directory, and roles, whose definition is outside the group.
    expect([...new Set(alone)].sort()).toEqual([
      "azure-native:authorization",
      "azure-native:resources",
      "azuread:index/application",
      "azuread:index/applicationIdentifierUri",
      "azuread:index/applicationPreAuthorized",
      "azuread:index/applicationRedirectUris",
      "azuread:index/servicePrincipal",
    ]);
  });

  it("a stack without a configuration has no graph", async () => {
    await expect(graphOf("nope")).rejects.toThrow("Pulumi.nope.yaml does not exist");
  });

  it("the program refuses an invalid configuration and names every key", async () => {
    const refused = graphOf("dev", { "jobyard:workerMax": "101", "jobyard:apiSku": "F1" });
    await expect(refused).rejects.toThrow(ProgramFailedError);
    await expect(refused).rejects.toThrow(/jobyard:workerMax must be a whole number from 1 to 100/);
    await expect(refused).rejects.toThrow(/jobyard:apiSku must be one of B1/);
  });

  it("the program refuses settings under another project name, with the command that fixes them", async () => {
    const refused = recordProgram({
      ...{ project: "farmjobs", stack: "dev", root: ROOT, main: "infra/index.mjs", cloud: createCloud() },
      config: { ...(await readStackFile("dev")), "farmjobs:workerMin": "3" },
      environment: { PATH: process.env["PATH"], PULUMI_NODEJS_TYPESCRIPT: "false" },
    });
    await expect(refused).rejects.toThrow(
      "farmjobs:workerMin is not read; run: pulumi config rm farmjobs:workerMin && pulumi config set jobyard:workerMin <value>",
    );
  });
});
