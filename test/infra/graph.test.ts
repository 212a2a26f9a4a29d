import { relative } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT, stackGraph, type StackGraph } from "../../infra/tools/stack-graph.ts";
import { ProgramFailedError, type Registration } from "../../infra/tools/stub-engine.ts";
import { SETTING } from "../../runtime/core/settings/names.ts";
import { sourcePackage } from "../support/source-package.ts";

const graphOf = (stack: string, overrides: Readonly<Record<string, string>> = {}): Promise<StackGraph> =>
  stackGraph({ stack, environment: { PATH: process.env["PATH"] }, overrides });

const GREET_PACKAGE = JSON.stringify({ name: "greet", version: "1.0.0", type: "module", exports: "./greet.ts" });
const greet = (word: string): string =>
  `import { defineJob } from "jobyard/job";
   export default defineJob({ jobType: "Greet", run: () => ({ output: "${word}" }) });`;

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
    apiUrl: "https://jobyard-api-host.azurewebsites.net",
    clientId: "client-of-entra-api",
    publicClientId: "client-of-entra-client",
    storageAccount: "jobyarddata",
    serviceBusNamespace: "jobyard-bus.servicebus.windows.net",
    resourceGroup: `jobyard-${stack}`,
    workerPools: { default: "pool-default-workers" },
  });
}

describe("the program in Pulumi's own loader", () => {
  it("registers the same for dev in every run, whole and connected", async () => {
    const [first, second] = await Promise.all([graphOf("dev"), graphOf("dev")]);
    expect(first.registrations.length).toBeGreaterThan(80);
    expect(second).toEqual(first);
    checkShape(first);
    expect(first.registrations.filter((registration) => registration.protect)).toEqual([]);
    expect(JSON.stringify(first)).not.toContain(process.cwd());
  });

  it("protects in prod what holds data, starts nothing before its rights, and leaves scaling to autoscale", async () => {
    const graph = await graphOf("prod");
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

  it("changes with a job package only where that is deployed: the API's package, and the app that runs from it", async () => {
    await using packages = await sourcePackage({ "greet/package.json": GREET_PACKAGE });
    const overrides = { "jobyard:packagesPath": relative(ROOT, packages.path) };
    const graphWith = async (word: string): Promise<StackGraph> => {
      await packages.write({ "greet/greet.ts": greet(word) });
      return graphOf("prod", overrides);
    };
    const [before, after] = [await graphWith("Hello"), await graphWith("Welcome")];
    expect(after.registrations.map(keyOf)).toEqual(before.registrations.map(keyOf));
    const changed = after.registrations.filter((registration, index) => {
      return JSON.stringify(registration) !== JSON.stringify(before.registrations[index]);
    });
    expect(changed.map(({ name }) => name).sort()).toEqual(["jobyard-api-host", "release-api"]);
    const settings = (graph: StackGraph): Map<unknown, unknown> => {
      const { siteConfig } = graph.registrations.find(({ name }) => name === "jobyard-api-host")!.inputs as {
        siteConfig: { appSettings: { name: string; value: unknown }[] };
      };
      return new Map(siteConfig.appSettings.map((setting) => [setting.name, setting.value]));
    };
    const [old, fresh] = [settings(before), settings(after)];
    expect([...fresh.keys()].filter((name) => fresh.get(name) !== old.get(name)).sort()).toEqual([
      SETTING.version,
      "WEBSITE_RUN_FROM_PACKAGE",
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
});
