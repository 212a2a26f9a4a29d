import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { createPulumiStack, findPulumi } from "../../../../infra/rehearsal/pulumi/pulumi-stack.ts";
import type { CloudRecord } from "../../../../infra/rehearsal/pulumi/record.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const executable = (folder: string, name: string, text = ""): Promise<void> =>
  writeFile(join(folder, name), `#!/bin/sh\n${text}`, { mode: 0o755 });

/** Creates one resource of each provider, then fails. */
const FAILING_ENGINE = `
case "$1" in
stack) echo "$@" >stack ;;
destroy) echo "$@" >destroy && echo remove jobs >.rehearsal/dev/azure-native.json.changes && echo '{}' >.rehearsal/dev/azure-native.json && echo '{}' >.rehearsal/dev/azuread.json ;;
up)
  env >environment
  echo '{ "/table": { "type": "azure-native:storage:Table", "name": "jobs", "inputs": {} } }' >.rehearsal/dev/azure-native.json
  cat .rehearsal/dev/azuread.json >given
  cat <<'END'
Updating (dev):
 +  azure-native:storage:Table jobs created
Diagnostics:
  pulumi:pulumi:Stack (jobyard-dev):
    warning: using pulumi-resource-azuread from $PATH
    error: update failed

  azure-native:storage:Blob (pointer):
    error: cannot create already existing resource

Resources:
    + 1 created
END
  exit 255
  ;;
esac
`;

describe("Pulumi's engine", () => {
  it("the engine is found in a folder that also has its language host", async () => {
    await using directory = await temporaryDirectory();
    const folders = ["half", "whole", "later"].map((name) => join(directory.path, name));
    for (const folder of folders) {
      await mkdir(folder);
      await executable(folder, "pulumi");
    }
    expect(await findPulumi(folders.join(":"))).toBeUndefined();
    for (const folder of folders.slice(1)) await executable(folder, "pulumi-language-nodejs");
    expect(await findPulumi(["/nowhere", ...folders].join(":"))).toBe(folders[1]);
  });

  it("the engine runs in its own folder, and its changes are recorded even if it fails", async () => {
    await using directory = await temporaryDirectory();
    const [programs, project] = [join(directory.path, "bin"), join(directory.path, "it's a project")];
    for (const folder of [programs, project]) await mkdir(folder);
    await executable(programs, "pulumi", FAILING_ENGINE);
    const application = { type: "azuread:index/application:Application", name: "api", inputs: { displayName: "API" } };
    const cloud: CloudRecord = { application };
    const stack = await createPulumiStack({
      programs,
      project,
      stack: "dev",
      cloud,
    });
    const written = (name: string): Promise<string> => readFile(join(project, name), "utf8");
    expect(await written("stack")).toContain("init dev");
    const config = { "jobyard:apiMin": "2", "jobyard:pools": '{"gpu":{"subnet":1}}' };
    await expect(stack.up({ config })).rejects.toThrow(
      [
        ...["pulumi:pulumi:Stack (jobyard-dev):", "    error: update failed", ""],
        ...["  azure-native:storage:Blob (pointer):", "    error: cannot create already existing resource"],
      ].join("\n"),
    );
    // Objects as a person writes them. The engine converts them to text.
    const settings = 'config:\n  jobyard:apiMin: "2"\n  jobyard:pools:\n    gpu:\n      subnet: 1\n';
    expect(await written("Pulumi.dev.yaml")).toBe(settings);
    expect(cloud).toEqual({ application, "/table": { type: "azure-native:storage:Table", name: "jobs", inputs: {} } });
    expect(JSON.parse(await written("given"))).toEqual({ application });

    expect(await stack.destroy()).toEqual(["remove jobs"]);
    expect(cloud).toEqual({});
    // Without a preview, the engine deletes unprotected resources before it refuses the rest.
    expect(await written("destroy")).not.toContain("--skip-preview");

    const environment = (await written("environment")).trim().split("\n");
    const folders = environment.filter((line) => /^(HOME|PULUMI_HOME|PULUMI_BACKEND_URL)=/.test(line));
    expect(folders).toHaveLength(3);
    for (const line of folders) expect(line).toContain(join(project, ".rehearsal"));
  });

  it("the engine finds both providers as plugins, and they start", async () => {
    await using directory = await temporaryDirectory();
    const project = join(directory.path, "it's a project");
    await mkdir(project);
    await executable(directory.path, "pulumi");
    await createPulumiStack({ programs: directory.path, project, stack: "dev", cloud: {} });
    for (const provider of ["azure-native", "azuread"]) {
      const plugin = spawn(join(project, ".rehearsal/dev/plugins", `pulumi-resource-${provider}`), ["127.0.0.1:1"]);
      const [line] = (await once(createInterface(plugin.stdout), "line")) as [string];
      plugin.kill("SIGKILL");
      expect(line).toMatch(/^\d+$/);
    }
  });
});
