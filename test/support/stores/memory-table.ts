/**
 * A table in memory as the service keeps one: rows of cells by two keys, each under a version of its own, in the order
 * of their keys. It stands in for the service only: what the cells mean, the memory stores leave to the adapters' codecs.
 */
import type { Cells } from "../../../runtime/azure/tables/columns.ts";
import { type RowKeys, type RowResult, type StoredRow, encodePosition } from "../../../runtime/azure/tables/rows.ts";
import { InvariantError } from "../../../runtime/core/errors.ts";
import type { Page } from "../../../runtime/core/ports/stored.ts";

/** What every access waits for before it happens, so that those of several callers mix as they do over a network. */
export type Turn = () => Promise<void>;

/** The real one, before a test replaces it with a clock of its own. */
const { setImmediate } = globalThis;

export const nextTurn: Turn = () => new Promise((resolve) => void setImmediate(resolve));

/** For tests that decide themselves what happens when: no access waits. */
export const atOnce: Turn = () => Promise.resolve();

/** A row as it lies in its place. */
export interface KeyedRow extends StoredRow, RowKeys {}

/** Rows of one partition between two keys, both excluded; default: all of it. */
export interface Range {
  readonly partitionKey: string;
  readonly after?: string | undefined;
  readonly before?: string | undefined;
}

export interface WriteOptions {
  /** Default "merge": cells that are not named stay. "replace": the row begins a new life. */
  readonly how?: "merge" | "replace";
  /** Called at the moment of the write, for what happens in the same transaction. */
  readonly landed?: () => void;
}

/** UTF-16 units: https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model */
const TEXT_MAX_LENGTH = 32 * 1_024;

export class MemoryTable {
  readonly turn: Turn;
  readonly #partitions = new Map<string, Map<string, KeyedRow>>();
  #version = 0;

  constructor(turn: Turn = nextTurn) {
    this.turn = turn;
  }

  async get(keys: RowKeys): Promise<StoredRow | undefined> {
    await this.turn();
    return this.peek(keys);
  }

  /** Writes on the given version; `etag` undefined: there must be no row. */
  async write(keys: RowKeys, cells: Cells, etag: string | undefined, options: WriteOptions = {}): Promise<RowResult> {
    refuseLongTexts(cells);
    await this.turn();
    const current = this.peek(keys);
    if (current?.etag !== etag) return { written: false, current };
    const written = this.put(keys, options.how === "replace" ? cells : { ...current?.cells, ...cells });
    options.landed?.();
    return { written: true, etag: written };
  }

  /** False: there is no row, or it has another version. */
  async remove({ partitionKey, rowKey }: RowKeys, etag?: string): Promise<boolean> {
    await this.turn();
    const partition = this.#partitions.get(partitionKey);
    const current = partition?.get(rowKey);
    if (current === undefined || (etag !== undefined && current.etag !== etag)) return false;
    return partition?.delete(rowKey) ?? false;
  }

  async rows({ partitionKey, after = "", before }: Range): Promise<readonly KeyedRow[]> {
    await this.turn();
    return inOrder([...(this.#partitions.get(partitionKey)?.values() ?? [])]).filter(
      ({ rowKey }) => rowKey > after && (before === undefined || rowKey < before),
    );
  }

  /** Of all partitions. */
  async all(): Promise<readonly KeyedRow[]> {
    await this.turn();
    return inOrder([...this.#partitions.values()].flatMap((partition) => [...partition.values()]));
  }

  /** At once, for tests that read rows beside the stores. */
  peek({ partitionKey, rowKey }: RowKeys): StoredRow | undefined {
    return this.#partitions.get(partitionKey)?.get(rowKey);
  }

  /** At once, without a condition. */
  drop({ partitionKey, rowKey }: RowKeys): void {
    this.#partitions.get(partitionKey)?.delete(rowKey);
  }

  /** At once, without a condition. Returns the new version. */
  put({ partitionKey, rowKey }: RowKeys, cells: StoredRow["cells"]): string {
    const partition = this.#partitions.get(partitionKey) ?? new Map<string, KeyedRow>();
    this.#partitions.set(partitionKey, partition);
    const etag = `W/"${++this.#version}"`;
    partition.set(rowKey, { partitionKey, rowKey, cells: { ...cells, partitionKey, rowKey }, etag });
    return etag;
  }
}

/** The first rows as a page, with the token of the last; none when there are fewer than the page takes. */
export function pageOf<T>(
  rows: readonly KeyedRow[],
  pageSize: number,
  read: (row: StoredRow["cells"]) => T,
  shard = 0,
): Page<T> {
  const last = rows[pageSize - 1];
  return {
    items: rows.slice(0, pageSize).map(({ cells }) => read(cells)),
    continuationToken: last && encodePosition({ shard, after: last.rowKey }),
  };
}

const inOrder = (rows: KeyedRow[]): KeyedRow[] =>
  rows.sort((a, b) => compare(a.partitionKey, b.partitionKey) || compare(a.rowKey, b.rowKey));

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function refuseLongTexts(cells: Cells): void {
  for (const [name, cell] of Object.entries(cells)) {
    if (typeof cell === "string" && cell.length > TEXT_MAX_LENGTH) {
      throw new InvariantError(`Table property ${name} is longer than the service takes.`);
    }
  }
}
