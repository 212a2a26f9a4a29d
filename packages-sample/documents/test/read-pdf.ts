/** Reads a PDF that pdfkit wrote: its pages, their text, and its metadata. */
import { inflateSync } from "node:zlib";

export interface ReadPdf {
  /** Text of each page: one line for each piece of text. */
  readonly pages: readonly string[];
  readonly title: string;
  readonly createdAt: string;
}

interface Part {
  readonly dictionary: string;
  readonly stream: string;
}

/** Throws if the data is not a complete PDF. */
export function readPdf(bytes: Uint8Array): ReadPdf {
  const text = Buffer.from(bytes).toString("latin1");
  if (!text.startsWith("%PDF-") || !text.trimEnd().endsWith("%%EOF")) throw new Error("The PDF is incomplete.");
  const parts = partsOf(text);
  const part = (reference: string | undefined): Part => {
    const found = parts.get(Number.parseInt(reference ?? "", 10));
    if (found === undefined) throw new Error(`The PDF has no object ${reference ?? "of this kind"}.`);
    return found;
  };
  const value = ({ dictionary }: Part, name: string): string | undefined =>
    new RegExp(`/${name} (?:\\[([^\\]]*)\\]|(\\S+))`).exec(dictionary)?.slice(1).find(Boolean);

  const info = part(/\/Info (\d+)/.exec(text.slice(text.lastIndexOf("trailer")))?.[1]);
  const tree = [...parts.values()].find(({ dictionary }) => dictionary.includes("/Type /Pages"));
  const pages = [...(/\/Kids \[([^\]]*)\]/.exec(tree?.dictionary ?? "")?.[1] ?? "").matchAll(/(\d+) 0 R/g)];
  return {
    title: literal(part(value(info, "Title")).dictionary),
    createdAt: literal(part(value(info, "CreationDate")).dictionary),
    pages: pages.map(([, reference]) => {
      const page = part(reference);
      const fonts = new Map<string, ReadonlyMap<string, string>>();
      for (const [, name = "", font] of part(value(page, "Resources")).dictionary.matchAll(/\/(F\d+) (\d+) 0 R/g)) {
        fonts.set(name, charactersOf(part(value(part(font), "ToUnicode")).stream));
      }
      return textOf(part(value(page, "Contents")).stream, fonts);
    }),
  };
}

/** Objects by number, their streams inflated. */
function partsOf(text: string): Map<number, Part> {
  const parts = new Map<number, Part>();
  for (const { 1: number, index, 0: head } of text.matchAll(/^(\d+) 0 obj\n/gm)) {
    const start = index + head.length;
    const end = text.indexOf("endobj", start);
    const streamStart = text.indexOf("\nstream\n", start);
    if (streamStart === -1 || streamStart > end) {
      parts.set(Number(number), { dictionary: text.slice(start, end), stream: "" });
      continue;
    }
    const dictionary = text.slice(start, streamStart);
    const length = Number(/\/Length (\d+)/.exec(dictionary)?.[1]);
    const content = Buffer.from(text.slice(streamStart + 8, streamStart + 8 + length), "latin1");
    parts.set(Number(number), { dictionary, stream: inflateSync(content).toString("latin1") });
  }
  return parts;
}

/** "(text)": Latin-1, or UTF-16 if it starts with a byte order mark. */
function literal(dictionary: string): string {
  const [, raw = ""] = /^\(([^]*)\)\s*$/.exec(dictionary) ?? [];
  const plain = raw.replaceAll(/\\(.)/gs, (_, escaped: string) => ({ n: "\n", r: "\r", t: "\t" })[escaped] ?? escaped);
  if (!plain.startsWith("\u00fe\u00ff")) return plain;
  return Buffer.from(plain.slice(2), "latin1").swap16().toString("utf16le");
}

/** Maps the glyphs of an embedded font, by hexadecimal code, to their text. */
function charactersOf(table: string): Map<string, string> {
  const characters = new Map<string, string>();
  for (const [, first = "", list = ""] of table.matchAll(/<([0-9a-f]{4})> <[0-9a-f]{4}> \[([^\]]*)\]/g)) {
    for (const [offset, [, units = ""]] of [...list.matchAll(/<([^>]*)>/g)].entries()) {
      const code = (Number.parseInt(first, 16) + offset).toString(16).padStart(4, "0");
      const points = units.split(" ").map((unit) => String.fromCharCode(Number.parseInt(unit, 16)));
      characters.set(code, points.join(""));
    }
  }
  return characters;
}

function textOf(stream: string, fonts: ReadonlyMap<string, ReadonlyMap<string, string>>): string {
  let font: ReadonlyMap<string, string> | undefined;
  const lines: string[] = [];
  for (const [, name, shown] of stream.matchAll(/\/(F\d+) [\d.]+ Tf|\[([^\]]*)\] TJ/g)) {
    if (name !== undefined) font = fonts.get(name);
    if (shown === undefined) continue;
    const codes = [...shown.matchAll(/<([^>]*)>/g)].flatMap(([, run = ""]) => run.match(/.{4}/g) ?? []);
    lines.push(codes.map((code) => font?.get(code) ?? "\ufffd").join(""));
  }
  return lines.join("\n");
}
