/** The content of a document: recipient and items. It comes from the job's parameters or from the package's tables. */
import { NonRetryableError } from "jobyard/job";
import * as z from "zod";
import { decimal, decimalText, round } from "./decimal.ts";

const line = z.string().trim().min(1).max(120);

/** Used as part of a file name. */
const key = z.string().regex(/^[A-Za-z0-9][\w-]{0,59}$/, "expected letters, digits and hyphens");

const Recipient = z.object({
  number: key,
  name: line,
  contact: line.optional(),
  street: line,
  postcode: line,
  city: line,
  country: line,
});

const ItemFields = z.object({
  description: z.string().trim().min(1).max(500),
  /** In thousandths. */
  quantity: decimal(3),
  unit: z.string().trim().max(20),
  /** In cents; negative for a discount. */
  unitPrice: decimal(2),
});

export type Item = z.infer<typeof ItemFields>;

/** In cents. */
export const amountOf = ({ quantity, unitPrice }: Item): number => round((quantity * unitPrice) / 1_000);

/** In cents: the largest amount that fits into a column of the table. */
const AMOUNT_MAX = 9_999_999_999;

const Item = ItemFields.refine(
  (item) => Math.max(Math.abs(item.unitPrice), Math.abs(amountOf(item))) <= AMOUNT_MAX,
  `expected amounts of at most ${decimalText(AMOUNT_MAX, 2)}`,
);

export const DocumentContent = z.object({
  /** Identifies the document and its file. */
  number: key,
  recipient: Recipient,
  items: z.array(Item).max(2_000).default([]),
});

export type DocumentContent = z.infer<typeof DocumentContent>;
export interface Tables {
  /** Text of a CSV file with the fields of a recipient. */
  readonly customers: string;
  /** Text of a CSV file with the fields of an item and its customer. */
  readonly items: string;
}

/** One document for every customer, in the order of the table. Throws NonRetryableError for invalid tables. */
export function contentsOf({ customers, items }: Tables, year: string): DocumentContent[] {
  const byCustomer = new Map<string, Item[]>();
  for (const row of rowsOf("items", items, ["customer", "description", "quantity", "unit", "unitPrice"])) {
    const customer = row.fields["customer"] ?? "";
    const own = byCustomer.get(customer) ?? [];
    own.push(parseRow(Item, row));
    byCustomer.set(customer, own);
  }
  const columns = ["number", "name", "contact", "street", "postcode", "city", "country"];
  const contents = rowsOf("customers", customers, columns).map((row) => {
    const recipient = parseRow(Recipient, row);
    return { number: `${year}-${recipient.number}`, recipient, items: byCustomer.get(recipient.number) ?? [] };
  });
  const known = new Set(contents.map(({ recipient }) => recipient.number));
  for (const customer of byCustomer.keys()) {
    if (!known.has(customer)) throw new NonRetryableError(`items: there is no customer "${customer}".`);
  }
  if (known.size < contents.length) throw new NonRetryableError("customers: a number is listed twice.");
  return contents;
}

interface Row {
  readonly place: string;
  /** Without empty ones. */
  readonly fields: Readonly<Record<string, string>>;
}

function rowsOf(table: string, csv: string, columns: readonly string[]): Row[] {
  const [header = "", ...rows] = csv.trimEnd().split(/\r?\n/);
  if (header !== columns.join(",")) throw new NonRetryableError(`${table}: expected the columns ${columns.join(",")}.`);
  return rows.map((text, index) => {
    const place = `${table}, line ${index + 2}`;
    const values = splitRow(text);
    if (values.length !== columns.length) throw new NonRetryableError(`${place}: expected ${columns.length} fields.`);
    const named = columns.map((column, at) => [column, values[at] ?? ""] as const);
    return { place, fields: Object.fromEntries(named.filter(([, value]) => value !== "")) };
  });
}

/** Fields may be quoted, with inner quotes doubled. A field does not span lines. */
const splitRow = (text: string): string[] =>
  [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain = ""]) =>
    quoted === undefined ? plain : quoted.replaceAll('""', '"'),
  );

function parseRow<T>(schema: z.ZodType<T>, { place, fields }: Row): T {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new NonRetryableError(`${[place, ...(issue?.path ?? [])].join(": ")}: ${issue?.message ?? ""}.`);
}
