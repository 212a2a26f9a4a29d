/** JSON Schemas in the manifest: read from running code at packing, only where a job declares a schema. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { PackagePlatform } from "../../../../runtime/core/package/manifest.ts";
import { packPackage } from "../../../../runtime/package/build/pack.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

afterEach(() => vi.unstubAllEnvs());

const LINUX: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };
const ZOD = JSON.stringify(join(import.meta.dirname, "../../../../node_modules/zod/index.js"));

const jobWith = (options: string, before = ""): string =>
  `import { defineJob } from "jobyard/job";\nimport * as z from ${ZOD};\n${before}\n` +
  `export default defineJob({ jobType: "A", ${options}, run: () => undefined });\n`;

async function pack(source: string, more: Readonly<Record<string, string>> = {}) {
  await using folder = await sourcePackage({ "src/a.ts": source, ...more });
  const { manifest, warnings } = await packPackage({ directory: folder.path, target: LINUX });
  return { job: manifest.jobs[0], warnings, manifest };
}

describe("the schemas of a packed job", () => {
  it("are those of its parameters as they are submitted and of its output as it is kept", async () => {
    const { job, warnings } = await pack(
      jobWith(
        `parameters: z.object({ year: z.int().min(1900), title: z.string().default("x") }), output: Output`,
        "const Output = z.object({ rows: z.number().transform(String).pipe(z.string()) });",
      ),
    );
    expect(warnings).toEqual([]);
    expect(job?.parameters).toEqual({
      type: "object",
      properties: {
        year: { type: "integer", minimum: 1900, maximum: Number.MAX_SAFE_INTEGER },
        title: { type: "string", default: "x" },
      },
      required: ["year"],
    });
    expect(job?.output).toMatchObject({ type: "object", properties: { rows: { type: "string" } } });
  });

  it("are absent, and nothing of the package runs, without a schema", async () => {
    const fatal = "process.exit(3);";
    const { job, warnings } = await pack(
      jobWith(`parameters: (value: unknown) => value, output(value) { return value; }`, fatal),
    );
    expect(warnings).toEqual([]);
    expect(Object.keys(job ?? {})).toEqual(["jobType", "entry"]);
  });

  it("take everything where the library accepts more than it describes", async () => {
    const { job } = await pack(
      jobWith(
        `parameters: z.object({ a: z.coerce.number(), b: z.preprocess(Number, z.number()), c: z.number().catch(0), d: z.date() })`,
      ),
    );
    expect(job?.parameters).toMatchObject({ properties: { a: {}, b: {}, c: {}, d: {} } });
    for (const schema of Object.values(job?.parameters?.["properties"] ?? {})) expect(schema).toEqual({});
  });

  it("come from any library that implements the standard", async () => {
    const own = `const own = Object.assign(() => 1, { "~standard": { version: 1, vendor: "own", validate: (value: unknown) => ({ value }),
      jsonSchema: { input: ({ target }: { target: string }) => ({ $schema: "x", title: target }), output: () => ({}) } } });`;
    expect((await pack(jobWith("parameters: own", own))).job?.parameters).toEqual({ title: "draft-2020-12" });
  });

  it.each([
    [
      "a library without JSON Schema",
      `parameters: { "~standard": { vendor: "plain", validate: (value: unknown) => ({ value }) } }`,
      "",
      "its schema has no form as JSON Schema (plain does not offer it)",
    ],
    [
      "a schema that is too large",
      `parameters: z.enum(Array.from({ length: 9_000 }, (_, n) => "name" + n) as [string])`,
      "",
      "expected a JSON Schema of at most 32768 bytes",
    ],
    [
      "a schema that is too deep",
      `parameters: deep`,
      `let deep: z.ZodType = z.string(); for (let n = 0; n < 60; n++) deep = z.array(deep);`,
      "expected at most 48 levels",
    ],
    [
      "a module that throws",
      `parameters: z.object({})`,
      `throw new Error("no database");`,
      "its module cannot be loaded here (no database)",
    ],
    [
      "a module that ends its process",
      `parameters: z.object({})`,
      `process.exit(7);`,
      "its module cannot be loaded here (its process ended with exit code 7)",
    ],
  ])("are left out with a warning for %s", async (_, options, before, reason) => {
    const { job, warnings } = await pack(jobWith(options, before));
    expect(Object.keys(job ?? {})).toEqual(["jobType", "entry"]);
    expect(warnings.join()).toContain(reason);
    expect(warnings.join()).toContain("src/a.ts:");
  });

  it("are read with the modules and files of the author, and without the environment of the command", async () => {
    process.env["JOBYARD_TEST_SECRET"] = "s3cret";
    try {
      const { job, warnings } = await pack(
        jobWith(
          `parameters: z.literal([process.env["JOBYARD_TEST_SECRET"] ?? "none", native, readFileSync(new URL("../data/x.txt", import.meta.url), "utf8")])`,
          `import native from "native";\nimport { readFileSync } from "node:fs";\nconsole.log("noise");`,
        ),
        {
          "package.json": `{ "name": "sample", "jobyard": { "files": ["data"], "external": ["native"] } }`,
          "data/x.txt": "text",
          "node_modules/native/package.json": `{ "name": "native", "version": "1.0.0", "main": "index.js" }`,
          "node_modules/native/index.js": `module.exports = "addon";`,
        },
      );
      expect(warnings).toEqual([]);
      expect(job?.parameters?.["enum"]).toEqual(["none", "addon", "text"]);
    } finally {
      Reflect.deleteProperty(process.env, "JOBYARD_TEST_SECRET");
    }
  });

  it("can be written by hand for a program", async () => {
    const json = {
      name: "sample",
      jobyard: { jobs: [{ jobType: "P", command: "sort", parameters: { type: "object", required: ["file"] } }] },
    };
    await using folder = await sourcePackage({ "package.json": JSON.stringify(json) });
    const { manifest } = await packPackage({ directory: folder.path, target: LINUX });
    expect(manifest.jobs[0]?.parameters).toEqual({ type: "object", required: ["file"] });
  });

  it("leave nothing behind", async () => {
    // Other tests pack at the same time.
    await using own = await temporaryDirectory();
    vi.stubEnv("TMPDIR", own.path);
    await pack(jobWith(`parameters: z.object({})`));
    expect((await readdir(own.path)).filter((name) => name.startsWith("jobyard-schemas-"))).toEqual([]);
  });
});
