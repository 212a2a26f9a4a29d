/** Draws one document: letterhead, address, text, table, and last the page numbers, which need the number of pages. */
import { NonRetryableError } from "jobyard/job";
import type { DocumentContent } from "./content.ts";
import type { Fonts } from "./fonts.ts";
import { drawTable, totalsOf } from "./item-table.ts";
import { FAINT, PAGE, type Sheet, createSheet } from "./sheet.ts";
import { type Template, fill } from "./template.ts";
import { type Wording, wordingOf } from "./wording.ts";

export interface RenderRequest {
  readonly template: Template;
  readonly content: DocumentContent;
  /** The date on the document, and the only time in the file. */
  readonly date: Date;
  readonly fonts: Fonts;
}

export interface Rendered {
  readonly pdf: Buffer;
  readonly pages: number;
  /** In cents; zero for letters. */
  readonly total: number;
}

const PARAGRAPH_GAP = 8;
const DAY_MS = 24 * 60 * 60_000;

/** The same request gives the same bytes on any machine and in any time zone, with the same Node and libraries. */
export async function render({ template, content, date, fonts }: RenderRequest): Promise<Rendered> {
  const { colour, sender, table } = template;
  if (table !== undefined && content.items.length === 0) {
    throw new NonRetryableError(`${content.number} has no items, and the template has a table of items.`);
  }
  const wording = wordingOf(template.locale);
  const total = table === undefined ? 0 : totalsOf(content.items, table).total;
  const values = valuesOf({ template, content, date, wording, total });
  const title = fill(template.title, values);
  const sheet = createSheet({ fonts, title, author: sender.name, language: template.locale, createdAt: date });

  drawLetterhead(sheet, template);
  sheet.y = Math.max(268, drawAddress(sheet, template, content, values) + 24);
  sheet.y += sheet.write(title, { size: 17, bold: true, colour }) + 10;
  drawParagraphs(sheet, template.opening, values);
  if (table !== undefined) {
    sheet.y += 6;
    drawTable(sheet, { items: content.items, template: table, wording, colour, values });
    sheet.y += 18;
  }
  drawParagraphs(sheet, template.closing, values);

  let pages = 0;
  sheet.onEveryPage((page, count) => {
    pages = count;
    if (page > 1) drawRunningHead(sheet, `${sender.name} · ${title}`, values["date"] ?? "");
    drawFoot(sheet, template, fill(template.page, { ...values, page: String(page), pages: String(count) }));
  });
  return { pdf: await sheet.end(), pages, total };
}

interface Facts extends Omit<RenderRequest, "fonts"> {
  readonly wording: Wording;
  readonly total: number;
}

/** The names that templates can use, besides the page number and the number of pages. */
function valuesOf({ template, content, date, wording, total }: Facts): Record<string, string> {
  const { number, recipient } = content;
  return {
    number,
    customer: recipient.number,
    name: recipient.contact ?? recipient.name,
    date: wording.date(date),
    dueDate: wording.date(new Date(date.getTime() + template.paymentDays * DAY_MS)),
    currency: template.currency,
    total: wording.amount(total),
    taxPercent: String(template.table?.taxPercent ?? 0),
  };
}

function drawLetterhead(sheet: Sheet, { colour, sender }: Template): void {
  sheet.fill(0, 0, PAGE.width, 10, colour);
  sheet.write(sender.name, { size: 19, bold: true, colour, width: 300 }, 42);
  const style = { size: 8.5, colour: FAINT, x: PAGE.right - 200, align: "right" } as const;
  sheet.write(sender.contact.join("\n"), style, 44);
  sheet.rule(100, { colour, thickness: 0.75 });
}

/** Returns the position below the text. */
function drawAddress(
  sheet: Sheet,
  template: Template,
  { recipient }: DocumentContent,
  values: Record<string, string>,
): number {
  const { sender, facts } = template;
  // The position of an envelope's window.
  sheet.write([sender.name, ...sender.address].join(" · "), { size: 6.5, colour: FAINT, width: 260 }, 132);
  const { name, contact, street, postcode, city, country } = recipient;
  const lines = [name, contact, street, `${postcode} ${city}`, country].filter((line) => line !== undefined);
  const top = 148;
  const bottom = top + sheet.write(lines.join("\n"), { size: 10.5, width: 260 }, top);
  let at = top;
  for (const [label, value] of facts) {
    sheet.write(label, { x: 360, width: 66, size: 8.5, colour: FAINT }, at + 1);
    at += sheet.write(fill(value, values), { x: 430, width: PAGE.right - 430, bold: true }, at) + 3;
  }
  return Math.max(at, bottom);
}

function drawParagraphs(sheet: Sheet, paragraphs: readonly string[], values: Record<string, string>): void {
  for (const paragraph of paragraphs) {
    const text = fill(paragraph, values);
    if (!sheet.fits(sheet.heightOf(text))) sheet.newPage();
    sheet.y += sheet.write(text) + PARAGRAPH_GAP;
  }
}

function drawRunningHead(sheet: Sheet, left: string, right: string): void {
  sheet.write(left, { size: 8, colour: FAINT, width: 330 }, 30);
  sheet.write(right, { size: 8, colour: FAINT, x: PAGE.right - 130, align: "right" }, 30);
}

function drawFoot(sheet: Sheet, { footer }: Template, page: string): void {
  sheet.rule(776);
  const width = 130;
  for (const [index, lines] of footer.entries()) {
    sheet.write(lines.join("\n"), { x: PAGE.left + index * width, width: width - 8, size: 7, colour: FAINT }, 783);
  }
  sheet.write(page, { x: PAGE.right - 80, align: "right", size: 7.5, colour: FAINT }, 783);
}
