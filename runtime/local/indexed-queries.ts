/**
 * Lets queries of Azurite's tables use its indexes. Azurite evaluates the filter of a query on every row of the table, so
 * the counts of a batch would take longer with every job of every batch. Azure reads only the rows between the keys that
 * the filter names. So do queries here, if their filter is a row of conditions joined by `and`.
 */

/** Rows of one key or from one key on, as a query of lokijs, which holds the rows. */
type KeyQuery = { readonly PartitionKey: { readonly $eq: string } } | { readonly RowKey: { readonly $gte: string } };

interface Collection {
  chain(): { find(query: KeyQuery): unknown };
  /** First and last place in the index of a key. */
  calculateRange(operator: string, key: string, value: string): readonly [first: number, last: number];
}

/** Azurite's tables. */
export interface TableStore {
  getEntityCollection(...place: readonly unknown[]): Collection;
  queryTableEntities(
    context: unknown,
    account: unknown,
    table: unknown,
    options: { readonly filter?: string },
    ...position: readonly unknown[]
  ): Promise<unknown>;
}

/** Changes the store. Azurite evaluates the whole filter on the rows that are left, so its results stay the same. */
export function useIndexes(store: TableStore): void {
  const original = Object.getPrototypeOf(store) as TableStore;
  store.queryTableEntities = (context, account, table, options, ...position) => {
    const queries = keyQueries(options.filter ?? "");
    const narrowed = Object.create(store, {
      getEntityCollection: {
        value: (...place: readonly unknown[]) => narrow(store.getEntityCollection(...place), queries),
      },
    }) as TableStore;
    return original.queryTableEntities.bind(narrowed)(context, account, table, options, ...position);
  };
}

/** The collection, of which a query sees the rows of the key query that leaves the fewest. */
function narrow(collection: Collection, queries: readonly KeyQuery[]): { readonly chain: () => unknown } {
  const [fewest] = queries
    .map((query) => ({ query, count: countOf(collection, query) }))
    .toSorted((one, other) => one.count - other.count);
  return { chain: () => (fewest === undefined ? collection.chain() : collection.chain().find(fewest.query)) };
}

function countOf(collection: Collection, query: KeyQuery): number {
  const [first, last] =
    "RowKey" in query
      ? collection.calculateRange("$gte", "RowKey", query.RowKey.$gte)
      : collection.calculateRange("$eq", "PartitionKey", query.PartitionKey.$eq);
  return last - first;
}

const CONDITION = /\(*(\w+) (eq|ne|gt|ge|lt|le) (?:'((?:[^']|'')*)'|\w+'[^']*'|[^ ()']+)\)*(?: and |$)/y;
/**
 * lokijs compares texts that look like numbers as numbers. They begin with a digit, a sign, a dot, white space or the I of
 * Infinity. All of them come before a text that begins with a later character.
 */
const AFTER_ALL_NUMBERS = /^[J-~]/;

/** What a filter says about the keys of all rows that it matches. */
export function keyQueries(filter: string): readonly KeyQuery[] {
  const found: KeyQuery[] = [];
  CONDITION.lastIndex = 0;
  for (let end = 0; end < filter.length; end = CONDITION.lastIndex) {
    const [condition, name, operator, quoted] = CONDITION.exec(filter) ?? [];
    // Something else, such as `or` or `not`: the filter may match any row.
    if (condition === undefined) return [];
    const value = quoted?.replaceAll("''", "'");
    if (value === undefined) continue;
    if (name === "PartitionKey" && operator === "eq") found.push({ PartitionKey: { $eq: value } });
    const isFrom = operator === "gt" || operator === "ge";
    if (name === "RowKey" && isFrom && AFTER_ALL_NUMBERS.test(value)) found.push({ RowKey: { $gte: value } });
  }
  return found;
}
