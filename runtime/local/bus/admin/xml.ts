/** The XML that the administration API needs: elements, attributes, text, and Atom documents. It has no document types. */
import { BusError } from "../engine/errors.ts";

export interface XmlElement {
  /** Without its namespace prefix. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

const MAX_DEPTH = 32;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

const TOKEN =
  /<(?:\?[^>]*\?|!--[\s\S]*?--|(\/)?([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/)?)>|([^<]+)/y;
const ATTRIBUTE = /([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

interface OpenElement {
  name: string;
  attributes: Map<string, string>;
  children: XmlElement[];
  text: string;
}

/** @throws BusError `invalid-argument` when the text is not well-formed. */
export function parseXml(text: string): XmlElement {
  const root: OpenElement = { name: "", attributes: new Map(), children: [], text: "" };
  const open = [root];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    const current = open.at(-1);
    if (!match || !current) throw malformed(`unexpected text at position ${at}`);
    const [, closing, name, attributes = "", empty, content] = match;
    if (content !== undefined) current.text += decodeEntities(content);
    else if (name === undefined) continue;
    else if (closing !== undefined) {
      if (open.length === 1 || current.name !== localName(name)) throw malformed(`'${name}' is closed but not open`);
      open.pop();
    } else {
      const element: OpenElement = {
        name: localName(name),
        attributes: readAttributes(attributes),
        children: [],
        text: "",
      };
      current.children.push(element);
      if (empty === undefined) open.push(element);
      if (open.length > MAX_DEPTH) throw malformed("it is nested too deeply");
    }
  }
  const [document] = root.children;
  if (open.length !== 1 || !document || root.children.length > 1)
    throw malformed("it has no single, closed root element");
  return document;
}

export const child = (element: XmlElement | undefined, name: string): XmlElement | undefined =>
  element?.children.find((each) => each.name === name);

/** The trimmed text of a child; undefined when it is absent or empty. */
export function childText(element: XmlElement | undefined, name: string): string | undefined {
  const text = child(element, name)?.text.trim();
  return text === "" ? undefined : text;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** Uses named references, because the SDK's parser does not decode numeric ones. */
export const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? "");

/** `<name>value</name>` for each defined value, in order. */
export const elements = (values: Readonly<Record<string, string | number | boolean | undefined>>): string =>
  Object.entries(values)
    .map(([name, value]) => (value === undefined ? "" : `<${name}>${escapeXml(String(value))}</${name}>`))
    .join("");

const malformed = (what: string): BusError =>
  new BusError("invalid-argument", `The request is not valid XML: ${what}.`);

const localName = (name: string): string => name.slice(name.indexOf(":") + 1);

function readAttributes(text: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = "", double, single] of text.matchAll(ATTRIBUTE)) {
    attributes.set(localName(name), decodeEntities(double ?? single ?? ""));
  }
  return attributes;
}

function decodeEntities(text: string): string {
  return text.replace(/&(#x[\da-f]+|#\d+|\w+);/gi, (whole, entity: string) => {
    if (!entity.startsWith("#")) return ENTITIES[entity] ?? whole;
    const code = /^#x/i.test(entity) ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1));
    return code > 0 && code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
  });
}

export interface AtomEntry {
  /** The path of the resource; the SDK reads names from it. */
  readonly path: string;
  readonly content: string;
}

/** The dollar of `$Default` is not encoded, because the SDK reads names from addresses without decoding. */
const encodePath = (path: string): string =>
  path
    .split("/")
    .map((part) => encodeURIComponent(part).replaceAll("%24", "$"))
    .join("/");

export function atomEntry(base: string, { path, content }: AtomEntry): string {
  const address = escapeXml(base + encodePath(path));
  const now = new Date().toISOString();
  return [
    '<entry xmlns="http://www.w3.org/2005/Atom">',
    `<id>${address}?api-version=2021-05</id><title type="text">${escapeXml(path.split("/").at(-1) ?? "")}</title>`,
    `<published>${now}</published><updated>${now}</updated><link rel="self" href="${address}"/>`,
    `<content type="application/xml">${content}</content></entry>`,
  ].join("");
}

export interface Page {
  readonly skip: number;
  readonly top: number;
}

/** One page of a list, with the address of the next page if there is one. */
export function atomFeed(base: string, path: string, entries: readonly AtomEntry[], { skip, top }: Page): string {
  const address = escapeXml(base + encodePath(path));
  const more = skip + top < entries.length;
  const next = more ? `<link rel="next" href="${address}?$skip=${skip + top}&amp;$top=${top}"/>` : "";
  const page = entries.slice(skip, skip + top).map((entry) => atomEntry(base, entry));
  return [
    `<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">${escapeXml(path)}</title><id>${address}</id>`,
    `<updated>${new Date().toISOString()}</updated><link rel="self" href="${address}"/>${next}${page.join("")}</feed>`,
  ].join("");
}

export const atomError = (status: number, detail: string): string =>
  `<Error><Code>${status}</Code><Detail>${escapeXml(detail)}</Detail></Error>`;
