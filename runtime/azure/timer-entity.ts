/**
 * The rows of table `timers`. PartitionKey is the tenant. RowKey is `{package}.{timer}` for what a timer should do, the
 * package without its `.zip`; and `~{id}` for what it does, the id from its batch. The properties have the names of the
 * fields: those of Timer and TimerRun in core/timer.ts.
 */
import * as z from "zod";
import { InvariantError } from "../core/errors.ts";
import { parseBatchId } from "../core/ids.ts";
import { instantSchema } from "../core/instant.ts";
import { MISFIRE_ALL_MAX } from "../core/limits.ts";
import { PRIORITIES } from "../core/priority.ts";
import type { Timer, TimerName, TimerRun } from "../core/timer.ts";
import {
  type Cells,
  type Columns,
  flag,
  instant,
  integer,
  json,
  optionalJson,
  optionalInstant,
  optionalText,
  readCells,
  type Row,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { listColumn } from "./list-column.ts";
import type { RowKeys } from "./write-once.ts";

/** The first key after those of timers: what they do follows. */
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
};

/** Undefined for names no timer can have. */
export function timerKeys({ tenantName, packageName, timerName }: TimerName): RowKeys | undefined {
  if (!packageName.endsWith(ZIP) || timerName.includes(".")) return undefined;
  const rowKey = `${packageName.slice(0, -ZIP.length)}.${timerName}`;
  return FORBIDDEN_IN_KEYS.test(rowKey) ? undefined : { partitionKey: tenantName, rowKey };
}

/** https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model */
const FORBIDDEN_IN_KEYS = /[/\\#?~\u0000-\u001f\u007f-\u009f]/;

/** Undefined for a text that is no batch id. */
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
  // No timer's name has a dot, and a package's may.
  const dot = typeof rowKey === "string" ? rowKey.lastIndexOf(".") : -1;
  if (typeof partitionKey !== "string" || typeof rowKey !== "string" || dot < 1) {
    throw new InvariantError("A timer's row has no name of a timer as key.");
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
