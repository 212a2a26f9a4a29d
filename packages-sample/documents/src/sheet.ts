/** The pages of a document: pages of one size, a position that moves down, and text in the package's fonts. */
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
  /** Position of the next element, from the top of the page. */
  y: number;
  /** Writes at `y`, or at `at`, wrapped to the width. Returns the height and does not move `y`. */
  write(text: string, style?: TextStyle, at?: number): number;
  heightOf(text: string, style?: TextStyle): number;
  rule(at: number, style?: { readonly colour?: string; readonly from?: number; readonly thickness?: number }): void;
  fill(x: number, y: number, width: number, height: number, colour: string): void;
  /** Whether this height fits on the page. */
  fits(height: number): boolean;
  newPage(): void;
  /** Calls `draw` for every page, after all pages exist. */
  onEveryPage(draw: (page: number, pages: number) => void): void;
  /** The PDF. */
  end(): Promise<Buffer>;
}

export interface SheetOptions {
  readonly fonts: Fonts;
  readonly title: string;
  readonly author: string;
  readonly language: string;
  /** Written to the file. It would be the only difference between two runs. */
  readonly createdAt: Date;
}

export function createSheet({ fonts, title, author, language, createdAt }: SheetOptions): Sheet {
  const doc = new PDFDocument({
    size: "A4",
    // Pages break where this file decides, not where a line reaches the margin.
    margin: 0,
    bufferPages: true,
    // pdfkit reads its default font from a file that a bundled package does not have.
    font: "",
    lang: language,
    displayTitle: true,
    info: { Title: fonts.showable(title), Author: fonts.showable(author), CreationDate: createdAt },
  });
  // pdfkit accepts a parsed font, but its types do not say so.
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
