/** Two API processes as they are deployed, a real https receiver and the documents' sample, used through the client. */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";
import { JobServiceClient, verifyWebhook, type WebhookBatchCompleted } from "../../runtime/client/index.ts";
import { SETTING } from "../../runtime/core/settings/names.ts";
import { busTopology, DEFAULT_POOL } from "../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../runtime/local/bus/index.ts";
import { untilHearing } from "../support/processes/api-process.ts";
import { runCliHere } from "../support/processes/cli-in-process.ts";
import { freshTenant } from "../support/stores/test-storage.ts";
import { startWebhookLab, type WebhookLab } from "../support/webhooks/webhook-lab.ts";
import { startReceiver, type WebhookReceiver } from "../support/webhooks/webhook-receiver.ts";

const ROOT = join(import.meta.dirname, "../..");

let lab: WebhookLab;
let bus: LocalServiceBus;
let receiver: WebhookReceiver;
beforeAll(async () => {
  lab = await startWebhookLab("webhookprocesses");
  bus = await startLocalServiceBus({ port: 0, adminPort: 0, topology: busTopology([DEFAULT_POOL]) });
  receiver = await startReceiver("https");
});
afterAll(async () => {
  await receiver[Symbol.asyncDispose]();
  await bus.close();
});

async function startApiProcess(instanceId: string) {
  const child = fork(join(ROOT, "runtime/main/start.mjs"), ["api"], {
    env: {
      PATH: process.env["PATH"],
      NODE_EXTRA_CA_CERTS: receiver.caFile,
      [SETTING.storageConnectionString]: lab.connectionString,
      [SETTING.serviceBusConnectionString]: bus.connectionString,
      [SETTING.serviceBusAdminConnectionString]: bus.adminConnectionString,
      [SETTING.auth]: "none",
      [SETTING.apiPort]: "0",
      [SETTING.instanceId]: instanceId,
      [SETTING.webhookLoopback]: "allow",
      [SETTING.logLevel]: "warn",
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [ready] = (await once(child, "message")) as [{ readonly port: number }];
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };
  return {
    url: `http://127.0.0.1:${ready.port}`,
    kill: () => end("SIGKILL"),
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

/** The sample, with its address; `lines` is the text that it has printed since. */
async function startSample(secret: string) {
  const child = spawn(process.execPath, [join(ROOT, "docs/samples/webhook-receiver.ts")], {
    env: { PATH: process.env["PATH"], WEBHOOK_SECRET: secret, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const out = createInterface(child.stdout);
  const [url] = (await once(out, "line")) as [string];
  out.on("line", (line) => lines.push(line));
  createInterface(child.stderr).on("line", (line) => lines.push(line));
  return {
    url,
    lines,
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
}

it("send every completed batch to a receiver once, also when one of them is killed", async () => {
  const first = await startApiProcess("hooks-a");
  await using second = await startApiProcess("hooks-b");
  const [a, b] = [new JobServiceClient(first.url), new JobServiceClient(second.url)];
  // What completes before that waits for the sweeper.
  await untilHearing([first, second], freshTenant());
  const tenantName = freshTenant();
  const { secret = "" } = await a.management.putWebhook(tenantName, "billing", { url: receiver.url });
  expect(await b.management.testWebhook(tenantName, "billing")).toMatchObject({ delivered: true, answerCode: 204 });
  expect(receiver.received).toHaveLength(1);

  /** With one job, which is canceled, so the batch completes without a worker. */
  const complete = async (client: JobServiceClient, batchName: string): Promise<string> => {
    const batchId = await client.management.createBatch({ batchName, tenantName });
    const request = { tenantName, jobType: "T", jobName: "n", jobProcessorPackageName: "p.zip", publishLater: true };
    const jobId = await client.management.submitJob(request, batchId);
    await client.management.cancelJob(jobId);
    await client.management.closeBatch(batchId);
    return batchId;
  };
  const told: string[] = [];
  for (let i = 0; i < 6; i++) told.push(await complete(i % 2 === 0 ? a : b, `Batch ${i}`));
  /** The deliveries as `b` lists them. */
  const shown = async (): Promise<readonly string[]> => {
    const all = [];
    for await (const one of b.monitoring.getWebhookDeliveries(tenantName, "billing", { pageSize: 3 })) all.push(one);
    return all.map(({ batchId, state }) => `${batchId} ${state}`).toSorted();
  };
  const allDelivered = () => told.map((batchId) => `${batchId} delivered`).toSorted();
  // A process that crashes between the receiver's response and its record would send again.
  await expect.poll(shown, { timeout: 120_000 }).toEqual(allDelivered());
  await first.kill();
  told.push(await complete(b, "Afterwards"));
  await expect.poll(shown, { timeout: 120_000 }).toEqual(allDelivered());

  // A response that came too late is another try, under the same id.
  const received = new Map(receiver.received.slice(1).map((one) => [one.headers["webhook-id"], one]));
  const messages = await Promise.all(
    [...received.values()].map(async ({ headers, body }) => (await verifyWebhook(headers, body, secret)).message),
  );
  const batches = messages as readonly WebhookBatchCompleted[];
  expect(batches.map(({ batchId }) => batchId).toSorted()).toEqual(told.toSorted());
  for (const { status, counts } of batches) {
    expect({ status, counts }).toMatchObject({ status: "closed", counts: { canceled: 1, total: 1 } });
  }
}, 300_000);

it("serve the command and the sample receiver", async () => {
  await using api = await startApiProcess("hooks-c");
  await untilHearing([api], freshTenant());
  const tenantName = freshTenant();
  const jobyard = (...args: readonly string[]) =>
    runCliHere(["webhooks", tenantName, ...args], { env: { HOME: "/nonexistent", JOBYARD_URL: api.url } });

  expect((await jobyard()).stdout).toBe("No webhooks.\n");
  const put = await jobyard("--put", "billing", "--to", "http://127.0.0.1:1/hook");
  const secret = /^The secret of billing, shown only once:\n(whsec_\S+)\n$/.exec(put.stdout)?.[1] ?? "";
  await using sample = await startSample(secret);
  const moved = await jobyard("--put", "billing", "--to", sample.url);
  expect(moved.stdout).toBe(`billing is sent to ${sample.url}.\n`);
  expect((await jobyard("--test", "billing")).stdout).toMatch(/^billing returned 204 after \d+ ms\.\n$/);

  const { management } = new JobServiceClient(api.url);
  const batchId = await management.createBatch({ batchName: "Year end", tenantName });
  await management.closeBatch(batchId);
  const line = `Year end (${batchId}): 0 of 0 succeeded`;
  await expect.poll(() => sample.lines, { timeout: 120_000 }).toEqual(["ping", line]);
  expect((await jobyard("--deliveries", "billing")).stdout).toContain(batchId);

  // The sample has the old secret, which is valid for a day.
  expect((await jobyard("--rotate", "billing", "--json")).json<{ secret: string }>().secret).toMatch(/^whsec_/);
  expect((await jobyard("--test", "billing", "--json")).json<{ delivered: boolean }>().delivered).toBe(true);
  // It refuses another sender's messages.
  await jobyard("--put", "forger", "--to", sample.url);
  const refused = await jobyard("--test", "forger");
  expect(refused).toMatchObject({ code: 1, stdout: "The receiver answered 401.\n" });
  expect(sample.lines.at(-1)).toBe("SignatureWrong");

  expect((await jobyard("--disable", "billing")).stdout).toBe("billing is disabled.\n");
  expect((await jobyard()).stdout).toMatch(/billing +disabled +batchCompleted +http/);
  expect((await jobyard("--enable", "billing")).stdout).toBe("billing is enabled.\n");
  expect((await jobyard("--delete", "billing")).stdout).toBe("Deleted billing.\n");
  const two = await jobyard("--delete", "billing", "--test", "billing");
  expect(two).toMatchObject({ code: 2 });
  expect(two.stderr).toContain("exclude each other");
  expect((await jobyard("--put", "billing")).code).toBe(2);
  expect((await jobyard("--put", "billing", "--to", "http://10.0.0.1")).stderr).toContain("InvalidRequest");
}, 300_000);
