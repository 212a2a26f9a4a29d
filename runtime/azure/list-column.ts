/**
 * A list of any length in one row: JSON lists in the properties `{name}_0`, `{name}_1` and so on, because a property
 * holds 64 KiB of UTF-16. An empty property stands behind the last one: a merge removes nothing, so pieces of a longer list
 * may follow it, and count no more.
 */
import * as z from "zod";
import { type Cell, type Column, parseCell, type Row } from "./columns.ts";

/** https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model */
const PROPERTY_MAX_LENGTH = 32_000;

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
