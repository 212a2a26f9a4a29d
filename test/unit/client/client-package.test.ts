import { execFile } from "node:child_process";
import { builtinModules } from "node:module";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, afterAll, describe, expect, it } from "vitest";
import {
  buildClientPackage,
  PackageNameError,
  type ClientPackage,
} from "../../../runtime/package/build/build-client-package.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const run = promisify(execFile);
const MODULES = join(import.meta.dirname, "../../../node_modules");
let consumer: Awaited<ReturnType<typeof temporaryDirectory>>;
let built: ClientPackage;
beforeAll(async () => {
  consumer = await temporaryDirectory();
  built = await buildClientPackage(join(consumer.path, "node_modules/jobyard"));
  await symlink(join(MODULES, "zod"), join(consumer.path, "node_modules/zod"));
}, 60_000);
afterAll(() => consumer[Symbol.asyncDispose]());

const PROGRAM = `
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

describe("the client as a package", () => {
  it("compiles and runs in another program", async () => {
    await writeFile(join(consumer.path, "package.json"), '{ "type": "module" }');
    await writeFile(join(consumer.path, "program.ts"), PROGRAM);
    const tsc = join(MODULES, "typescript/bin/tsc");
    const strict = ["--strict", "--target", "es2024", "--outDir", "out", "program.ts"];
    const flags = ["--module", "nodenext", "--lib", "es2024,dom,dom.iterable", ...strict];
    await run(process.execPath, [tsc, ...flags], { cwd: consumer.path }).catch((error: unknown) => {
      throw new Error((error as { stdout: string }).stdout);
    });
    const { stdout } = await run(process.execPath, ["out/program.js"], { cwd: consumer.path });
    expect(stdout).toBe("NetworkFailed undefined\n");
    // The compiler runs on a busy machine.
  }, 90_000);

  it("has a name in a scope, and cannot be published under the placeholder", async () => {
    interface Described {
      readonly name: string;
      readonly private?: boolean;
      readonly publishConfig?: object;
    }
    const described = async (name?: string): Promise<Described> => {
      await using place = await temporaryDirectory();
      await buildClientPackage(place.path, { name });
      return JSON.parse(await readFile(join(place.path, "package.json"), "utf8")) as Described;
    };
    expect(await described()).toMatchObject({ name: "@your-scope/jobyard", private: true });
    const { private: isPrivate, ...named } = await described("@acme/jobyard");
    expect(isPrivate).toBeUndefined();
    expect(named).toMatchObject({ name: "@acme/jobyard", publishConfig: { access: "restricted" } });
    for (const name of ["jobyard", "@your-scope/jobyard", "@acme", "acme/jobyard", "@Acme/jobyard", "@acme/../x", ""]) {
      await expect(buildClientPackage(consumer.path, { name })).rejects.toThrow(PackageNameError);
    }
  }, 60_000);

  it("contains no Node built-in module and no library", async () => {
    expect(built.modules.filter((file) => !/^runtime\/(client|core)\//.test(file))).toEqual([]);
    const code = await readFile(join(built.directory, "client.js"), "utf8");
    for (const name of [...builtinModules, "node:"])
      expect(code).not.toMatch(new RegExp(`(from|import\\(|require\\()\\s*"${name}`));
    expect(code).not.toMatch(/\b(process|Buffer|console)\./);
    expect(built.minifiedBytes).toBeLessThan(40_000);
  });
});
