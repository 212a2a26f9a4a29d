/** The table of items, over as many pages as needed: each page has the header and a subtotal, the last one the totals. */
import { type Item, amountOf } from "./content.ts";
import { round } from "./decimal.ts";
import { FAINT, PAGE, type Sheet, type TextStyle } from "./sheet.ts";
import { type TableTemplate, fill } from "./template.ts";
import type { Wording } from "./wording.ts";

const COLUMNS = {
  position: { x: PAGE.left + 6, width: 24 },
  description: { x: PAGE.left + 36, width: 200 },
  quantity: { x: PAGE.left + 242, width: 70, align: "right" },
  unitPrice: { x: PAGE.left + 318, width: 70, align: "right" },
  amount: { x: PAGE.left + 394, width: 71, align: "right" },
} as const satisfies Record<string, TextStyle>;

const PADDING = 5;
const HEAD_HEIGHT = 22;
/** Space that a total needs below the last row of a page. */
const CARRY_HEIGHT = 20;

export interface Totals {
  readonly net: number;
  readonly tax: number;
  readonly total: number;
}

/** In cents. Tax is computed on the sum, because rounding each line would give another total. */
export function totalsOf(items: readonly Item[], { taxPercent }: Pick<TableTemplate, "taxPercent">): Totals {
  const net = items.reduce((sum, item) => sum + amountOf(item), 0);
  const tax = round((net * Math.round(taxPercent * 100)) / 10_000);
  return { net, tax, total: net + tax };
}

export interface TableContent {
  readonly items: readonly Item[];
  readonly template: TableTemplate;
  readonly wording: Wording;
  readonly colour: string;
  /** Uses the names in the template. */
  readonly values: Readonly<Record<string, string>>;
}

export function drawTable(sheet: Sheet, content: TableContent): void {
  const { items, template, wording, colour } = content;
  const { columns, carriedForward } = template;
  let sum = 0;

  function head(): void {
    sheet.fill(PAGE.left, sheet.y, PAGE.right - PAGE.left, HEAD_HEIGHT, colour);
    for (const [name, column] of Object.entries(COLUMNS)) {
      const label = columns[name as keyof typeof COLUMNS];
      sheet.write(label, { ...column, size: 8.5, bold: true, colour: "#ffffff" }, sheet.y + PADDING);
    }
    sheet.y += HEAD_HEIGHT;
  }

  function carry(): void {
    const style = { size: 8.5, colour: FAINT };
    sheet.write(carriedForward, { ...style, ...COLUMNS.description }, sheet.y + PADDING);
    sheet.write(wording.amount(sum), { ...style, ...COLUMNS.amount }, sheet.y + PADDING);
    sheet.y += CARRY_HEIGHT;
    sheet.rule(sheet.y);
  }

  head();
  for (const [index, item] of items.entries()) {
    const quantity = `${wording.quantity(item.quantity)} ${item.unit}`;
    const height =
      2 * PADDING +
      Math.max(sheet.heightOf(item.description, COLUMNS.description), sheet.heightOf(quantity, COLUMNS.quantity));
    if (!sheet.fits(height + CARRY_HEIGHT)) {
      carry();
      sheet.newPage();
      head();
      carry();
    }
    const at = sheet.y + PADDING;
    sheet.write(String(index + 1), { ...COLUMNS.position, colour: FAINT }, at);
    sheet.write(item.description, COLUMNS.description, at);
    sheet.write(quantity, COLUMNS.quantity, at);
    sheet.write(wording.amount(item.unitPrice), COLUMNS.unitPrice, at);
    sheet.write(wording.amount(amountOf(item)), COLUMNS.amount, at);
    sheet.y += height;
    sum += amountOf(item);
    sheet.rule(sheet.y);
  }
  drawTotals(sheet, content);
}

function drawTotals(sheet: Sheet, { items, template, wording, colour, values }: TableContent): void {
  const { net, tax, total } = totalsOf(items, template);
  const rows = [
    [template.net, net, false],
    [template.tax, tax, false],
    [template.total, total, true],
  ] as const;
  if (!sheet.fits(rows.length * 19 + 12)) sheet.newPage();
  sheet.y += 8;
  const labels = { x: COLUMNS.quantity.x, width: COLUMNS.amount.x - COLUMNS.quantity.x - 8 };
  for (const [label, cents, isTotal] of rows) {
    const style = isTotal ? { bold: true, size: 11, colour } : {};
    if (isTotal) sheet.rule(sheet.y, { colour, from: labels.x, thickness: 1 });
    const at = sheet.y + 4;
    sheet.write(fill(label, values), { ...style, ...labels }, at);
    // A total has more digits than an item. The next column is free.
    const wide = {
      x: COLUMNS.unitPrice.x - 20,
      width: COLUMNS.amount.x + COLUMNS.amount.width - COLUMNS.unitPrice.x + 20,
    };
    sheet.write(wording.amount(cents), { ...style, ...wide, align: "right" }, at);
    sheet.y += 19;
  }
}
