/**
 * The bare calls behind a job, by the same SDKs to the same storage and broker: what a job would take if the code between
 * them took no time. The sums are the floors that the suites `latency` and `throughput` are compared with.
 */
import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectServiceBus, connectServiceBusAdmin, connectStorage } from "../runtime/azure/index.ts";
import { TABLES } from "../runtime/core/deployment/storage-layout.ts";
import type { Stack } from "../runtime/local/stack.ts";
import { idleHops } from "./bus.ts";
import { FLOOR } from "./figures.ts";
import { createCall, expectAnswer, withStack } from "./stack.ts";
import { inFlight, median, type Options, type Report, reportRate, rounded, scaled, sharedNow } from "./suite.ts";

/** Of each call. */
const CALLS = 100;
const WARM_UP_CALLS = 15;
/** Between two calls, as in an idle system. */
const IDLE_MS = 5;
const INSERTS = 2_000;
const WARM_UP_INSERTS = 600;
const TRANSACTIONS = 60;
const ROWS_IN_A_TRANSACTION = 99;
const FORKS = 60;
const ENTITY = "floor";

export const run = (report: Report, options: Options): Promise<void> =>
  withStack({ workers: 0, slots: 1 }, async (stack) => {
    const scale = (count: number): number => scaled(count, options);
    const calls = scale(CALLS);
    const tell = (name: string, value: number): number => {
      report({ name, value: rounded(value), unit: "ms" });
      return value;
    };
    const call = createCall(stack);
    const get = tell("authenticated GET", await timed(calls, () => expectAnswer(call("GET", "/v1/me"), 200)));
    const rows = await measureRows(stack, calls, tell);
    const hops = await measureHops(stack, calls, tell);
    const userCode = get + rows.read + rows.insert + hops.queue + rows.claim;
    tell(FLOOR.userCode, userCode);
    tell(FLOOR.clientKnows, userCode + rows.claim + hops.topic);
    await measureRates(stack, scale, report);
    await measureForks(scale(FORKS), report);
  });

/** Median of the times of calls that are made one at a time. */
async function timed(count: number, call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < WARM_UP_CALLS + count; i++) {
    const startedAt = performance.now();
    await call();
    if (i >= WARM_UP_CALLS) times.push(performance.now() - startedAt);
    await pause(IDLE_MS);
  }
  return median(times);
}

type Tell = (name: string, value: number) => number;

/** About as large as a job's row. */
const rowOf = (partitionKey: string, rowKey = randomUUID()) => ({
  partitionKey,
  rowKey,
  ...Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`column${index}`, `the value of column ${index}`])),
});

const tableOf = (stack: Stack) =>
  connectStorage({ kind: "connection-string", storage: stack.storageConnectionString }).table(TABLES.jobs).retrying;

/** Each write goes together with its counter, as a job's does. */
async function measureRows(stack: Stack, calls: number, tell: Tell) {
  const table = tableOf(stack);
  const partition = `floor.${randomUUID()}`;
  const counter = { partitionKey: partition, rowKey: "~floor", count: 0 };
  const read = rowOf(partition);
  await table.createEntity(read);
  const written: { rowKey: string; etag: string }[] = [];
  const readMs = await timed(calls, () => table.getEntity(partition, read.rowKey));
  const insertMs = await timed(calls, async () => {
    const row = rowOf(partition);
    const { getResponseForEntity } = await table.submitTransaction([
      ["create", row],
      ["upsert", counter, "Merge"],
    ]);
    written.push({ rowKey: row.rowKey, etag: getResponseForEntity(row.rowKey)?.etag ?? "" });
  });
  const claimMs = await timed(calls, async () => {
    const { rowKey, etag } = written.pop() ?? { rowKey: "", etag: "" };
    const change = { partitionKey: partition, rowKey, column0: "claimed" };
    await table.submitTransaction([
      ["update", change, "Merge", { etag }],
      ["upsert", counter, "Merge"],
    ]);
  });
  return {
    read: tell("table: read of a row", readMs),
    insert: tell("table: insert transaction", insertMs),
    claim: tell("table: claim transaction", claimMs),
  };
}

async function measureHops(stack: Stack, calls: number, tell: Tell) {
  const connection = {
    kind: "connection-string",
    serviceBus: stack.serviceBusConnectionString,
    serviceBusAdmin: stack.serviceBusAdminConnectionString,
  } as const;
  const admin = connectServiceBusAdmin(connection);
  await admin.createQueue(`${ENTITY}-queue`);
  await admin.createTopic(ENTITY);
  await admin.createSubscription(ENTITY, ENTITY);
  const client = connectServiceBus(connection);
  const queue = median(await idleHops(client, `${ENTITY}-queue`, calls));
  const topic = median(await idleHops(client, ENTITY, calls, client.createReceiver(ENTITY, ENTITY)));
  await client.close();
  return {
    queue: tell("bus: send until received, queue", queue),
    topic: tell("bus: send until received, topic", topic),
  };
}

async function measureRates(stack: Stack, scale: (count: number) => number, report: Report): Promise<void> {
  const table = tableOf(stack);
  const inserts = scale(INSERTS);
  const insert = (index: number): Promise<unknown> => table.createEntity(rowOf(`floor.single.${index % 16}`));
  await inFlight(scale(WARM_UP_INSERTS), 32, insert);
  await reportRate(report, { name: FLOOR.inserts, count: inserts, unit: "rows/s" }, () =>
    inFlight(inserts, 32, insert),
  );
  const transactions = scale(TRANSACTIONS);
  const write = (index: number): Promise<unknown> =>
    table.submitTransaction(
      Array.from({ length: ROWS_IN_A_TRANSACTION }, () => ["create", rowOf(`floor.many.${index % 16}`)]),
    );
  for (const [atOnce, name] of [
    [1, "rows in transactions of 99, one at a time"],
    [16, FLOOR.transactions],
  ] as const) {
    const count = transactions * ROWS_IN_A_TRANSACTION;
    await reportRate(report, { name, count, unit: "rows/s" }, () => inFlight(transactions, atOnce, write));
  }
}

async function measureForks(count: number, report: Report): Promise<void> {
  const forkOne = async (): Promise<number> => {
    const startedAt = sharedNow();
    const child = fork(join(import.meta.dirname, "fork-job.mjs"), { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    const exited = once(child, "exit");
    const [ranAt] = (await once(child, "message")) as [number];
    await exited;
    return ranAt - startedAt;
  };
  const times: number[] = [];
  await inFlight(Math.ceil(count / 2), 1, async () => times.push(await forkOne()));
  report({ name: FLOOR.forkMs, value: rounded(median(times)), unit: "ms" });
  await reportRate(report, { name: FLOOR.forkRate, count, unit: "jobs/s" }, () => inFlight(count, 4, forkOne));
}
