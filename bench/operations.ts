/**
 * What a job asks of the services that bill by operation, counted on the wire between the programs of a real stack and its
 * storage and broker. The integration test operations-per-job holds the same counts against their bounds.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { PRICE } from "../infra/plan/costs.ts";
import { bellOperationsOf, eventOperationsOf, tableRequestsOf } from "../infra/plan/operations-per-job.ts";
import { SETTING } from "../runtime/core/settings/names.ts";
import type { Stack } from "../runtime/local/stack.ts";
import {
  type Counts,
  type OperationMeter,
  since,
  startOperationMeter,
  sumOf,
} from "../test/support/operations/operation-meter.ts";
import { perJob, withoutBackground } from "../test/support/operations/per-job.ts";
import { testPackage } from "../test/support/packages/test-package.ts";
import { OPERATIONS } from "./figures.ts";
import { endedJobs, jobOf, prepare, type PreparedStack, submitMany, submitOne, TENANT, withStack } from "./stack.ts";
import { type Options, type Report, rounded, scaled, until } from "./suite.ts";

const SINGLE_JOBS = 100;
const MANY_JOBS = 1_000;
const RETRIED_JOBS = 20;
const TIMER_RUNS = 10;
const IDLE_MS = 30_000;

export async function run(report: Report, options: Options): Promise<void> {
  const of = (count: number): number => scaled(count, options);
  await withMeteredStack(1, async (stack, meter) => {
    const prepared = await prepare(stack);
    await warmUp(prepared, meter, 1);
    await measureSingle(prepared, meter, 1, of(SINGLE_JOBS), report);
    await measureMany(prepared, meter, { large: false, count: of(MANY_JOBS) }, report);
    await measureMany(prepared, meter, { large: true, count: of(MANY_JOBS) }, report);
    await measureRetry(prepared, meter, of(RETRIED_JOBS), report);
    await measureTimer(prepared, meter, of(TIMER_RUNS), report);
    await measureIdle(meter, of(IDLE_MS), report);
  });
  await withMeteredStack(2, async (stack, meter) => {
    const prepared = await prepare(stack);
    await warmUp(prepared, meter, 2);
    await measureSingle(prepared, meter, 2, of(SINGLE_JOBS), report);
  });
}

/** API and workers reach storage and broker through the meter. Nothing else does. */
async function withMeteredStack(
  apis: number,
  measure: (stack: Stack, meter: OperationMeter) => Promise<void>,
): Promise<void> {
  let meter: Promise<OperationMeter> | undefined;
  // A program asks for its connection strings when it starts, because the stack chooses ports late.
  const server = createServer((request, response) => {
    void (async () => {
      const target = JSON.parse(await text(request)) as { storage: string; serviceBus: string };
      const { storage, serviceBus } = await (meter ??= startOperationMeter(target));
      response.end(JSON.stringify({ storage, serviceBus }));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const directory = await mkdtemp(join(tmpdir(), "jobyard-bench-"));
  const launcher = join(directory, "metered-start.mjs");
  await writeFile(launcher, launcherFor((server.address() as AddressInfo).port));
  try {
    await withStack({ workers: 1, slots: 64, apis, launcher }, async (stack) => {
      if (meter === undefined) throw new Error("No program has asked for the meter.");
      await measure(stack, await meter);
    });
  } finally {
    await (await meter)?.[Symbol.asyncDispose]();
    server.close();
    await rm(directory, { recursive: true, force: true });
  }
}

const launcherFor = (port: number): string => `
if (["api", "worker"].includes(process.argv[2])) {
  const [storage, serviceBus] = ${JSON.stringify([SETTING.storageConnectionString, SETTING.serviceBusConnectionString])};
  const target = { storage: process.env[storage], serviceBus: process.env[serviceBus] };
  const answer = await fetch("http://127.0.0.1:${port}", { method: "POST", body: JSON.stringify(target) });
  const metered = await answer.json();
  process.env[storage] = metered.storage;
  process.env[serviceBus] = metered.serviceBus;
}
await import(${JSON.stringify(pathToFileURL(join(import.meta.dirname, "../runtime/main/start.mjs")).href)});
`;

/** Every message is received and settled, and every event has arrived. */
async function atRest(meter: OperationMeter, apis: number): Promise<Counts> {
  const isDone = (): boolean => {
    const counts = meter.counts();
    const of = (name: string): number => sumOf(counts, name);
    return meter.unsettledCount === 0 && of("bus event received") >= apis * of("bus event sent");
  };
  await until("messages are settled", isDone, 10);
  return meter.counts();
}

async function warmUp({ client, call }: PreparedStack, meter: OperationMeter, apis: number): Promise<void> {
  for (let i = 0; i < 5; i++) await client.waitForJob(await submitOne(call, jobOf("Nothing", "reuse")));
  await atRest(meter, apis);
}

async function measureSingle(
  { client, call }: PreparedStack,
  meter: OperationMeter,
  apis: number,
  count: number,
  report: Report,
): Promise<void> {
  const ended = new Map<string, PromiseWithResolvers<undefined>>();
  const endOf = (jobId: string): PromiseWithResolvers<undefined> => {
    const end = ended.get(jobId) ?? Promise.withResolvers<undefined>();
    ended.set(jobId, end);
    return end;
  };
  client.notifications.on("jobCompleted", ({ jobId }) => endOf(jobId).resolve(undefined));
  await client.notifications.subscribeToTenant(TENANT);
  const before = await atRest(meter, apis);
  // An event tells of each end: looks at the job's row would be counted.
  for (let i = 0; i < count; i++) await endOf(await submitOne(call, jobOf("Nothing", "reuse"))).promise;
  const counted = since(before, await atRest(meter, apis));
  client.notifications.disconnect();

  const job = perJob(counted, count, apis);
  const bus = bellOperationsOf(job) + eventOperationsOf(job, apis);
  tell(report, OPERATIONS.bus(apis), bus, "operations");
  if (apis > 1) return;
  tell(report, "single job: of them for its own messages", bellOperationsOf(job), "operations");
  tell(report, OPERATIONS.tables, tableRequestsOf(job), "requests");
  tell(report, "single job: of them transactions", job.tableTransactions, "requests");
  tell(report, OPERATIONS.blobs, job.blobReads + job.blobWrites, "requests");
  const dollars = bus * PRICE.busMillionOperations + tableRequestsOf(job) * PRICE.tableMillionTransactions;
  tell(report, OPERATIONS.dollars, dollars, "dollars");
  tellAll(report, "single job", withoutBackground(counted), count);
}

async function measureMany(
  { client, call }: PreparedStack,
  meter: OperationMeter,
  { large, count }: { readonly large: boolean; readonly count: number },
  report: Report,
): Promise<void> {
  const batchId = await client.management.createBatch({ tenantName: TENANT, batchName: "Many", large });
  const before = await atRest(meter, 1);
  await submitMany(call, batchId, jobOf("Nothing", "reuse"), count);
  // Looks at counts would be counted: the events tell when all have ended.
  const ends = (counts: Counts): number => sumOf(since(before, counts), "bus bell settled");
  await until("jobs have ended", () => ends(meter.counts()) >= count, 50);
  const counted = since(before, await atRest(meter, 1));
  await endedJobs(client, batchId, count);
  if (!large) tell(report, OPERATIONS.crowdedTables, tableRequestsOf(perJob(counted, count)), "requests");
  tellAll(report, large ? "64 slots, large batch" : "64 slots", withoutBackground(counted), count);
}

async function measureRetry(
  { client, call }: PreparedStack,
  meter: OperationMeter,
  count: number,
  report: Report,
): Promise<void> {
  const batchId = await client.management.createBatch({ tenantName: TENANT, batchName: "Retry" });
  const job = { ...jobOf("FailsOnce", "reuse"), batchId, retry: { maxAttempts: 2, initialDelayMs: 0 } };
  const before = await atRest(meter, 1);
  for (let i = 0; i < count; i++) await submitOne(call, job);
  const settled = (): number => sumOf(since(before, meter.counts()), "bus bell settled");
  await until("jobs have ended after a retry", () => settled() >= 2 * count, 50);
  const counted = since(before, await atRest(meter, 1));
  await endedJobs(client, batchId, count);
  tellSums(report, "job with one retry", counted, count);
}

async function measureTimer(
  { client }: PreparedStack,
  meter: OperationMeter,
  count: number,
  report: Report,
): Promise<void> {
  const zip = testPackage({
    jobs: { Tick: "return {};" },
    isolation: "reuse",
    timers: [{ timerName: "Tick", cron: "* * * * * *" }],
  });
  let runs = 0;
  client.notifications.on("jobCompleted", ({ jobType }) => (runs += jobType === "Tick" ? 1 : 0));
  await client.notifications.subscribeToTenant(TENANT);
  await client.management.publishPackage(TENANT, "timer.zip", new Uint8Array(zip));
  const reached = async (goal: number): Promise<Counts> => {
    await until("runs of a timer", () => runs >= goal, 10);
    return meter.counts();
  };
  const before = await reached(2);
  const [first, after] = [runs, await reached(runs + count)];
  tellSums(report, "run of a timer", since(before, after), runs - first);
  await client.management.deletePackage(TENANT, "timer.zip");
  client.notifications.disconnect();
}

async function measureIdle(meter: OperationMeter, idleMs: number, report: Report): Promise<void> {
  await atRest(meter, 1);
  const before = meter.counts();
  await pause(idleMs);
  tellSums(report, `idle hour (${idleMs / 1_000} s, scaled)`, since(before, meter.counts()), idleMs / 3_600_000);
}

const tell = (report: Report, name: string, value: number, unit: string): void =>
  report({ name, value: rounded(value), unit });

function tellSums(report: Report, what: string, counts: Counts, divisor: number): void {
  const of = (...names: readonly string[]): number => sumOf(counts, ...names) / divisor;
  tell(report, `${what}: table requests`, of("table"), "requests");
  tell(report, `${what}: of them transactions`, of("table transaction"), "requests");
  tell(report, `${what}: Service Bus operations`, of("bus"), "operations");
  tell(report, `${what}: blob requests`, of("blob"), "requests");
}

/** Every kind that was counted. */
function tellAll(report: Report, what: string, counts: Counts, divisor: number): void {
  for (const [name, count] of Object.entries(counts)) tell(report, `${what}: ${name}`, count / divisor, "per job");
}
