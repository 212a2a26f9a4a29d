/**
 * The audit in table `audit`. PartitionKey: the tenant, or `~system` for entries of no tenant. RowKey: the time, inverted so
 * that the newest entry is first, and the entry's id.
 */
import { type TransactionAction, odata } from "@azure/data-tables";
import { z } from "zod";
import { ACTOR_KINDS, AUDIT_OUTCOMES, type AuditEntry, type Facts, passes } from "../../core/audit.ts";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import { AUDIT_SCAN_MAX_COUNT } from "../../core/limits.ts";
import type { AuditStore } from "../../core/ports/audit-store.ts";
import type { Page, PageRequest } from "../../core/ports/stored.ts";
import type { StorageClients, TableAccess } from "../connect.ts";
import { isExisting, storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  instant,
  json,
  optional,
  optionalJson,
  optionalText,
  readCells,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { type RowKeys, decodePosition, encodePosition } from "./rows.ts";

/** The service's limit for one request, and for one transaction. */
const PAGE_MAX = 1_000;
const TRANSACTION_MAX = 100;
/** Entries of one partition that one step removes: some seconds of work. */
const EXPIRED_MAX_COUNT = 10_000;
/** Tries of one write. More would hold up the answer to a change that is already made. */
const ADD_TRIES = 2;

export function createAuditStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): AuditStore {
  const table = storage.table(TABLES.audit);

  async function* rows(filter: string, pageSize: number, keysOnly = false): AsyncGenerator<Row> {
    const queryOptions = { filter, ...(keysOnly && { select: ["PartitionKey", "RowKey"] }) };
    try {
      for await (const page of table.retrying.listEntities({ queryOptions }).byPage({ maxPageSize: pageSize })) {
        yield* page;
      }
    } catch (error) {
      throw storageError(error, "reading the audit");
    }
  }

  return {
    async add(entry) {
      for (let tries = 1; ; tries++) {
        try {
          await table.once.createEntity({ ...auditKeys(entry), ...auditCells(entry) });
          return;
        } catch (error) {
          // The first try was written and its answer was lost.
          if (isExisting(error)) return;
          if (tries === ADD_TRIES) throw storageError(error, "writing the audit");
        }
      }
    },

    async list(tenantName, filter, request) {
      const { after, before } = rangeOf(filter.since, request);
      const partition = auditPartition(tenantName);
      const isFiltered = filter.actor !== undefined || filter.operation !== undefined;
      const pageSize = isFiltered ? PAGE_MAX : request.pageSize;
      return auditPage(
        rows(odata`PartitionKey eq ${partition} and RowKey gt ${after} and RowKey lt ${before}`, pageSize),
        (entry) => passes(entry, filter),
        request.pageSize,
      );
    },

    async removeExpired(before, position = "") {
      const [partition] = await firstOf(rows(odata`PartitionKey gt ${position}`, 1, true), 1);
      if (partition === undefined) return { removedCount: 0, position: undefined };
      const { partitionKey } = keysOf(partition);
      const older = odata`PartitionKey eq ${partitionKey} and RowKey gt ${`${invertedTime(before)}/`}`;
      const expired = await firstOf(rows(older, PAGE_MAX, true), EXPIRED_MAX_COUNT);
      await removeAll(
        table,
        partitionKey,
        expired.map((row) => keysOf(row).rowKey),
      );
      // What is left of the partition is removed in the next pass.
      return { removedCount: expired.length, position: partitionKey };
    },
  };
}

async function firstOf(all: AsyncIterable<Row>, count: number): Promise<readonly Row[]> {
  const first: Row[] = [];
  for await (const row of all) if (first.push(row) === count) break;
  return first;
}

/** No condition: entries never change, and what is removed already is removed. */
async function removeAll(table: TableAccess, partitionKey: string, rowKeys: readonly string[]): Promise<void> {
  try {
    for (let i = 0; i < rowKeys.length; i += TRANSACTION_MAX) {
      const some = rowKeys.slice(i, i + TRANSACTION_MAX);
      await table.retrying.submitTransaction(
        some.map((rowKey): TransactionAction => ["delete", { partitionKey, rowKey }]),
      );
    }
  } catch (error) {
    throw storageError(error, "removing expired entries of the audit");
  }
}

/** A page of the entries that pass, from rows in their order. */
export async function auditPage(
  rows: AsyncIterable<Row>,
  mayPass: (entry: AuditEntry) => boolean,
  pageSize: number,
): Promise<Page<AuditEntry>> {
  const items: AuditEntry[] = [];
  let readCount = 0;
  for await (const row of rows) {
    const entry = auditEntryOf(row);
    if (mayPass(entry)) items.push(entry);
    if (items.length === pageSize || ++readCount === AUDIT_SCAN_MAX_COUNT) {
      return { items, continuationToken: encodePosition({ shard: 0, after: keysOf(row).rowKey }) };
    }
  }
  return { items, continuationToken: undefined };
}

/** The row keys of a page, both ends excluded. Throws InvalidRequestError for a token of another list. */
export function rangeOf(
  since: Date | undefined,
  { continuationToken: token }: PageRequest,
): { readonly after: string; readonly before: string } {
  const { after } = token === undefined ? { after: "" } : decodePosition(token, 1, (key) => ROW_KEY_PATTERN.test(key));
  return { after, before: since === undefined ? "~" : `${invertedTime(since)}/` };
}

const SYSTEM_PARTITION = "~system";
const ROW_KEY_PATTERN = /^\d{13}\.[0-9a-f]{1,32}$/;
const LAST_MS = 9_999_999_999_999;

/** Later times have smaller texts. */
export const invertedTime = (at: Date): string => String(LAST_MS - at.getTime()).padStart(13, "0");

export const auditPartition = (tenantName: string | undefined): string => tenantName ?? SYSTEM_PARTITION;

export const auditKeys = ({ tenantName, at, entryId }: AuditEntry): RowKeys => ({
  partitionKey: auditPartition(tenantName),
  rowKey: `${invertedTime(at)}.${entryId}`,
});

const facts: z.ZodType<Facts> = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const AUDIT_COLUMNS: Columns<Omit<AuditEntry, "tenantName" | "entryId">> = {
  at: instant("at"),
  operation: text("operation"),
  outcome: word("outcome", AUDIT_OUTCOMES),
  code: optionalText("code"),
  actor: text("actor"),
  actorId: optionalText("actorId"),
  actorKind: optional("actorKind", word("actorKind", ACTOR_KINDS)),
  from: optionalText("from"),
  requestId: text("requestId"),
  subject: json("subject", facts),
  before: optionalJson("before", facts),
  after: optionalJson("after", facts),
};

export const auditCells = ({ tenantName: _t, entryId: _e, ...entry }: AuditEntry): Cells =>
  writeCells(AUDIT_COLUMNS, entry);

/** Throws UnreadableError when the row cannot be read. */
export function auditEntryOf(row: Row): AuditEntry {
  const { partitionKey, rowKey } = keysOf(row);
  return {
    tenantName: partitionKey === SYSTEM_PARTITION ? undefined : partitionKey,
    entryId: rowKey.slice(rowKey.indexOf(".") + 1),
    ...readCells("audit", AUDIT_COLUMNS, row),
  };
}

function keysOf({ partitionKey, rowKey }: Row): RowKeys {
  if (typeof partitionKey === "string" && typeof rowKey === "string") return { partitionKey, rowKey };
  throw new InvariantError("A row was read without its keys.");
}
