/**
 * How values become table properties and come back: one column per field, a few for a compound one. A merge cannot
 * remove a property, so this is where it is decided that an empty string means "absent"; every optional column reads
 * it, and a missing property, as undefined.
 */
import { z } from "zod";
import { UnreadableError } from "../../core/errors.ts";
import type { FormatName } from "../../core/formats.ts";

export type Cell = string | number | boolean | Date;
export type Cells = Readonly<Record<string, Cell>>;
/** A row as read: values are checked column by column. */
export type Row = Readonly<Record<string, unknown>>;

export interface Column<T> {
  // Function properties, not methods: TypeScript checks the parameters of those both ways, and a column of the wrong type must not fit.
  readonly write: (value: T) => Cells;
  readonly read: (row: Row) => T;
}

const ABSENT = "";

const isAbsent = (cell: unknown): cell is undefined | typeof ABSENT => cell === undefined || cell === ABSENT;

/** Another release wrote the row, or somebody has edited it. Names the property, never its value. */
class UnreadableCell extends Error {}

const unreadable = (name: string, cause?: unknown): UnreadableCell =>
  new UnreadableCell(`Table property ${name} is missing or not readable.`, { cause });

/** A column that always has a value of the type `is` recognises. */
const required = <T extends Cell>(name: string, is: (cell: unknown) => cell is T): Column<T> => ({
  write: (value) => ({ [name]: value }),
  read(row) {
    const cell = row[name];
    if (!is(cell)) throw unreadable(name);
    return cell;
  },
});

/** The same column for a value that may be absent. */
export const optional = <T extends Cell>(name: string, column: Column<T>): Column<T | undefined> => ({
  write: (value) => (value === undefined ? { [name]: ABSENT } : column.write(value)),
  read: (row) => (isAbsent(row[name]) ? undefined : column.read(row)),
});

export const text = (name: string): Column<string> => required(name, (cell) => typeof cell === "string");
export const integer = (name: string): Column<number> =>
  required(name, (cell): cell is number => Number.isInteger(cell));
export const flag = (name: string): Column<boolean> => required(name, (cell) => typeof cell === "boolean");
/** An Edm.DateTime, which keeps milliseconds. */
export const instant = (name: string): Column<Date> =>
  required(name, (cell): cell is Date => cell instanceof Date && !Number.isNaN(cell.getTime()));

/** A column added later: a row written before it existed reads as `before`. */
export const added = <T extends Cell>(name: string, column: Column<T>, before: T): Column<T> => ({
  write: column.write,
  read: (row) => (row[name] === undefined ? before : column.read(row)),
});

export const optionalText = (name: string): Column<string | undefined> => optional(name, text(name));
export const optionalInstant = (name: string): Column<Date | undefined> => optional(name, instant(name));

/** A text that is one of a few words. */
export const word = <T extends string>(name: string, words: readonly T[]): Column<T> =>
  required(name, (cell): cell is T => (words as readonly unknown[]).includes(cell));

/** A small object as JSON text, which table tools show as it is. */
export const json = <T>(name: string, schema: z.ZodType<T>): Column<T> => ({
  write: (value) => ({ [name]: JSON.stringify(value) }),
  read: (row) => parseCell(name, row[name], schema),
});

export const optionalJson = <T>(name: string, schema: z.ZodType<T>): Column<T | undefined> => ({
  write: (value) => ({ [name]: value === undefined ? ABSENT : JSON.stringify(value) }),
  read: (row) => (isAbsent(row[name]) ? undefined : parseCell(name, row[name], schema)),
});

/** Reads one cell of JSON text; for use in columns. */
export function parseCell<T>(name: string, cell: unknown, schema: z.ZodType<T>): T {
  if (typeof cell !== "string") throw unreadable(name);
  try {
    return schema.parse(JSON.parse(cell));
  } catch (error) {
    throw unreadable(name, error);
  }
}

/** A column for every field of T: a new field without one does not compile. */
export type Columns<T> = { readonly [K in keyof T]-?: Column<T[K]> };

/** The cells of the fields that are there. */
export function writeCells<T extends object>(columns: Columns<T>, fields: Partial<T>): Cells {
  const cells: Record<string, Cell> = {};
  for (const name of Object.keys(columns) as (keyof T)[]) {
    if (name in fields) Object.assign(cells, columns[name].write(fields[name] as T[typeof name]));
  }
  return cells;
}

/** All fields of a row. Throws UnreadableError when this release does not know what one of them holds. */
export function readCells<T extends object>(format: FormatName, columns: Columns<T>, row: Row): T {
  const fields: Partial<T> = {};
  try {
    for (const name of Object.keys(columns) as (keyof T)[]) fields[name] = columns[name].read(row);
  } catch (error) {
    if (!(error instanceof UnreadableCell)) throw error;
    throw new UnreadableError(format, error.message, { cause: error.cause });
  }
  return fields as T;
}

// --- Lists -----------------------------------------------------------------------------------------------------------

/** https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model */
const PROPERTY_MAX_LENGTH = 32_000;

/**
 * A list of any length in one row: JSON lists in the properties `{name}_0`, `{name}_1` and so on, because a property holds
 * 64 KiB of UTF-16. An empty property ends the list. A merge removes nothing, so pieces of a longer list may follow it and
 * do not count.
 */
export const listColumn = <T>(name: string, schema: z.ZodType<T>): Column<readonly T[]> => ({
  write: (items) =>
    Object.fromEntries(
      [...packed(items.map((item) => JSON.stringify(item))), END].map((piece, index): [string, Cell] => [
        `${name}_${index}`,
        piece,
      ]),
    ),
  read: (row) => propertiesOf(row, name).flatMap((property) => parseCell(property, row[property], z.array(schema))),
});

const END = "";

/** The items, in order, in as few JSON lists as their lengths allow. */
function packed(items: readonly string[]): readonly string[] {
  const pieces: string[] = [];
  for (const item of items) {
    const last = pieces.at(-1);
    if (last !== undefined && last.length + 1 + item.length < PROPERTY_MAX_LENGTH) {
      pieces[pieces.length - 1] = `${last},${item}`;
    } else {
      pieces.push(item);
    }
  }
  return pieces.map((piece) => `[${piece}]`);
}

function propertiesOf(row: Row, name: string): readonly string[] {
  const properties: string[] = [];
  for (let property = `${name}_0`; row[property] !== undefined && row[property] !== END;) {
    properties.push(property);
    property = `${name}_${properties.length}`;
  }
  return properties;
}
