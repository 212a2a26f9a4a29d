/** Tests the rights of the pipeline: code needs a review before it gets an identity, and its tools are pinned. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import * as z from "zod";

const FOLDER = join(import.meta.dirname, "../../.github/workflows");

const STEP = z.object({
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).default({}),
});
const JOB = z.object({
  if: z.string().optional(),
  environment: z.string().optional(),
  permissions: z.record(z.string(), z.enum(["read", "write"])),
  steps: z.array(STEP),
});
const WORKFLOW = z.object({
  on: z.record(z.string(), z.unknown()),
  permissions: z.strictObject({}),
  jobs: z.record(z.string(), JOB),
});

const files = (await readdir(FOLDER)).filter((name) => /\.ya?ml$/.test(name));
const workflows = await Promise.all(
  files.map(async (name) => {
    const text = await readFile(join(FOLDER, name), "utf8");
    return { name, text, workflow: WORKFLOW.parse(parse(text)) };
  }),
);
const jobs = workflows.flatMap(({ name, workflow }) =>
  Object.entries(workflow.jobs).map(([id, job]) => ({ id: `${name}/${id}`, job, triggers: Object.keys(workflow.on) })),
);
const steps = jobs.flatMap(({ job }) => job.steps);

describe("the workflows", () => {
  it("workflows run actions by full commit, with the version in a comment, the same everywhere", () => {
    const versions = new Map<string, string>();
    for (const { name, text } of workflows) {
      const uses = text.split("\n").filter((line) => /\buses:/.test(line));
      expect(uses.length, name).toBeGreaterThan(0);
      for (const line of uses) {
        const [, action = "", pinned] = /uses: ([\w.-]+\/[\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$/.exec(line) ?? [];
        expect(pinned, line).toBeDefined();
        expect(versions.get(action) ?? pinned, line).toBe(pinned);
        versions.set(action, pinned ?? "");
      }
    }
  });

  it("a workflow job has minimal rights, and an identity only in an environment with reviewers", () => {
    for (const { id, job } of jobs) {
      const { contents, "id-token": token, ...others } = job.permissions;
      expect([id, contents, others]).toEqual([id, "read", {}]);
      expect([id, token === "write"]).toEqual([id, job.environment !== undefined]);
    }
    expect(jobs.flatMap(({ job }) => job.environment ?? [])).toEqual(["preview", "prod"]);
  });

  it("workflows never run a pull request with the rights of its target branch, nor its texts as commands", () => {
    for (const { id, triggers } of jobs) {
      expect([id, triggers.filter((one) => !["pull_request", "push"].includes(one))]).toEqual([id, []]);
    }
    for (const { run } of steps) expect(run ?? "").not.toContain("${{");
  });

  it("workflows store no token of the repository, and cache nothing for jobs that have an identity", () => {
    for (const { uses, with: inputs } of steps) {
      if (uses?.startsWith("actions/checkout@")) expect(inputs["persist-credentials"]).toBe(false);
    }
    for (const { id, job } of jobs) {
      if (job.environment === undefined) continue;
      const node = job.steps.find(({ uses }) => uses?.startsWith("actions/setup-node@"));
      expect([id, node?.with["package-manager-cache"], node?.with["cache"]]).toEqual([id, false, undefined]);
    }
  });

  it("workflows run only the one install script that is allowed by name", async () => {
    const installs = steps.flatMap(({ run }) => (run !== undefined && /\bnpm (ci|i|install)\b/.test(run) ? [run] : []));
    expect(new Set(installs)).toEqual(new Set(["npm ci --ignore-scripts && npm rebuild node"]));
    const { allowScripts } = z
      .object({ allowScripts: z.record(z.string(), z.boolean()) })
      .parse(JSON.parse(await readFile(join(FOLDER, "../../package.json"), "utf8")));
    const { packages } = z
      .object({ packages: z.record(z.string(), z.object({ hasInstallScript: z.boolean().optional() })) })
      .parse(JSON.parse(await readFile(join(FOLDER, "../../package-lock.json"), "utf8")));
    const withScript = Object.entries(packages).flatMap(([path, { hasInstallScript }]) =>
      hasInstallScript === true ? [path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)] : [],
    );
    // Each is listed by name. Only one of them runs.
    expect(Object.keys(allowScripts).toSorted()).toEqual([...new Set(withScript)].toSorted());
    expect(Object.keys(allowScripts).filter((name) => allowScripts[name])).toEqual(["node"]);
  });

  it("deploy with the version of Pulumi that the program is written for", async () => {
    const { devDependencies } = z
      .object({ devDependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(await readFile(join(FOLDER, "../../infra/package.json"), "utf8")));
    const versions = steps.flatMap(({ uses, with: inputs }) =>
      uses?.startsWith("pulumi/actions@") ? [inputs["pulumi-version"]] : [],
    );
    expect(new Set(versions)).toEqual(new Set([devDependencies["@pulumi/pulumi"]]));
  });

  it("workflows check and test every pull request", () => {
    const check = workflows.find(({ name }) => name === "check.yml")?.workflow;
    expect(check?.on).toEqual({ pull_request: null });
    expect(check?.jobs["check"]?.if).toBeUndefined();
    const runs = check?.jobs["check"]?.steps.map(({ run }) => run);
    expect(runs).toEqual(expect.arrayContaining(["npm run check", "npm test"]));
  });
});
