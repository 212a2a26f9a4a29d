/** What the program registers in Pulumi's own loader. Each load takes seconds, so variants are judged under mocks. */
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
import { breadth } from "../support/breadth.ts";
import { sourcePackage } from "../support/packages/source-package.ts";
import { subscriptionsOf } from "../support/infra/timer-subscriptions.ts";

const graphOf = (stack: string, overrides: Readonly<Record<string, string>> = {}): Promise<StackGraph> =>
  stackGraph({ stack, environment: { PATH: process.env["PATH"] }, overrides });

/** With the digits that Pulumi appends. */
const withDigits = (name: string, end = ""): string => expect.stringMatching(`^${name}[0-9a-f]{8}${end}$`) as string;

/** Nothing is registered before the settings are judged. */
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
    // Whatever is not a component of the stack is a child of one; only the group stands for itself.
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

  it("registers dev whole and connected", () => {
    checkShape(dev);
    expect(dev.registrations.filter((registration) => registration.protect)).toEqual([]);
    expect(JSON.stringify(dev)).not.toContain(process.cwd());
  });

  it.runIf(breadth(false, true))("registers the same in every run", async () => {
    expect(await graphOf("dev")).toEqual(dev);
  });

  it("protects in prod what holds data, starts nothing before its rights, and leaves scaling to autoscale", async () => {
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
      if (found === undefined) throw new Error(`Nothing is registered as ${name}.`);
      return found;
    };
    const protectedTypes = new Set(graph.registrations.filter(({ protect }) => protect).map(({ type }) => type));
    expect([...protectedTypes].sort()).toEqual([
      "azure-native:resources:ResourceGroup",
      "azure-native:servicebus:Namespace",
      "azure-native:servicebus:Queue",
      "azure-native:servicebus:Topic",
      "azure-native:storage:BlobContainer",
      "azure-native:storage:StorageAccount",
      "azure-native:storage:Table",
    ]);
    expect(named("jobyardrelease").protect).toBe(false);
    // A timer holds nothing; one that is gone must not keep the rest of the stack from being deployed.
    expect(Object.values(subscriptionsOf(graph.registrations))).toEqual([
      { to: "jobs-default-normal", rules: ["Listener = 'team.sweep.Sweep'"] },
    ]);
    // Each is there with its rule before the API looks for it.
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
    // A blob that replaces one of the same name must not be removed with it.
    expect(named("release-worker-pointer")).toMatchObject({ deleteBeforeReplace: true, retainOnDelete: false });
    // A rollback makes the older package anew, which Azure refuses while the old one is still there.
    expect(named("release-worker")).toMatchObject({ deleteBeforeReplace: false, retainOnDelete: false });
  });

  it("leaves the subscriptions of timers to the API, which makes each with its filter", () => {
    expect(subscriptionsOf(dev.registrations)).toEqual({});
  });

  it("leaves to the group what lies in it, when the stack is destroyed", () => {
    const [group] = dev.registrations.filter(({ type }) => type === "azure-native:resources:ResourceGroup");
    const alone = dev.registrations
      .filter(({ custom, type, deletedWith }) => custom && type !== STACK && deletedWith !== keyOf(group!))
      .map(({ type }) => type.split(":").slice(0, 2).join(":"));
    // The directory, and roles, whose definition lives outside the group.
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

  it("has no graph of a stack without a configuration", async () => {
    await expect(graphOf("nope")).rejects.toThrow("There is no Pulumi.nope.yaml");
  });

  it("refuses a configuration that cannot be deployed, naming every key", async () => {
    const refused = graphOf("dev", { "jobyard:workerMax": "101", "jobyard:apiSku": "F1" });
    await expect(refused).rejects.toThrow(ProgramFailedError);
    await expect(refused).rejects.toThrow(/jobyard:workerMax must be a whole number from 1 to 100/);
    await expect(refused).rejects.toThrow(/jobyard:apiSku must be one of B1/);
  });

  it("refuses settings under the name of a project that is called otherwise, with the command that mends it", async () => {
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
