/** Timers in table `timers`: what each should do and what each does, in two rows of their tenant's partition. */
import { odata } from "@azure/data-tables";
import { InvariantError } from "../core/errors.ts";
import type { OnUnreadable, Page, Stored } from "../core/ports/stored.ts";
import type { TimerStore } from "../core/ports/timer-store.ts";
import type { Timer, TimerRun } from "../core/timer.ts";
import { TABLES } from "../core/topology.ts";
import type { StorageClients } from "./connect.ts";
import { decodePosition, encodePosition } from "./page-token.ts";
import { readable, readRow, type StoredRow } from "./read-row.ts";
import {
  AFTER_TIMERS,
  timerCells,
  timerKeys,
  timerOf,
  timerRunCells,
  timerRunKeys,
  timerRunOf,
} from "./timer-entity.ts";
import { storageError } from "./translate-error.ts";
import { putRow, writeOnce, type RowKeys } from "./write-once.ts";

export function createTimerStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): TimerStore {
  const table = storage.table(TABLES.timers);

  async function* rows(filter: string, { maxPageSize, onUnreadable }: RowsOptions = {}): AsyncIterable<Stored<Timer>> {
    try {
      const pages = table.retrying
        .listEntities({ queryOptions: { filter } })
        .byPage(maxPageSize ? { maxPageSize } : {});
      for await (const page of pages) for (const row of page) yield* readable(row, storedTimer, onUnreadable);
    } catch (error) {
      throw storageError(error, "reading timers");
    }
  }

  return {
    async get(name) {
      const keys = timerKeys(name);
      const row = keys && (await readRow(table, keys.partitionKey, keys.rowKey));
      return row && storedTimer(row);
    },

    async write(timer, etag) {
      const result = await putRow(table, keysOf(timerKeys(timer)), timerCells(timer), etag);
      return result.written ? result : { written: false, current: result.current && storedTimer(result.current) };
    },

    async remove(name, etag) {
      const keys = keysOf(timerKeys(name));
      const result = await writeOnce(table, keys, async (client) => {
        await client.deleteEntity(keys.partitionKey, keys.rowKey, { etag });
        return {};
      });
      // A removal has no new version to tell of, so that every one ends in a look: nothing there is as good as removed.
      return { removed: result.written || result.current === undefined };
    },

    all: (onUnreadable) => rows(odata`RowKey lt ${AFTER_TIMERS}`, { onUnreadable }),

    async ofPackage(tenantName, packageName) {
      const prefix = packageName.replace(/zip$/, "");
      const found: Stored<Timer>[] = [];
      const filter = odata`PartitionKey eq ${tenantName} and RowKey ge ${prefix} and RowKey lt ${afterPrefix(prefix)}`;
      // Names of packages have dots: those of `a.b` lie among those of `a`.
      for await (const stored of rows(filter)) if (stored.value.packageName === packageName) found.push(stored);
      return found;
    },

    async list(tenantName, { pageSize, continuationToken }): Promise<Page<Timer>> {
      const isOurs = (after: string): boolean => after.includes(".") && after < AFTER_TIMERS;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isOurs).after;
      const filter = odata`PartitionKey eq ${tenantName} and RowKey gt ${after} and RowKey lt ${AFTER_TIMERS}`;
      const items: Timer[] = [];
      for await (const { value } of rows(filter, { maxPageSize: pageSize })) {
        items.push(value);
        if (items.length === pageSize) {
          return { items, continuationToken: encodePosition({ shard: 0, after: keysOf(timerKeys(value)).rowKey }) };
        }
      }
      return { items, continuationToken: undefined };
    },

    async run(batchId) {
      const keys = timerRunKeys(batchId);
      const row = keys && (await readRow(table, keys.partitionKey, keys.rowKey));
      return row && storedRun(batchId, row);
    },

    async writeRun(run, etag) {
      const result = await putRow(table, keysOf(timerRunKeys(run.batchId)), timerRunCells(run), etag);
      return result.written
        ? result
        : { written: false, current: result.current && storedRun(run.batchId, result.current) };
    },
  };
}

interface RowsOptions {
  readonly maxPageSize?: number;
  readonly onUnreadable?: OnUnreadable | undefined;
}

/** The first key after all those with the prefix, which ends in a dot. */
const afterPrefix = (prefix: string): string => `${prefix.slice(0, -1)}/`;

function keysOf(keys: RowKeys | undefined): RowKeys {
  if (keys === undefined) throw new InvariantError("Not the name of a timer.");
  return keys;
}

const storedTimer = ({ cells, etag }: StoredRow): Stored<Timer> => ({ value: timerOf(cells), etag });

const storedRun = (batchId: string, { cells, etag }: StoredRow): Stored<TimerRun> => ({
  value: timerRunOf(batchId, cells),
  etag,
});
