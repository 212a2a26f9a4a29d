/**
 * Measures the web API under mixed load: 64 connections for 30 seconds after a warm-up, against a real API process with
 * tokens, storage and broker of the local stack. There are no workers, so only the API is measured. Fails if a request
 * fails.
 */
import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { connectStorage, createPackageStore } from "../runtime/azure/index.ts";
import { REQUESTS_PER_MINUTE_MAX } from "../runtime/core/limits.ts";
import { DEMO_APPLICATION } from "../runtime/local/identity/principals.ts";
import { signInAs } from "../runtime/local/identity/issuer-client.ts";
import { type Stack, localClient } from "../runtime/local/stack.ts";
import { testPackage } from "../test/support/packages/test-package.ts";
import type { Benchmark } from "./bench.ts";
import { withStack } from "./bench-stack.ts";
import { rssKiBOf } from "./memory.ts";

const CONNECTIONS = 64;
const WARM_UP_MS = 15_000;
const MEASURED_MS = 30_000;
/** After the load, unused memory is returned in this time. */
const REST_MS = 5_000;
const BULK_JOBS = 50;
const TENANT = "demo";
const PACKAGE = "load.zip";
/** A request without an answer by then has failed. */
const ANSWER_WITHIN_MS = 30_000;

export const benchmark: Benchmark = (report) =>
  withStack({ workers: 0, slots: 1, requestsPerMinute: REQUESTS_PER_MINUTE_MAX }, (stack) => measure(stack, report));

type Report = Parameters<Benchmark>[0];

interface Call {
  readonly name: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  readonly expects: number;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Taken {
  readonly name: string;
  readonly ms: number;
  readonly failure: string | undefined;
}

async function measure(stack: Stack, report: Report): Promise<void> {
  const authorize = signInAs(DEMO_APPLICATION, stack.issuer);
  const storage = connectStorage({ kind: "connection-string", storage: stack.storageConnectionString });
  await createPackageStore({ storage }).upload(TENANT, PACKAGE, testPackage({ jobs: { Load: "return {};" } }));
  const { management } = await localClient(stack, DEMO_APPLICATION);
  const batchId = await management.createBatch({ tenantName: TENANT, batchName: "Load", large: true });
  const send = createSender(stack.apiUrl, authorize);
  /** In MiB. */
  const rss = async (): Promise<number> => Math.round((await rssKiBOf(stack.supervisor.pidOf("api"))) / 1_024);

  const atStart = await rss();
  await load(WARM_UP_MS, batchId, send);
  const warm = await rss();
  const taken = await load(MEASURED_MS, batchId, send);
  const atEnd = await rss();
  await pause(REST_MS);
  const atRest = await rss();

  const failures = taken.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${name}: ${failure}`]));
  report({ name: `mixed requests, ${CONNECTIONS} connections`, value: rate(taken.length), unit: "requests/s" });
  report({ name: "jobs submitted in them", value: rate(jobsIn(taken)), unit: "jobs/s" });
  report({ name: "errors", value: failures.length, unit: `of ${taken.length} requests` });
  for (const [name, ofName] of [["all", taken] as const, ...Map.groupBy(taken, (one) => one.name)]) {
    const times = ofName.map(({ ms }) => ms).toSorted((a, b) => a - b);
    report({ name: `${name}, p50`, value: at(times, 0.5), unit: "ms" });
    report({ name: `${name}, p99`, value: at(times, 0.99), unit: "ms" });
  }
  report({ name: "memory of the API (RSS) before the load", value: atStart, unit: "MiB" });
  report({ name: "memory of the API (RSS) after warm-up", value: warm, unit: "MiB" });
  report({ name: "memory of the API (RSS) at the end", value: atEnd, unit: "MiB" });
  report({ name: `memory of the API (RSS) ${REST_MS / 1_000} s later`, value: atRest, unit: "MiB" });
  if (failures.length > 0) throw new Error(`${failures.length} requests failed, the first: ${failures[0] ?? ""}`);
}

const rate = (count: number): number => Math.round(count / (MEASURED_MS / 1_000));
const at = (times: readonly number[], share: number): number =>
  Math.round((times[Math.floor(times.length * share)] ?? 0) * 10) / 10;
const jobsIn = (taken: readonly Taken[]): number =>
  taken.filter(({ name }) => name === "submit").length +
  BULK_JOBS * taken.filter(({ name }) => name === "bulk submit").length;

type Send = (call: Call) => Promise<Answer>;

/** Every connection sends its next request when it has the answer to its last one. */
async function load(forMs: number, batchId: string, send: Send): Promise<readonly Taken[]> {
  const until = performance.now() + forMs;
  const taken: Taken[] = [];
  const jobIds: string[] = [];
  let count = 0;
  const connection = async (): Promise<void> => {
    while (performance.now() < until) {
      const number = count++;
      const call = callFor(number, batchId, jobIds[number % (jobIds.length || 1)]);
      const startedAt = performance.now();
      const { status, text } = await send(call);
      const ms = performance.now() - startedAt;
      const isRight = status === call.expects && !text.includes('"error"');
      taken.push({ name: call.name, ms, failure: isRight ? undefined : `${status} ${text.slice(0, 200)}` });
      if (call.name !== "submit" || !isRight) continue;
      jobIds.push((JSON.parse(text) as { jobId: string }).jobId);
      // The latest hundred, which people read most.
      if (jobIds.length > 100) jobIds.shift();
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  return taken;
}

const job = (number: number) => ({
  tenantName: TENANT,
  jobType: "Load",
  jobName: `load ${number}`,
  jobProcessorPackageName: PACKAGE,
  parameters: { number, text: "x".repeat(200) },
});

/** Of 20 requests: 8 submits, 6 reads of a job, 3 of the batch's counts, 2 of a page of it, 1 bulk submit. */
function callFor(number: number, batchId: string, jobId: string | undefined): Call {
  const turn = number % 20;
  if (turn === 19) {
    const jobs = Array.from({ length: BULK_JOBS }, (_, index) => job(index));
    return post("bulk submit", "/v1/jobs/bulk", { batchId, jobs }, 200);
  }
  if (turn >= 17) return get("page of jobs", `/v1/batches/${batchId}/jobs?pageSize=50`);
  if (turn >= 14) return get("batch counts", `/v1/batches/${batchId}`);
  if (turn >= 8 && jobId !== undefined) return get("get job", `/v1/jobs/${jobId}`);
  return post("submit", "/v1/jobs", { ...job(number), batchId }, 201);
}

const get = (name: string, path: string): Call => ({ name, method: "GET", path, expects: 200 });
const post = (name: string, path: string, body: unknown, expects: number): Call => ({
  name,
  method: "POST",
  path,
  body: JSON.stringify(body),
  expects,
});

function createSender(url: string, authorize: () => Promise<string>): Send {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const { hostname, port } = new URL(url);
  return async ({ method, path, body }) => {
    const headers = {
      authorization: await authorize(),
      ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    return new Promise((resolve) => {
      const failed = (error: Error): void => resolve({ status: 0, text: error.message });
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
      const sent = request({ agent, hostname, port, method, path, headers, signal }, (response) => {
        const chunks: Uint8Array[] = [];
        response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
        response.once("error", failed);
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      });
      sent.once("error", failed);
      sent.end(body);
    });
  };
}
