/** Paper and pen: pages of one size, a position that moves down them, and text in the fonts of the package. */
import PDFDocument from "pdfkit";
import type { Fonts } from "./fonts.ts";

/** A4, in points. */
export const PAGE = { width: 595.28, height: 841.89, left: 62, right: 533, top: 56, bottom: 756 } as const;

export const INK = "#1f2328";
export const FAINT = "#6a7078";
export const HAIRLINE = "#c9ced4";

export interface TextStyle {
  readonly x?: number;
  readonly width?: number;
  readonly size?: number;
  readonly bold?: boolean;
  readonly colour?: string;
  readonly align?: "left" | "right";
}

export interface Sheet {
  /** Where the next thing goes, from the top of the page. */
  y: number;
  /** Writes at `y`, or at `at`, wrapped to the width; returns its height. Moves nothing. */
  write(text: string, style?: TextStyle, at?: number): number;
  heightOf(text: string, style?: TextStyle): number;
  rule(at: number, style?: { readonly colour?: string; readonly from?: number; readonly thickness?: number }): void;
  fill(x: number, y: number, width: number, height: number, colour: string): void;
  /** Whether so much fits on the page. */
  fits(height: number): boolean;
  newPage(): void;
  /** Calls `draw` for every page, once all are known. */
  onEveryPage(draw: (page: number, pages: number) => void): void;
  /** The PDF. */
  end(): Promise<Buffer>;
}

export interface SheetOptions {
  readonly fonts: Fonts;
  readonly title: string;
  readonly author: string;
  readonly language: string;
  /** Stands in the file, and is all that would differ between two runs. */
  readonly createdAt: Date;
}

export function createSheet({ fonts, title, author, language, createdAt }: SheetOptions): Sheet {
  const doc = new PDFDocument({
    size: "A4",
    // Pages end where this file says, not where a line of text happens to reach the margin.
    margin: 0,
    bufferPages: true,
    // The default font would be read from files beside pdfkit, which a bundled package does not have.
    font: "",
    lang: language,
    displayTitle: true,
    info: { Title: fonts.showable(title), Author: fonts.showable(author), CreationDate: createdAt },
  });
  // What pdfkit accepts, but its types do not name: a font that is parsed already.
  doc.registerFont("regular", fonts.regular as unknown as Buffer);
  doc.registerFont("bold", fonts.bold as unknown as Buffer);
  const parts: Buffer[] = [];
  const ended = new Promise<Buffer>((resolve, reject) => {
    doc.on("data", (part: Buffer) => parts.push(part));
    doc.on("end", () => resolve(Buffer.concat(parts)));
    doc.on("error", reject);
  });

  function use({ size = 9.5, bold = false, colour = INK }: TextStyle): void {
    doc
      .font(bold ? "bold" : "regular")
      .fontSize(size)
      .fillColor(colour);
  }

  function options({ x = PAGE.left, width = PAGE.right - x, align = "left" }: TextStyle) {
    return { width, align, lineGap: 2 } as const;
  }

  const sheet: Sheet = {
    y: PAGE.top,
    write(text, style = {}, at = sheet.y) {
      const shown = fonts.showable(text);
      use(style);
      doc.text(shown, style.x ?? PAGE.left, at, options(style));
      return doc.y - at;
    },
    heightOf(text, style = {}) {
      use(style);
      return doc.heightOfString(fonts.showable(text), options(style));
    },
    rule(at, { colour = HAIRLINE, from = PAGE.left, thickness = 0.5 } = {}) {
      doc.moveTo(from, at).lineTo(PAGE.right, at).lineWidth(thickness).strokeColor(colour).stroke();
    },
    fill(x, y, width, height, colour) {
      doc.rect(x, y, width, height).fill(colour);
    },
    fits: (height) => sheet.y + height <= PAGE.bottom,
    newPage() {
      doc.addPage();
      sheet.y = PAGE.top;
    },
    onEveryPage(draw) {
      const { start, count } = doc.bufferedPageRange();
      for (let page = 0; page < count; page++) {
        doc.switchToPage(start + page);
        draw(page + 1, count);
      }
    },
    end() {
      doc.end();
      return ended;
    },
  };
  return sheet;
}
