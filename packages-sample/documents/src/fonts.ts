/** The fonts of all documents, parsed once. pdfkit accepts fonts that fontkit has parsed. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Font, create } from "fontkit";

export interface Fonts {
  readonly regular: Font;
  readonly bold: Font;
  /** Returns the text with unsupported characters replaced, by the letter without accents or by "?", and records them. */
  showable(text: string): string;
  /** The characters replaced so far. */
  readonly replaced: ReadonlySet<string>;
}

/** IBM Plex Sans: Latin, Greek and Cyrillic, digits of equal width. */
export async function loadFonts(packagePath: string): Promise<Fonts> {
  const load = async (style: string): Promise<Font> => {
    const font = create(await readFile(join(packagePath, `data/fonts/IBMPlexSans-${style}.ttf`)));
    if (font.type === "TTF") return font;
    throw new TypeError(`data/fonts/IBMPlexSans-${style}.ttf holds a collection of fonts.`);
  };
  const [regular, bold] = await Promise.all([load("Regular"), load("SemiBold")]);
  const bolds = new Set(bold.characterSet);
  const shown = new Set(regular.characterSet.filter((code) => bolds.has(code)));
  const replaced = new Set<string>();
  const has = (character: string) => shown.has(character.codePointAt(0) ?? 0);

  function replace(character: string): string {
    if (character === "\n") return character;
    if (/^\s$/.test(character)) return " ";
    // Direction marks, soft hyphens and similar characters have no glyph.
    if (/^[\p{Cc}\p{Cf}]$/u.test(character)) return "";
    replaced.add(character);
    const [letter = "?"] = character.normalize("NFKD");
    return has(letter) ? letter : "?";
  }

  return {
    regular,
    bold,
    replaced,
    showable: (text) => Array.from(text.normalize("NFC"), (one) => (has(one) ? one : replace(one))).join(""),
  };
}
