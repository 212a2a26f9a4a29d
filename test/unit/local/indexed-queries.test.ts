import { expect, it } from "vitest";
import { keyQueries, type TableStore, useIndexes } from "../../../runtime/local/indexed-queries.ts";

it.each([
  ["PartitionKey eq 'b.0' and RowKey ge '~'", [{ PartitionKey: { $eq: "b.0" } }, { RowKey: { $gte: "~" } }]],
  ["PartitionKey eq 'b' and RowKey gt 'jobs' and RowKey lt '~' and state eq 'queued'", ["b", "jobs"]],
  ["(PartitionKey eq 'it''s') and (nextTryAt le datetime'2026-03-01T08:00:00.000Z')", ["it's"]],
  ["atRest eq true and count gt 5 and PartitionKey eq ' or '", [" or "]],
])("%s names keys", (filter, keys) => {
  const named = keys.map((key, n) => {
    if (typeof key !== "string") return key;
    return n === 0 ? { PartitionKey: { $eq: key } } : { RowKey: { $gte: key } };
  });
  expect(keyQueries(filter)).toEqual(named);
});

it.each([
  "",
  "not (atRest eq true)",
  "not (PartitionKey eq 'a')",
  "PartitionKey eq 'a' or PartitionKey eq 'b'",
  "PartitionKey eq 'a' and (state eq 'queued' or PartitionKey eq 'b')",
  "(PartitionKey eq 'a' and state eq 'queued') or state eq 'running'",
  "PartitionKey ne 'a'",
  "PartitionKey eq guid'00000000-0000-0000-0000-000000000000'",
  "state eq 'PartitionKey eq ''a'''",
  "PartitionKey",
  // lokijs would compare these as numbers.
  "RowKey ge '10'",
  "RowKey ge 'Infinity'",
])("%s names no key", (filter) => {
  expect(keyQueries(filter)).toEqual([]);
});

it.each([
  [{ PartitionKey: 1_000, RowKey: 3 }, { RowKey: { $gte: "~" } }],
  [{ PartitionKey: 5, RowKey: 30 }, { PartitionKey: { $eq: "b.0" } }],
])("of the keys in a filter, the one with the fewest rows is looked up: %j", async (counts, chosen) => {
  const looked: unknown[] = [];
  class Store implements TableStore {
    getEntityCollection(): ReturnType<TableStore["getEntityCollection"]> {
      return {
        chain: () => ({ find: (query) => looked.push(query) }),
        calculateRange: (_, key) => [10, 10 + counts[key as keyof typeof counts] - 1],
      };
    }
    queryTableEntities(): Promise<unknown> {
      return Promise.resolve(this.getEntityCollection().chain());
    }
  }
  const store: TableStore = new Store();
  useIndexes(store);
  await store.queryTableEntities({}, "account", "jobs", { filter: "PartitionKey eq 'b.0' and RowKey ge '~'" });
  expect(looked).toEqual([chosen]);
});
