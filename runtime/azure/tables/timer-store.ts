/**
 * Timers in table `timers`. PartitionKey is the tenant. The row of a Timer has the RowKey `{package}.{timer}`, with the
 * package's name without `.zip`. The row of a TimerRun has the RowKey `~{id}`, with the id from its batch. Properties
 * have the names of the fields in core/timer/timer.ts.
 */
import { odata } from "@azure/data-tables";
import * as z from "zod";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import { instantSchema } from "../../core/instant.ts";
import { parseBatchId } from "../../core/job/ids.ts";
import type { Notice } from "../../core/job/notice.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import { MISFIRE_ALL_MAX } from "../../core/limits.ts";
import type { OnUnreadable, Page, Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import type { Timer, TimerName, TimerRun } from "../../core/timer/timer.ts";
import type { StorageClients } from "../connect.ts";
import { storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  flag,
  instant,
  integer,
  json,
  listColumn,
  noticeFields,
  optionalInstant,
  optionalJson,
  optionalText,
  readCells,
  text,
  word,
  writeCells,
} from "./columns.ts";
import {
  type RowKeys,
  type StoredRow,
  decodePosition,
  encodePosition,
  putRow,
  readRow,
  readable,
  writeOnce,
} from "./rows.ts";

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
      // A removal returns no ETag, so the row is always read afterwards. A missing row counts as removed.
      return { removed: result.written || result.current === undefined };
    },

    all: (onUnreadable) => rows(odata`RowKey lt ${AFTER_TIMERS}`, { onUnreadable }),

    async ofPackage(tenantName, packageName) {
      const prefix = packageName.replace(/zip$/, "");
      const found: Stored<Timer>[] = [];
      const filter = odata`PartitionKey eq ${tenantName} and RowKey ge ${prefix} and RowKey lt ${afterPrefix(prefix)}`;
      // Package names can contain dots, so the rows of `a.b` are among those of `a`.
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

/** The first key after all keys with the prefix, which ends in a dot. */
const afterPrefix = (prefix: string): string => `${prefix.slice(0, -1)}/`;

function keysOf(keys: RowKeys | undefined): RowKeys {
  if (keys === undefined) throw new InvariantError("Not a timer name.");
  return keys;
}

const storedTimer = ({ cells, etag }: StoredRow): Stored<Timer> => ({ value: timerOf(cells), etag });

const storedRun = (batchId: string, { cells, etag }: StoredRow): Stored<TimerRun> => ({
  value: timerRunOf(batchId, cells),
  etag,
});

/** The first key after those of timers. The rows of runs follow. */
export const AFTER_TIMERS = "~";
const ZIP = ".zip";

const scheduleOverrideSchema = z.strictObject({
  declaredCron: z.string(),
  declaredTimeZone: z.string(),
  setAt: instantSchema,
  setBy: z.string(),
});

const TIMER_COLUMNS: Columns<Omit<Timer, keyof TimerName>> = {
  cron: text("cron"),
  timeZone: text("timeZone"),
  misfire: json(
    "misfire",
    z.union([z.literal(["once", "skip"]), z.strictObject({ all: z.int().min(1).max(MISFIRE_ALL_MAX) })]),
  ),
  overlap: word("overlap", ["skip", "queue", "allow"]),
  graceMs: integer("graceMs"),
  runOnDeploy: flag("runOnDeploy"),
  pool: text("pool"),
  priority: word("priority", PRIORITIES),
  packageHash: text("packageHash"),
  registeredAt: instant("registeredAt"),
  activeFrom: instant("activeFrom"),
  scheduledUpTo: instant("scheduledUpTo"),
  pausedAt: optionalInstant("pausedAt"),
  pausedBy: optionalText("pausedBy"),
  override: optionalJson("override", scheduleOverrideSchema),
};

const noticeSchema: z.ZodType<Notice> = z.looseObject(noticeFields);

const RUN_COLUMNS: Columns<Omit<TimerRun, "batchId">> = {
  currentJobId: optionalText("currentJobId"),
  fence: integer("fence"),
  waitingJobIds: listColumn("waitingJobIds", z.string()),
  coveredUpTo: optionalInstant("coveredUpTo"),
  overtakenTicks: listColumn("overtakenTicks", instantSchema),
  lastScheduledAt: optionalInstant("lastScheduledAt"),
  skippedCount: integer("skippedCount"),
  lastSkippedAt: optionalInstant("lastSkippedAt"),
  missedCount: integer("missedCount"),
  lastMissedAt: optionalInstant("lastMissedAt"),
  missedTicks: listColumn("missedTicks", instantSchema),
  missedNotice: optionalJson("missedNotice", noticeSchema),
};

/** Undefined for invalid names. */
export function timerKeys({ tenantName, packageName, timerName }: TimerName): RowKeys | undefined {
  if (!packageName.endsWith(ZIP) || timerName.includes(".")) return undefined;
  const rowKey = `${packageName.slice(0, -ZIP.length)}.${timerName}`;
  return FORBIDDEN_IN_KEYS.test(rowKey) ? undefined : { partitionKey: tenantName, rowKey };
}

/** https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model */
const FORBIDDEN_IN_KEYS = /[/\\#?~\u0000-\u001f\u007f-\u009f]/;

/** Undefined for an invalid batch id. */
export function timerRunKeys(batchId: string): RowKeys | undefined {
  const parts = parseBatchId(batchId);
  if (parts === undefined) return undefined;
  return { partitionKey: parts.tenantName, rowKey: `${AFTER_TIMERS}${batchId.slice(parts.tenantName.length + 1)}` };
}

export const timerCells = (timer: Timer): Cells => writeCells(TIMER_COLUMNS, timer);
export const timerRunCells = (run: TimerRun): Cells => writeCells(RUN_COLUMNS, run);

/** Throws UnreadableError when the row cannot be read. */
export function timerOf(row: Row): Timer {
  const { partitionKey, rowKey } = row;
  // A timer's name has no dots. A package's name can.
  const dot = typeof rowKey === "string" ? rowKey.lastIndexOf(".") : -1;
  if (typeof partitionKey !== "string" || typeof rowKey !== "string" || dot < 1) {
    throw new InvariantError("A timer's row has no timer name as key.");
  }
  const packageName = `${rowKey.slice(0, dot)}${ZIP}`;
  return {
    tenantName: partitionKey,
    packageName,
    timerName: rowKey.slice(dot + 1),
    ...readCells("timer", TIMER_COLUMNS, row),
  };
}

/** Throws UnreadableError when the row cannot be read. */
export const timerRunOf = (batchId: string, row: Row): TimerRun => ({
  batchId,
  ...readCells("timerRun", RUN_COLUMNS, row),
});
