/** HTML as a value: whatever is put into a template is escaped unless it is HTML itself. */

export interface Html {
  readonly text: string;
}

type Value = string | number | Html | readonly Html[] | false | undefined;

export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return raw(strings.reduce((text, part, index) => text + textOf(values[index - 1]) + part));
}

/** A text that is HTML already. */
export const raw = (text: string): Html => ({ text });

function textOf(value: Value): string {
  if (value === undefined || value === false) return "";
  if (typeof value === "string" || typeof value === "number") return escape(String(value));
  return "text" in value ? value.text : value.map(({ text }) => text).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");

/** The little Markdown our own descriptions use: paragraphs and `code`. */
export const markdown = (text: string): Html =>
  raw(
    text
      .split("\n\n")
      .filter((paragraph) => paragraph.trim() !== "")
      .map((paragraph) => `<p>${escape(paragraph).replaceAll(/`([^`]+)`/g, "<code>$1</code>")}</p>`)
      .join(""),
  );
