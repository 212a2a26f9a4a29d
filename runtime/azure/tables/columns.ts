/**
 * Columns convert values to table properties and back: one property per field, several for a compound field or a list.
 * A merge cannot remove a property, so an empty string means "absent". Every optional column reads an empty string and
 * a missing property as undefined.
 */
import { z } from "zod";
import { UnreadableError } from "../../core/errors.ts";
import type { FormatName } from "../../core/formats.ts";
import { instantSchema } from "../../core/instant.ts";

export type Cell = string | number | boolean | Date;
export type Cells = Readonly<Record<string, Cell>>;
/** A row as read. Each column checks its values. */
export type Row = Readonly<Record<string, unknown>>;

export interface Column<T> {
  // Function properties, not methods: TypeScript checks parameters of methods less strictly, and would accept a column
  // of a wrong type.
  readonly write: (value: T) => Cells;
  readonly read: (row: Row) => T;
}

const ABSENT = "";

const isAbsent = (cell: unknown): cell is undefined | typeof ABSENT => cell === undefined || cell === ABSENT;

/** Another release wrote the row, or a person edited it. The message names the property, never its value. */
class UnreadableCell extends Error {}

const unreadable = (name: string, cause?: unknown): UnreadableCell =>
  new UnreadableCell(`Table property ${name} is missing or not readable.`, { cause });

/** A column whose value must be of the type that `is` recognises. */
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
/** A whole number that may exceed 32 bits. The SDK writes such a number as a double, which holds it exactly. */
export const wide = (name: string): Column<number> =>
  required(name, (cell): cell is number => Number.isSafeInteger(cell));
export const flag = (name: string): Column<boolean> => required(name, (cell) => typeof cell === "boolean");
/** An Edm.DateTime, which keeps milliseconds. */
export const instant = (name: string): Column<Date> =>
  required(name, (cell): cell is Date => cell instanceof Date && !Number.isNaN(cell.getTime()));

/** A column that was added later. Rows written before it existed are read as `before`. */
export const added = <T extends Cell>(name: string, column: Column<T>, before: T): Column<T> => ({
  write: column.write,
  read: (row) => (row[name] === undefined ? before : column.read(row)),
});

export const optionalText = (name: string): Column<string | undefined> => optional(name, text(name));
export const optionalInstant = (name: string): Column<Date | undefined> => optional(name, instant(name));

/** One of a few words. */
export const word = <T extends string>(name: string, words: readonly T[]): Column<T> =>
  required(name, (cell): cell is T => (words as readonly unknown[]).includes(cell));

/** A small object as JSON text, which table tools can show. */
export const json = <T>(name: string, schema: z.ZodType<T>): Column<T> => ({
  write: (value) => ({ [name]: JSON.stringify(value) }),
  read: (row) => parseCell(name, row[name], schema),
});

export const optionalJson = <T>(name: string, schema: z.ZodType<T>): Column<T | undefined> => ({
  write: (value) => ({ [name]: value === undefined ? ABSENT : JSON.stringify(value) }),
  read: (row) => (isAbsent(row[name]) ? undefined : parseCell(name, row[name], schema)),
});

/** The fields of a notice, which several kinds of rows keep as JSON. */
export const noticeFields = { from: z.int().min(0), to: z.int().min(1), at: instantSchema, isMade: z.boolean() };

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

/** The cells of the given fields. */
export function writeCells<T extends object>(columns: Columns<T>, fields: Partial<T>): Cells {
  const cells: Record<string, Cell> = {};
  for (const name of Object.keys(columns) as (keyof T)[]) {
    if (name in fields) Object.assign(cells, columns[name].write(fields[name] as T[typeof name]));
  }
  return cells;
}

/** All fields of a row. Throws UnreadableError if this release cannot read one of them. */
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

/**
 * A property holds 64 KiB of UTF-16.
 * https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
 */
const PROPERTY_MAX_LENGTH = 32_000;

/**
 * A list of any length in one row, as JSON lists in the properties `{name}_0`, `{name}_1` and so on. An empty property
 * ends the list. A merge removes nothing, so pieces of an earlier, longer list may follow. They are ignored.
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
