import { execFile } from "node:child_process";
import { builtinModules } from "node:module";
import { readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, afterAll, describe, expect, it } from "vitest";
import {
  buildJobyardPackage,
  type JobyardPackage,
  PackageNameError,
} from "../../../../runtime/package/build/build-jobyard-package.ts";
import { ROOT } from "../../../support/docs/document-tables.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../../support/temporary-directory.ts";

const run = promisify(execFile);
const MODULES = join(ROOT, "node_modules");
let consumer: TemporaryDirectory;
let built: JobyardPackage;
let renamed: JobyardPackage;
beforeAll(async () => {
  consumer = await temporaryDirectory();
  built = await buildJobyardPackage(join(consumer.path, "node_modules/jobyard"));
  renamed = await buildJobyardPackage(join(consumer.path, "renamed"), { name: "@acme/jobyard" });
  for (const name of ["zod", "esbuild", "typescript", "rhea-emulator", "@types"])
    await symlink(join(MODULES, name), join(consumer.path, "node_modules", name));
  await writeFile(join(consumer.path, "package.json"), '{ "type": "module" }');
}, 300_000);
afterAll(() => consumer[Symbol.asyncDispose]());

const CLIENT_PROGRAM = `
import { isJobServiceError, JobServiceClient, type JobView } from "jobyard/client";

export async function program(url: string): Promise<JobView | undefined> {
  const client = new JobServiceClient(url, { retry: { maxAttempts: 1 } });
  await client.authenticate("id", "secret");
  const batchId = await client.management.createBatch({ batchName: "Year end", tenantName: "demo", priority: "high" });
  const request = { jobType: "FinancialYearEnd", jobName: "2025", tenantName: "demo", jobProcessorPackageName: "f.zip" };
  const jobId = await client.management.submitJob({ ...request, parameters: { year: 2025 }, runAt: new Date() }, batchId);
  client.notifications.on("jobProgressed", (e) => console.log(e.jobId, e.progress.fraction?.toFixed(2)));
  await client.notifications.connect();
  await client.notifications.subscribeToJob(jobId);
  const done = await client.waitForJob(jobId, { timeoutMs: 1_000 });
  for await (const job of client.monitoring.getJobsFromBatch(batchId, { state: "failed", pageSize: 100 })) {
    const code: string | undefined = job.failure?.code;
    console.log(job.jobName, code);
  }
  // @ts-expect-error -- there is no such state
  client.monitoring.getJobsFromBatch(batchId, { state: "done" });
  // @ts-expect-error -- a job has a name
  void client.management.submitJob({ ...request, jobName: undefined });
  return done.state === "succeeded" ? done : undefined;
}

try {
  await program("http://127.0.0.1:1");
} catch (error) {
  if (isJobServiceError(error)) console.log(error.code, error.status);
}
`;

const JOB_PROGRAM = `
import { defineJob, scalableTimerJob } from "jobyard/job";
import { runJob, type TestJobyard } from "jobyard/testing";
import * as z from "zod";

const job = defineJob({
  jobType: "Double",
  parameters: z.object({ of: z.number() }),
  run: ({ parameters }) => ({ output: parameters.of * 2 }),
});
export const urlOf = ({ url }: TestJobyard): string => url;
// @ts-expect-error -- a timer has a schedule
export const timer = scalableTimerJob({}, () => undefined);
const { output, failure } = await runJob(job, { parameters: { of: 21 } });
console.log(output, failure);
`;

describe("the package for people without a clone", () => {
  it("has types with which other programs compile, and runs", async () => {
    await writeFile(join(consumer.path, "client-program.ts"), CLIENT_PROGRAM);
    await writeFile(join(consumer.path, "job-program.ts"), JOB_PROGRAM);
    const tsc = join(MODULES, "typescript/bin/tsc");
    const strict = ["--module", "nodenext", "--strict", "--target", "es2024", "--outDir", "out"];
    const compile = (program: string, ...options: string[]) =>
      run(process.execPath, [tsc, ...strict, ...options, program], { cwd: consumer.path }).catch((error: unknown) => {
        throw new Error((error as { stdout: string }).stdout);
      });
    await compile("client-program.ts", "--lib", "es2024,dom,dom.iterable");
    await compile("job-program.ts", "--lib", "es2024,esnext.disposable", "--types", "node");
    const printed = async (name: string) =>
      (await run(process.execPath, [`out/${name}.js`], { cwd: consumer.path })).stdout;
    expect(await printed("client-program")).toBe("NetworkFailed undefined\n");
    expect(await printed("job-program")).toBe("42 undefined\n");
    // The compiler runs on a busy machine.
  }, 300_000);

  it("has a name in a scope, and cannot be published under the placeholder", async () => {
    interface Described {
      readonly name: string;
      readonly private?: boolean;
      readonly publishConfig?: object;
    }
    const described = async (directory: string): Promise<Described> =>
      JSON.parse(await readFile(join(directory, "package.json"), "utf8")) as Described;
    expect(await described(built.directory)).toMatchObject({ name: "@your-scope/jobyard", private: true });
    const { private: isPrivate, ...named } = await described(renamed.directory);
    expect(isPrivate).toBeUndefined();
    expect(named).toMatchObject({ name: "@acme/jobyard", publishConfig: { access: "restricted" } });
    for (const name of ["jobyard", "@your-scope/jobyard", "@acme", "acme/jobyard", "@Acme/jobyard", "@acme/../x", ""]) {
      await expect(buildJobyardPackage(join(consumer.path, "refused"), { name })).rejects.toThrow(PackageNameError);
    }
  });

  it("has a client without Node's modules and without libraries", async () => {
    const { modules, minifiedBytes } = built.client;
    expect(modules.filter((file) => !/^runtime\/(client|core)\//.test(file))).toEqual([]);
    const code = await readFile(join(built.directory, "lib/client.js"), "utf8");
    for (const name of [...builtinModules, "node:"])
      expect(code).not.toMatch(new RegExp(`(from|import\\(|require\\()\\s*"${name}`));
    expect(code).not.toMatch(/\b(process|Buffer|console)\./);
    expect(minifiedBytes).toBeLessThan(40_000);
  });

  it("names no folder of the machine that built it, and is the same when it is built again", async () => {
    const files = await filesIn(built.directory);
    expect(await filesIn(renamed.directory)).toEqual(files);
    for (const file of files) {
      // The guides name both.
      const contentIn = async ({ directory }: JobyardPackage): Promise<string> =>
        (await readFile(join(directory, file), "utf8")).replaceAll("@acme/", "@your-scope/");
      const content = await contentIn(built);
      expect(content.includes(ROOT), file).toBe(false);
      if (file !== "package.json") expect((await contentIn(renamed)) === content, file).toBe(true);
    }
  });

  it("says which module the local system lacks, and in which version", async () => {
    const { azurite = "" } = (
      JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { dependencies: Record<string, string> }
    ).dependencies;
    const code = 'import { startJobyard } from "jobyard/testing"; await startJobyard();';
    const failed: unknown = await run(process.execPath, ["--input-type=module", "--eval", code], {
      cwd: consumer.path,
    }).catch((error: unknown) => error);
    expect((failed as { stderr: string }).stderr).toContain(
      `The module azurite is not installed. Install it with: npm install --save-dev azurite@${azurite}`,
    );
  }, 300_000);
});

async function filesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return files
    .map((file) => file.slice(directory.length + 1))
    .filter((file) => !file.includes("node_modules/"))
    .sort();
}
