/** Atom documents around descriptions. */
import { escapeXml } from "./xml.ts";

export interface AtomEntry {
  /** The path of the resource; the SDK reads names from it. */
  readonly path: string;
  readonly content: string;
}

/** The dollar of `$Default` stays one: the SDK takes names as they stand in addresses. */
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

/** One page of a list, with the address of the next one if there is more. */
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
