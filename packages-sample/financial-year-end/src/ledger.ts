/** Reads the books, the chart of accounts and the ledger, from CSV. Money is in cents, as whole numbers. */
import { NonRetryableError } from "jobyard/job";

export const ACCOUNT_KINDS = ["asset", "liability", "equity", "revenue", "expense"] as const;
export type AccountKind = (typeof ACCOUNT_KINDS)[number];

export interface Account {
  readonly number: string;
  readonly name: string;
  readonly kind: AccountKind;
}

/** One line of an entry. At least one side is not zero. */
export interface Posting {
  /** `YYYY-MM-DD`, so that text comparison works. */
  readonly date: string;
  /** Number of the line's entry. */
  readonly entry: string;
  readonly account: string;
  readonly text: string;
  readonly debit: number;
  readonly credit: number;
}

export function parseAccounts(csv: string): Map<string, Account> {
  const accounts = new Map<string, Account>();
  for (const { line, fields } of rowsOf(csv, ["account", "name", "kind"])) {
    const [number = "", name = "", text = ""] = fields;
    const kind = ACCOUNT_KINDS.find((candidate) => candidate === text);
    if (kind === undefined)
      throw wrong(line, `"${text}" is not a kind of account; expected ${ACCOUNT_KINDS.join(", ")}`);
    if (accounts.has(number)) throw wrong(line, `account ${number} is listed twice`);
    accounts.set(number, { number, name, kind });
  }
  return accounts;
}

export function parseLedger(csv: string): Posting[] {
  return rowsOf(csv, ["date", "entry", "account", "text", "debit", "credit"]).map(({ line, fields }) => {
    const [date = "", entry = "", account = "", text = "", debit = "", credit = ""] = fields;
    if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) throw wrong(line, `"${date}" is not a date; expected YYYY-MM-DD`);
    return { date, entry, account, text, debit: parseAmount(debit, line), credit: parseAmount(credit, line) };
  });
}

/** "1234.50" → 123450. Parsed as whole numbers, because floats cannot hold 0.1 + 0.2 exactly. */
function parseAmount(text: string, line: number): number {
  if (text === "") return 0;
  const [, whole, cents = "00"] = /^(\d{1,12})(?:\.(\d{2}))?$/.exec(text) ?? [];
  if (whole === undefined) throw wrong(line, `"${text}" is not an amount; expected something like 1234.50`);
  return Number(whole) * 100 + Number(cents);
}

/** 123450 → "1234.50". */
export function formatAmount(cents: number): string {
  const text = String(Math.abs(cents)).padStart(3, "0");
  return `${cents < 0 ? "-" : ""}${text.slice(0, -2)}.${text.slice(-2)}`;
}

interface Row {
  readonly line: number;
  readonly fields: readonly string[];
}

function rowsOf(csv: string, header: readonly string[]): Row[] {
  const [first = "", ...rest] = csv.trimEnd().split(/\r?\n/);
  if (first !== header.join(",")) throw wrong(1, `expected the columns ${header.join(",")}`);
  return rest.map((text, index) => {
    const row = { line: index + 2, fields: splitRow(text) };
    if (row.fields.length !== header.length) throw wrong(row.line, `expected ${header.length} fields`);
    return row;
  });
}

/** Fields may be quoted, with inner quotes doubled. A field does not span lines. */
const splitRow = (text: string): string[] =>
  [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain = ""]) =>
    quoted === undefined ? plain : quoted.replaceAll('""', '"'),
  );

export const formatRow = (fields: readonly string[]): string =>
  fields.map((field) => (/[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",");

/** Not retryable, because another attempt would read the same books. */
const wrong = (line: number, what: string) => new NonRetryableError(`Line ${line}: ${what}.`);
