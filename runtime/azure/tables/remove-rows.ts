/** Sends and removes rows in transactions, each of one partition. Every call can be repeated. */
import type { TransactionAction } from "@azure/data-tables";
import type { TableAccess } from "../connect.ts";
import { isMissing, isRefused, storageError } from "../translate-error.ts";
import type { RowKeys } from "./rows.ts";

/** What the service takes in one transaction. */
const GROUP_MAX_ROWS = 100;
/** Transactions under way at one time. */
const GROUPS_AT_ONCE = 4;

/** Whatever their versions are: a delete in a transaction of the SDK has no condition. `what`: for the error. */
export async function removeRows(table: TableAccess, rows: readonly RowKeys[], what: string): Promise<void> {
  async function removeOne({ partitionKey, rowKey }: RowKeys): Promise<void> {
    try {
      await table.retrying.deleteEntity(partitionKey, rowKey);
    } catch (error) {
      if (!isMissing(error)) throw storageError(error, what);
    }
  }

  await inTransactions(
    rows.map((keys) => ({ keys })),
    async (group) => {
      const [single] = group;
      if (group.length === 1 && single !== undefined) return removeOne(single.keys);
      try {
        await table.once.submitTransaction(group.map(({ keys }): TransactionAction => ["delete", { ...keys }]));
        return;
      } catch (error) {
        if (!isRefused(error)) throw storageError(error, what);
      }
      // One that is not there refuses the whole transaction.
      await Promise.all(group.map(({ keys }) => removeOne(keys)));
    },
  );
}

/** Calls `send` for up to 100 rows of one partition at a time. A row that occurs twice is sent once, the last one. */
export async function inTransactions<T extends { readonly keys: RowKeys }>(
  rows: readonly T[],
  send: (group: readonly T[]) => Promise<void>,
): Promise<void> {
  const groups = [...Map.groupBy(rows, ({ keys }) => keys.partitionKey).values()].flatMap((ofPartition) => {
    const distinct = [...new Map(ofPartition.map((row) => [row.keys.rowKey, row])).values()];
    return Array.from({ length: Math.ceil(distinct.length / GROUP_MAX_ROWS) }, (_, index) =>
      distinct.slice(index * GROUP_MAX_ROWS, (index + 1) * GROUP_MAX_ROWS),
    );
  });
  const next = groups.values();
  const worker = async (): Promise<void> => {
    for (const group of next) await send(group);
  };
  await Promise.all(Array.from({ length: Math.min(GROUPS_AT_ONCE, groups.length) }, worker));
}
