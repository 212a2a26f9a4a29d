// Measures one peer as the suites measure this system: `node client.mjs <options as JSON>`, started with an IPC channel, over
// which it sends its figures.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { ADAPTERS } from "./adapters.mjs";

const { measures, counts, adapter, concurrency, ...services } = JSON.parse(process.argv[2]);
const IDLE_MS = 25;
const AT_ONCE = 32;
const LOOK_EVERY_MS = 10;
const START_MS = 1_000;

const now = () => Number(process.hrtime.bigint()) / 1e6;
const tell = (name, value, unit) => process.send({ name, value: Number(value.toPrecision(3)), unit });
const idsOf = (count) => Array.from({ length: count }, (_, index) => index);

function tellTimes(name, times) {
  const sorted = times.toSorted((a, b) => a - b);
  for (const [label, share] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ]) {
    tell(`${name}, ${label}`, sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))], "ms");
  }
}

async function startWorker(tells) {
  const options = JSON.stringify({ ...services, adapter, concurrency, tells });
  const child = fork(new URL("worker.mjs", import.meta.url), [options]);
  await once(child, "message");
  return child;
}

async function stop(child) {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function measureLatency(client) {
  await client.reset();
  const ends = new Map();
  const endOf = (id) => {
    const end = ends.get(id) ?? Promise.withResolvers();
    ends.set(id, end);
    return end;
  };
  await client.onEnd((id) => endOf(id).resolve(now()));
  const worker = await startWorker(true);
  const ranAt = new Map();
  worker.on("message", ({ id, ranAt: at }) => ranAt.set(id, at));
  worker.send("go");
  await pause(START_MS);
  const [toCode, toAnswer, toClient] = [[], [], []];
  for (const id of idsOf(counts.warmUp + counts.latency)) {
    const sentAt = now();
    await client.submit(id);
    const answeredAt = now();
    const knownAt = await endOf(id).promise;
    await pause(IDLE_MS);
    if (id < counts.warmUp) continue;
    toCode.push(ranAt.get(id) - sentAt);
    toAnswer.push(answeredAt - sentAt);
    toClient.push(knownAt - sentAt);
  }
  await stop(worker);
  await client.stopTelling?.();
  tellTimes("submit until user code runs", toCode);
  tellTimes("submit until its answer", toAnswer);
  tellTimes("submit until the client knows by push", toClient);
}

async function measureThroughput(client) {
  await client.reset();
  await client.submitMany(idsOf(counts.throughput));
  const worker = await startWorker(false);
  await pause(START_MS);
  const startedAt = now();
  worker.send("go");
  while ((await client.endedCount()) < counts.throughput) await pause(LOOK_EVERY_MS);
  tell(
    `jobs that do nothing, 1 worker, concurrency ${concurrency}`,
    counts.throughput / ((now() - startedAt) / 1_000),
    "jobs/s",
  );
  await stop(worker);
}

async function measureSubmit(client) {
  await client.reset();
  const waiting = idsOf(counts.single);
  let startedAt = now();
  const submitNext = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) await client.submit(id);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, submitNext));
  tell(`submit one by one, ${AT_ONCE} in flight`, counts.single / ((now() - startedAt) / 1_000), "jobs/s");
  await client.reset();
  startedAt = now();
  await client.submitMany(idsOf(counts.bulk));
  tell("submit in bulk", counts.bulk / ((now() - startedAt) / 1_000), "jobs/s");
}

const client = await ADAPTERS[adapter](services).openClient();
const MEASURES = { latency: measureLatency, throughput: measureThroughput, submit: measureSubmit };
for (const name of measures) await MEASURES[name](client);
await client.reset();
await client.close();
process.disconnect();
