/**
 * Measures the web API under mixed load: 64 connections for 30 seconds after a warm-up, against a real API process with
 * tokens, storage and broker of the local stack. There are no workers, so only the API is measured. Fails if a request
 * fails.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Stack } from "../runtime/local/stack.ts";
import { type Answer, type Call as Send, prepare, packageFor, rssMiB, TENANT, withStack } from "./stack.ts";
import { type Options, type Report, shareOf } from "./suite.ts";

const CONNECTIONS = 64;
const WARM_UP_MS = 15_000;
const MEASURED_MS = 30_000;
const QUICK_MS = 3_000;
/** After the load, unused memory is returned in this time. */
const REST_MS = 5_000;
const BULK_JOBS = 50;

export const run = (report: Report, { quick }: Options): Promise<void> =>
  withStack({ workers: 0, slots: 1 }, (stack) => measure(stack, report, quick ? QUICK_MS : MEASURED_MS));

interface Call {
  readonly name: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  readonly expects: number;
}

interface Taken {
  readonly name: string;
  readonly ms: number;
  readonly failure: string | undefined;
}

async function measure(stack: Stack, report: Report, measuredMs: number): Promise<void> {
  const { client, call: send } = await prepare(stack);
  const batchId = await client.management.createBatch({ tenantName: TENANT, batchName: "Load", large: true });
  const rss = (): Promise<number> => rssMiB(stack, "api");
  const rate = (count: number): number => Math.round(count / (measuredMs / 1_000));

  const atStart = await rss();
  await load(Math.min(WARM_UP_MS, measuredMs), batchId, send);
  const warm = await rss();
  const taken = await load(measuredMs, batchId, send);
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

const at = (times: readonly number[], share: number): number => Math.round(shareOf(times, share) * 10) / 10;
const jobsIn = (taken: readonly Taken[]): number =>
  taken.filter(({ name }) => name === "submit").length +
  BULK_JOBS * taken.filter(({ name }) => name === "bulk submit").length;

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
      const { status, text } = await sent(send, call);
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
  jobType: "Nothing",
  jobName: `load ${number}`,
  jobProcessorPackageName: packageFor("reuse"),
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

const sent = (send: Send, { method, path, body }: Call): Promise<Answer> => send(method, path, body);
