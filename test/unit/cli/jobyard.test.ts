import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCli } from "../../../runtime/cli/cli.ts";
import { EXIT } from "../../../runtime/cli/exit-codes.ts";
import { nodeVersionProblem } from "../../../runtime/node-version.mjs";
import { sourcePackage } from "../../support/source-package.ts";

async function jobyard(...args: readonly string[]) {
  const out: string[] = [];
  const error: string[] = [];
  const code = await runCli(args, {
    terminal: {
      out: (text) => out.push(text),
      error: (text) => error.push(text),
      write: (text) => out.push(text),
      paint: (_style, text) => text,
      screen: undefined,
      columns: 120,
    },
    env: {},
  });
  return { code, out: out.join("\n"), error: error.join("\n") };
}

const files = {
  "package.json":
    '{ "name": "@acme/sample", "version": "1.0.0", "jobyard": { "jobs": [{ "jobType": "Run", "command": "sh", "args": ["-c", "true"] }] } }',
  "src/a.ts":
    'import { defineJob } from "jobyard/job";\nexport default defineJob({ jobType: "Compute", run() {} });\nexport const hidden = () => defineJob({ jobType: "B", run() {} });',
};

describe("jobyard pack", () => {
  it("writes the ZIP and says what is in it", async () => {
    await using source = await sourcePackage(files);
    const { code, out, error } = await jobyard("pack", source.path);
    expect(code).toBe(EXIT.done);
    expect(out).toMatch(
      /^sample 1\.0\.0 → .*dist\/sample\.zip\n {2}\d+ KiB in \d+ files, for any platform\n {2}sha256 [0-9a-f]{64}\n/,
    );
    expect(out).toContain("  job Compute  src/a.mjs\n  job Run      sh -c true");
    expect(error).toContain("Warning: src/a.ts:3:29: This job is declared but not exported");
    expect(existsSync(join(source.path, "dist/sample.zip"))).toBe(true);
  });

  it("writes where it is told to and prints JSON", async () => {
    await using source = await sourcePackage(files);
    const file = join(source.path, "some/where/x.zip");
    const { code, out } = await jobyard(
      "pack",
      source.path,
      "--out",
      file,
      "--json",
      "--os",
      "darwin",
      "--arch",
      "arm64",
    );
    expect(code).toBe(EXIT.done);
    expect(existsSync(file)).toBe(true);
    expect(JSON.parse(out)).toMatchObject({
      file,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      manifest: { name: "sample", platform: "any" },
      warnings: [expect.any(String)],
    });
  });

  it("says what is wrong with a package", async () => {
    await using source = await sourcePackage({
      "a.ts": 'import { defineJob } from "jobyard/job";\nexport default defineJob({ run() {} });',
    });
    expect(await jobyard("pack", source.path)).toEqual({
      code: EXIT.failed,
      out: "",
      error: "a.ts:2:26: This job has no jobType.",
    });
  });

  it("says how it is called", async () => {
    expect(await jobyard("pack")).toMatchObject({
      code: EXIT.usage,
      error: "error: missing required argument 'directory'",
    });
    expect(await jobyard("pack", ".", "--libc", "uclibc")).toMatchObject({
      code: EXIT.usage,
      error: expect.stringContaining("Allowed choices are glibc, musl") as string,
    });
    expect(await jobyard("nonsense")).toMatchObject({ code: EXIT.usage });
    expect(await jobyard("pack", "--help")).toMatchObject({
      code: EXIT.done,
      out: expect.stringContaining("--libc") as string,
    });
  });
});

describe("nodeVersionProblem", () => {
  it("lets in what runs TypeScript, and tells others why not", () => {
    expect(["22.18.0", "22.20.1", "24.0.0", "26.1.0"].map((version) => nodeVersionProblem(version))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    for (const version of ["20.20.2", "22.17.9", "18.0.0"])
      expect(nodeVersionProblem(version)).toContain(`this is Node ${version}`);
    expect(nodeVersionProblem()).toBeUndefined();
  });
});
