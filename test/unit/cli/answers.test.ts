/** How commands show the service's responses: tenants, names, numbers, JSON on a terminal. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../../../runtime/cli/exit-codes.ts";
import {
  startLoopbackServer,
  type LoopbackAnswer,
  type LoopbackServer,
} from "../../support/network/loopback-server.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";

const HASH = "3f9a01c2d4e5".padEnd(64, "0");
const OTHER = "3f9a01ffffff".padEnd(64, "0");
const ME = {
  name: "Sam Submitter",
  kind: "user",
  principalId: "10ca1000-0000-4000-8000-0000000000e2",
  roles: ["Jobs.Submit"],
  grants: [
    { tenantName: "accounting", access: "manage" },
    { tenantName: "demo", access: "read" },
  ],
  allTenants: false,
};
const JOB = {
  ...{ jobId: "demo.b.00.j", batchId: "demo.b", tenantName: "demo", jobType: "Greet", jobName: "Hello" },
  ...{ jobProcessorPackageName: "greet.zip", packageHash: HASH, priority: "normal", pool: "default" },
  ...{ state: "succeeded", attempts: 1, interruptions: 0, cancelWanted: false, artifactCount: 0 },
  ...{ submittedAt: "2030-01-31T08:00:00.000Z", submittedBy: "Sam" },
  parameters: { greeting: "x".repeat(90), to: ["ada", "sam"] },
  output: { greeted: 2 },
  history: [{ execution: 1, attempt: 1, workerId: "w", claimId: "c", startedAt: "2030-01-31T08:00:12.000Z" }],
};

let answers: Record<string, LoopbackAnswer | undefined> = {};
let asked: string[] = [];
let service: LoopbackServer;
beforeEach(async () => {
  asked = [];
  answers = {
    "GET /v1/auth": { status: 200, body: { kind: "none" } },
    "GET /v1/me": { status: 200, body: ME },
    "GET /v1/batches": { status: 200, body: { items: [] } },
  };
  service = await startLoopbackServer(({ method, url }) => {
    asked.push(`${method} ${url.pathname}`);
    return (
      answers[`${method} ${url.pathname}`] ?? { status: 404, body: { error: { code: "RouteNotFound", message: "no" } } }
    );
  });
});
afterEach(() => service[Symbol.asyncDispose]());

const jobyard = (args: readonly string[], columns?: number) =>
  runCliHere(args, {
    env: { HOME: "/nonexistent", JOBYARD_URL: service.url },
    ...(columns !== undefined && { columns }),
  });

describe("a tenant", () => {
  it("without a grant is refused with the caller's tenants and the nearest name", async () => {
    for (const command of [["batches"], ["timers"], ["packages"], ["dead-letters"], ["packages", "versions", "a"]]) {
      const { code, stderr } = await jobyard([...command, "--tenant", "acounting"]);
      expect([command, code]).toEqual([command, EXIT.usage]);
      expect(stderr).toBe(
        "You have no grant on the tenant acounting. Did you mean accounting? Your tenants: accounting, demo.\n",
      );
    }
    expect((await jobyard(["batches", "--tenant", "zzz"])).stderr).toBe(
      "You have no grant on the tenant zzz. Your tenants: accounting, demo.\n",
    );
    expect(await jobyard(["batches", "--tenant", "demo"])).toMatchObject({ code: EXIT.done, stdout: "No batches.\n" });
  });

  it("must be set when there are several, and the message explains how to get one when there is none", async () => {
    expect((await jobyard(["batches"])).stderr).toBe("Name a tenant with --tenant. Your tenants: accounting, demo.\n");
    answers["GET /v1/me"] = { status: 200, body: { ...ME, grants: [] } };
    expect((await jobyard(["batches"])).stderr).toContain("jobyard grants <tenant> --grant <your object id>");
  });
});

describe("whoami", () => {
  it("shows name, object id, roles and tenants, and prints JSON on one line, indented on a terminal", async () => {
    const { stdout } = await jobyard(["whoami"]);
    expect(stdout).toBe(
      [
        "Sam Submitter, a user",
        "  object id 10ca1000-0000-4000-8000-0000000000e2",
        "  app roles Jobs.Submit",
        "",
        "  tenant      access",
        "  accounting  manage",
        "  demo        read",
        "",
      ].join("\n"),
    );
    expect((await jobyard(["whoami", "--json"])).stdout).toBe(`${JSON.stringify(ME)}\n`);
    expect((await jobyard(["whoami", "--json"], 80)).stdout).toBe(`${JSON.stringify(ME, null, 2)}\n`);
  });

  it("without the role names the command that assigns it", async () => {
    const message = "This takes the app role Jobs.Admin, and the token has Jobs.Submit.";
    answers["GET /v1/workers"] = { status: 403, body: { error: { code: "Forbidden", message, requestId: "r1" } } };
    const { code, stderr } = await jobyard(["workers"]);
    expect(code).toBe(EXIT.notAllowed);
    expect(stderr).toContain(`${message}\n  An administrator assigns roles with az rest: see docs/deploy.md`);
    expect(stderr).toContain("jobyard login --local --as admin\n  (Forbidden, request r1)\n");
  });
});

describe("one job", () => {
  it("is shown with its package's version, its parameters and its waiting time", async () => {
    answers["GET /v1/jobs/demo.b.00.j"] = { status: 200, body: JOB };
    const { stdout } = await jobyard(["jobs", "demo.b.00.j"]);
    expect(stdout).toContain("  package    greet.zip, version 3f9a01c2d4e5\n");
    expect(stdout).toContain("  waited     12 s until its first start\n");
    expect(stdout).toContain(`  parameters ${JSON.stringify(JOB.parameters)}\n`);
    const narrow = (await jobyard(["jobs", "demo.b.00.j"], 80)).stdout;
    expect(narrow).toContain('  parameters {\n               "greeting": "xxx');
    expect(narrow).toContain('  output     {"greeted":2}\n');
  });
});

describe("reschedule", () => {
  it("sends the time as an instant or a delay, and says what became of it", async () => {
    const runAt = "2030-01-31T08:00:00.000Z";
    answers["POST /v1/jobs/demo.b.00.j/reschedule"] = { status: 200, body: { ...JOB, state: "queued", runAt } };
    const { stdout } = await jobyard(["reschedule", "demo.b.00.j", "--at", "2030-01-31T09:00:00+01:00"]);
    expect(stdout).toMatch(/^queued, not before 2030-01-31/);
    expect((await jobyard(["reschedule", "demo.b.00.j"])).stderr).toContain("Use --at or --delay");
    expect((await jobyard(["reschedule", "demo.b.00.j", "--delay", "0", "--at", runAt])).stderr).toContain("exclude");
  });
});

describe("numbers", () => {
  it("have the right singular and plural", async () => {
    const counts = { queued: 0, running: 0, succeeded: 1, failed: 0, canceled: 0, total: 1 };
    const batchId = "demo.0000000000aaaaaaaa";
    answers[`POST /v1/batches/${batchId}/requeue`] = { status: 200, body: { requeued: 1 } };
    answers[`POST /v1/batches/${batchId}/cancel`] = {
      status: 200,
      body: { batchId, counts: { ...counts, running: 1 } },
    };
    answers[`GET /v1/batches/${batchId}`] = { status: 200, body: { batchId, counts } };
    expect((await jobyard(["requeue", batchId])).stdout).toBe("1 job runs again.\n");
    expect((await jobyard(["cancel", batchId])).stdout).toBe("Cancel requested for 1 job.\n");
    expect(await jobyard(["watch", batchId])).toMatchObject({
      stdout: "1 job: 1 succeeded, 0 failed, 0 canceled\n",
      stderr: expect.stringContaining("1 of 1 job done") as string,
    });
    answers[`POST /v1/batches/${batchId}/requeue`] = { status: 200, body: { requeued: 2 } };
    expect((await jobyard(["requeue", batchId])).stdout).toBe("2 jobs run again.\n");
  });
});

describe("a version of a package", () => {
  const at = "/v1/tenants/demo/packages/greet.zip";
  beforeEach(() => {
    const version = (sha256: string, isCurrent: boolean) => ({
      bytes: 2_048,
      sha256,
      uploadedAt: JOB.submittedAt,
      isCurrent,
    });
    answers[`GET ${at}/versions`] = { status: 200, body: { items: [version(HASH, true), version(OTHER, false)] } };
    answers[`POST ${at}/versions/${OTHER}/restore`] = {
      status: 200,
      body: { packageName: "greet.zip", sha256: OTHER, timers: ["nightly"] },
    };
    answers[`DELETE ${at}`] = { status: 204 };
  });

  it("is restored by an unambiguous prefix", async () => {
    expect((await jobyard(["packages", "versions", "greet", "-t", "demo"])).stdout).toMatch(/3f9a01c2d4e5 .*current/);
    const restored = await jobyard(["packages", "restore", "greet", "3F9A01F", "-t", "demo"]);
    expect(restored).toMatchObject({
      code: EXIT.done,
      stdout: "Jobs of greet.zip now run version 3f9a01ffffff, with 1 timer: nightly.\n",
    });
    const many = await jobyard(["packages", "restore", "greet", "3f9a", "-t", "demo"]);
    expect(many).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringContaining("2 versions start with 3f9a") as string,
    });
    const none = await jobyard(["packages", "restore", "greet", "abc", "-t", "demo"]);
    expect(none.stderr).toBe("Version abc does not exist. Versions: 3f9a01c2d4e5, 3f9a01ffffff.\n");
  });

  it("is deleted with all others only with --yes", async () => {
    const refused = await jobyard(["packages", "delete", "greet", "-t", "demo"]);
    expect(refused).toMatchObject({ code: EXIT.usage, stderr: expect.stringContaining("add --yes") as string });
    expect(asked.some((line) => line.startsWith("DELETE"))).toBe(false);
    expect(await jobyard(["packages", "delete", "greet.zip", "-t", "demo", "--yes"])).toMatchObject({
      code: EXIT.done,
      stdout: "Deleted greet.zip of demo.\n",
    });
  });
});
