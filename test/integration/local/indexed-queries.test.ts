/** Queries of the local storage find the same rows with indexes as without, also after a restart. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { odata, TableClient } from "@azure/data-tables";
import { startAzurite, type RunningAzurite } from "../../../runtime/local/azurite.ts";
import { freePorts } from "../../../runtime/local/ports.ts";

const PARTITIONS = ["10", "1e1", "a", "a.1", "it's", "~", "Ω"];
const ROWS = ["", "1", "01", "1e1", "10", "9a", "I", "Infinity", "a", "b'c", "job-1", "job-10", "~", "~w1", "~w2", "ä"];

let directory: string;
let azurite: RunningAzurite;
let table: TableClient;

async function start(): Promise<void> {
  const [blobPort = 0, tablePort = 0] = await freePorts(2);
  azurite = await startAzurite({ directory, blobPort, tablePort, environment: process.env });
  table = TableClient.fromConnectionString(azurite.connectionString, "rows", { allowInsecureConnection: true });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "jobyard-queries-"));
  await start();
  await table.createTable();
  for (const partitionKey of PARTITIONS) {
    await table.submitTransaction(
      ROWS.map((rowKey, n) => ["create", { partitionKey, rowKey, state: n % 2 === 0 ? "queued" : "running" }]),
    );
  }
});
afterAll(async () => {
  await azurite.close();
  await rm(directory, { recursive: true, force: true });
});

async function found(filter: string): Promise<readonly string[]> {
  const keys: string[] = [];
  const pages = table.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: 4 });
  for await (const page of pages) {
    for (const { partitionKey = "", rowKey = "" } of page) keys.push(`${partitionKey}/${rowKey}`);
  }
  return keys;
}

const rowsWhere = (matches: (partitionKey: string, rowKey: string, state: string) => boolean): readonly string[] =>
  PARTITIONS.toSorted((a, b) => (a < b ? -1 : 1)).flatMap((partitionKey) =>
    ROWS.map((rowKey, n) => ({ rowKey, state: n % 2 === 0 ? "queued" : "running" }))
      .toSorted((a, b) => (a.rowKey < b.rowKey ? -1 : 1))
      .filter(({ rowKey, state }) => matches(partitionKey, rowKey, state))
      .map(({ rowKey }) => `${partitionKey}/${rowKey}`),
  );

async function expectSameRows(): Promise<void> {
  for (const partition of [...PARTITIONS, "absent"]) {
    for (const from of [...ROWS, "job-", "zz"]) {
      expect(await found(odata`PartitionKey eq ${partition} and RowKey ge ${from}`), `${partition} ${from}`).toEqual(
        rowsWhere((partitionKey, rowKey) => partitionKey === partition && rowKey >= from),
      );
    }
    expect(await found(odata`PartitionKey eq ${partition} and RowKey gt ${"a"} and state eq ${"queued"}`)).toEqual(
      rowsWhere((partitionKey, rowKey, state) => partitionKey === partition && rowKey > "a" && state === "queued"),
    );
  }
  expect(await found(odata`RowKey ge ${"~"}`)).toEqual(rowsWhere((_, rowKey) => rowKey >= "~"));
  expect(await found(odata`not (state eq ${"queued"})`)).toEqual(rowsWhere((_, __, state) => state !== "queued"));
}

it("a query finds every row that its filter matches, in order and page by page", expectSameRows);

it("a query after a restart finds the same rows", async () => {
  await azurite.close();
  await start();
  await expectSameRows();
});
