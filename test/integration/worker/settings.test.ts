import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testPackage } from "../../support/packages/test-package.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

const SECRET = "hunter22-Aa0!";
let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
  await system.startWorker();
});
afterAll(() => system[Symbol.asyncDispose]());

const jobyard = (args: readonly string[], input = "") =>
  runCliHere(args, { env: { HOME: "/nonexistent", JOBYARD_URL: system.api.url }, input });

const MAIL = testPackage({
  jobs: { Mail: `console.log("key", context.settings.API_KEY); return { output: context.settings };` },
  manifest: { settings: [{ name: "API_KEY", secret: true }, { name: "PORT", default: "25" }, { name: "HOST" }] },
});

/** Through the API, which notes what a package declares. */
const publish = (tenant: string) => system.api.put(`/v1/tenants/${tenant}/packages/test.zip`, MAIL);

const setIn = (tenant: string, name: string, input: string, ...more: string[]) =>
  jobyard(["settings", "set", "test", name, "--tenant", tenant, ...more], input);

describe("settings from the command line to a job", () => {
  it("are read from standard input, listed without secrets, and used by the next job", async () => {
    const tenant = freshTenant();
    expect(await setIn(tenant, "API_KEY", `${SECRET}\n`, "--secret")).toMatchObject({ code: 0 });
    await publish(tenant);
    expect(await setIn(tenant, "HOST", "", "--value", "mail.example.com")).toMatchObject({ code: 0, stderr: "" });
    const jobId = await system.submit(tenant, "Mail");
    const job = await system.until(jobId);
    expect(job.failure).toBeUndefined();
    expect(JSON.parse(job.output ?? "")).toEqual({ API_KEY: SECRET, PORT: "25", HOST: "mail.example.com" });
    const log = JSON.stringify((await system.api.get(`/v1/jobs/${jobId}/log`)).body);
    expect(log).toContain("key [redacted]");
    expect(log).not.toContain(SECRET);
    // Neither the row nor the message has it but as the job's own answer.
    expect(JSON.stringify({ ...job, output: undefined })).not.toContain(SECRET);

    await setIn(tenant, "API_KEY", "second value");
    const next = await system.until(await system.submit(tenant, "Mail"));
    expect(JSON.parse(next.output ?? "")).toMatchObject({ API_KEY: "second value" });

    const listed = await jobyard(["settings", "list", "test", "--tenant", tenant]);
    expect(listed.stdout).toMatch(/API_KEY[^\n]*\(secret\)[^\n]* 2 /);
    expect(listed.stdout).toMatch(/PORT[^\n]*\(default\)/);
    expect(listed.stdout).not.toContain("second value");
  });

  it("fail a job at once when one was removed after its submit", async () => {
    const tenant = freshTenant();
    await setIn(tenant, "HOST", "localhost");
    await setIn(tenant, "API_KEY", SECRET, "--secret");
    await publish(tenant);
    const jobId = await system.submit(tenant, "Mail", { delayMs: 3_600_000 });
    expect(await jobyard(["settings", "unset", "test", "HOST", "--tenant", tenant])).toMatchObject({ code: 0 });
    expect((await system.api.post(`/v1/jobs/${jobId}/reschedule`, { delayMs: 0 })).status).toBe(200);
    expect(await system.until(jobId)).toMatchObject({
      state: "failed",
      attempts: 1,
      failure: { code: "SettingMissing", retryable: false },
    });
  });

  it("are refused as arguments when they are secret, and warned of when nothing declares them", async () => {
    const tenant = freshTenant();
    expect(await setIn(tenant, "API_KEY", "", "--secret", "--value", SECRET)).toMatchObject({ code: 2 });
    const unknown = await setIn(tenant, "API_KY", SECRET);
    expect(unknown.stderr).toContain("does not declare API_KY");
  });

  it("and grants on identities are listed and changed", async () => {
    const tenant = freshTenant();
    await jobyard(["tenants", "--create", tenant]);
    const granted = await jobyard([
      "identities",
      tenant,
      "--grant",
      "default",
      "--audiences",
      "https://vault.azure.net",
    ]);
    expect(granted).toMatchObject({ code: 0 });
    expect((await jobyard(["identities", tenant])).stdout).toContain("https://vault.azure.net");
    await jobyard(["identities", tenant, "--revoke", "default"]);
    expect((await jobyard(["identities", tenant])).stdout).toContain("No grants.");
  });
});
