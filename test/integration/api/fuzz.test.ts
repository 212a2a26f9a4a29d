/** Hundreds of requests, thousands in `npm run test:full`, made from the document, right and wrong: none may break the API, every answer keeps the contract. */
import { expect, it } from "vitest";
import { randomUUID } from "node:crypto";
import { breadth } from "../../support/breadth.ts";
import { workerOf } from "../../support/builders.ts";
import { HOSTILE_PACKAGES } from "../../support/packages/hostile-packages.ts";
import { FOLLOW_LOG_MAX_MS } from "../../../runtime/core/limits.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { createRequestGenerator } from "../../support/api/request-generator.ts";
import { claimAndEnd, claimRow } from "../../support/stores/row-moves.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { startTestApi, type TestApi } from "../../support/api/test-api.ts";
import { TEST_PROGRAM } from "../../support/api/test-programs.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { openWire } from "../../support/api/wire.ts";
import { deliveryOf } from "../../support/builders.ts";
import { artifactContent } from "../../support/api/artifact-content.ts";

/** Another one: `FUZZ_SEED=7 npx vitest run test/integration/api/fuzz.test.ts`. */
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_260_301);
/** Over the adapters and Azurite, which take five times as long, a share: those hold for all that reaches them. */
const IS_SHARE = breadth(true, process.env["API_STORES"] === "azure");
const REQUESTS = Number(process.env["FUZZ_REQUESTS"] ?? (IS_SHARE ? 900 : 6_000));
const CONNECTIONS = 8;

/** Each publication brings its timer back. */
const VERSIONS = ["1", "2"].map((output) =>
  testPackage({
    jobs: { Echo: `return { output: ${output} };` },
    timers: [{ timerName: "Echo", cron: "0 0 4 * * *" }],
  }),
);

const SETTINGS = ["API_KEY", "SMTP_HOST"];
const PACKAGE_NAMES = Array.from({ length: 8 }, (_, i) => `echo-${i}.zip`);

async function publishAll(api: TestApi, tenantName: string): Promise<void> {
  for (const name of PACKAGE_NAMES) {
    const path = `/v1/tenants/${tenantName}/packages/${name}`;
    for (const zip of VERSIONS) await api.put(path, zip);
    for (const setting of SETTINGS) await api.put(`${path}/settings/${setting}`, { value: "given" });
  }
}

/** Packages with versions, workers, and tenants with grants. */
async function namesOf(api: TestApi, tenantName: string) {
  await publishAll(api, tenantName);
  const versions = (await api.packages.versions(tenantName, "echo-0.zip")).map(({ sha256 }) => sha256);
  const workers = Array.from({ length: 3 }, () => workerOf({ workerId: `w-${randomUUID()}` }));
  for (const worker of workers) await api.workers.beat(worker, undefined);
  const principalIds = Array.from({ length: 20 }, () => randomUUID());
  await grantAll(api, tenantName, principalIds);
  await registerAll(api, tenantName);
  return {
    packageName: [...PACKAGE_NAMES, "new.zip"],
    sha256: [...versions, "0".repeat(64)],
    timerName: ["Echo", "Echo", "Gone"],
    count: [1, 7, 100, 101],
    workerId: workers.map(({ workerId }) => workerId),
    programName: [TEST_PROGRAM.name],
    principalId: principalIds,
    execution: [1, 2],
    fromByte: [0, 1, 4, 1_000],
    follow: ["true", "false"],
  };
}

async function grantAll(api: TestApi, tenantName: string, principalIds: readonly string[]): Promise<void> {
  await api.put(`/v1/tenants/${tenantName}`);
  for (const id of principalIds) {
    await api.put(`/v1/tenants/${tenantName}/grants/${id}`, { access: "read", name: "Ada" });
  }
}

async function registerAll(api: TestApi, tenantName: string): Promise<void> {
  const url = "https://hooks.example.com/";
  for (let i = 0; i < 3; i++) {
    await api.put(`/v1/tenants/${tenantName}/webhooks/hook-${i}`, { url });
    const webhook = (await api.webhooks.get(tenantName, `hook-${i}`))?.value;
    if (webhook !== undefined) await api.deliveries.add(deliveryOf(webhook, { messageId: "msg_0", key: "0a" }));
  }
}

/** Jobs in every state, and names the API knows. */
async function samplesOf(api: TestApi, addLetter: (jobId: string) => string) {
  const tenantName = freshTenant();
  const otherTenant = freshTenant();
  const batchIds: string[] = [];
  const jobIds: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { body: batch } = await api.post("/v1/batches", { tenantName, batchName: `Batch ${i}` });
    batchIds.push(batch.batchId);
    for (const end of ["queued", "running", "failed", "succeeded", "canceled"] as const) {
      const { body: job } = await api.post("/v1/jobs", {
        tenantName,
        batchId: batch.batchId,
        jobType: "Echo",
        jobName: "job",
        jobProcessorPackageName: "echo.zip",
        publishLater: true,
        clientJobId: `job-${jobIds.length}`,
      });
      jobIds.push(job.jobId);
      if (end === "running") await claimRow(api.jobs, job.jobId);
      else if (end !== "queued") await claimAndEnd(api.jobs, job.jobId, end);
      const claimId = (await api.jobs.get(job.jobId))?.value.claim?.id;
      if (claimId === undefined) continue;
      await api.files.putArtifact(job.jobId, claimId, "report.txt", artifactContent("a report"));
      await api.files.appendLog(job.jobId, claimId, Buffer.from("one\n"));
    }
  }
  const letters = jobIds.flatMap((jobId) => Array.from({ length: 12 }, () => addLetter(jobId)));
  return {
    ...(await namesOf(api, tenantName)),
    tenantName: [tenantName, tenantName, otherTenant],
    // The tenant that has things is not erased.
    confirm: [otherTenant],
    filter: [{ state: "failed" }, { jobType: "Echo", state: ["queued", "canceled"] }, { tag: "a" }],
    batchId: batchIds,
    jobId: jobIds,
    clientJobId: ["job-1", "job-2", "new-1", "new-2", ".."],
    jobIds: [jobIds, [jobIds[0]], [...jobIds, "none"]],
    jobProcessorPackageName: ["echo.zip"],
    publishLater: [true],
    pool: ["default"],
    settingName: SETTINGS,
    value: ["a value", "another"],
    audiences: [["https://vault.azure.net"], []],
    webhookName: ["hook-0", "hook-1", "hook-2", "new"],
    messageId: ["msg_0"],
    cron: ["0 0 4 * * *", "00:10:00", "0 0 4"],
    timeZone: ["Europe/Vienna", "UTC", "BST"],
    url: [
      ...["https://hooks.example.com/", "https://hooks.example.com/other"],
      "https://10.0.0.1/",
      "http://hooks.example.com",
      "https://[::1]/",
      "https://x:y@z.com",
    ],
    path: ["report.txt", "other/report.txt"],
    queue: ["jobs-default-normal"],
    sequenceNumber: letters.map((path) => path.slice(path.lastIndexOf("/") + 1)),
    // The last one is the begin of any list.
    continuationToken: ["", "x", "bm90IGEgdG9rZW4", Buffer.from("1:0:").toString("base64url")],
  };
}

it("holds against requests of every kind", async () => {
  const letters = letterQueue();
  // Who follows the log of a job that does not end is answered until the time for that is over: soon.
  let clockMs = 0;
  await using api = await startTestApi(letters.queue, { monotonicNow: () => (clockMs += 0.6 * FOLLOW_LOG_MAX_MS) });
  using wire = openWire(api.url, CONNECTIONS);
  const samples = await samplesOf(api, (jobId) => letters.add(jobId));
  const zips = { sound: VERSIONS, hostile: HOSTILE_PACKAGES.map(([, zip]) => zip) };
  const random = seededRandom(SEED);
  const generator = createRequestGenerator(api.contract, samples, zips, random);
  const statuses = new Map<number, number>();
  const served = new Set<string>();
  let count = 0;

  async function client(): Promise<void> {
    while (count < REQUESTS) {
      const number = ++count;
      const { operation, request } = generator.next();
      const told = `seed ${SEED}, request ${number}: ${JSON.stringify(request).slice(0, 2_000)}`;
      const answer = await wire.send(request).catch((cause: unknown) => {
        throw new Error(`${told} got no answer`, { cause });
      });
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status < 300 && request.method === operation.method.toUpperCase()) served.add(operation.operationId);
      expect(answer.status, `${told}\n${answer.text}`).toBeLessThan(500);
      // What is gone comes again, or there would soon be nothing left to serve.
      if (operation.operationId === "deleteTenant" && answer.status === 204) {
        await grantAll(api, samples.tenantName[0] ?? "", samples.principalId);
        await registerAll(api, samples.tenantName[0] ?? "");
        // Its timers went with it.
        await publishAll(api, samples.tenantName[0] ?? "");
      }
      if (operation.operationId === "deletePackage" && answer.status === 204) {
        for (const zip of VERSIONS) await api.put(request.path, zip);
      }
      if (operation.operationId === "deleteSetting" && answer.status === 204) {
        await api.put(request.path, { value: "given" });
      }
      if (operation.operationId === "deleteWebhook" && answer.status === 204) {
        await api.put(request.path, { url: "https://hooks.example.com/" });
      }
      // An answer to HEAD has no body to judge.
      if (request.method === "HEAD") continue;
      try {
        api.contract.check(request.method, request.path, answer);
      } catch (cause) {
        throw new Error(told, { cause });
      }
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client));

  console.log(`${count} requests, statuses: ${JSON.stringify(Object.fromEntries(statuses))}`);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  // It got through the gates: every operation has served some of them; of few requests, more than half of them. Some need a state that another request must have made just before.
  const operations = api.contract.operations.map(({ operationId }) => operationId);
  const idle = operations.filter((operationId) => !served.has(operationId));
  expect(idle.length, idle.join()).toBeLessThanOrEqual(operations.length / (IS_SHARE ? 2 : 8));
  expect((await api.get("/healthz")).status).toBe(200);
}, 300_000);
