/**
 * test/fixtures/formats: what releases have written. Folder 1 has every format; each later folder has what was written
 * differently from then on. Files are only ever added.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../fixtures/formats", import.meta.url));

export interface Example {
  readonly written: unknown;
  /** What the release that wrote it made of it. */
  readonly read: unknown;
}

export interface FixtureFile {
  readonly version: string;
  readonly format: string;
  readonly examples: Readonly<Record<string, Example>>;
}

const versions = (): readonly string[] =>
  existsSync(ROOT) ? readdirSync(ROOT).toSorted((a, b) => Number(a) - Number(b)) : [];

export const formatFixtures = (): readonly FixtureFile[] =>
  versions().flatMap((version) =>
    readdirSync(join(ROOT, version))
      .filter((name) => name.endsWith(".json"))
      .map((name) => ({
        version,
        format: name.replace(/\.json$/, ""),
        examples: revived(readFileSync(join(ROOT, version, name), "utf8")),
      })),
  );

/** Packages as they were packed, by version. */
export const packageFixtures = (): readonly { readonly version: string; readonly file: string }[] =>
  versions().flatMap((version) => {
    const file = join(ROOT, version, "package.zip");
    return existsSync(file) ? [{ version, file }] : [];
  });

/** Into a folder behind the last one. */
export function addFixtures(
  formats: Readonly<Record<string, Record<string, Example>>>,
  zip: Uint8Array | undefined,
): void {
  const folder = join(ROOT, String(Number(versions().at(-1) ?? 0) + 1));
  mkdirSync(folder, { recursive: true });
  for (const [format, examples] of Object.entries(formats)) {
    writeFileSync(join(folder, `${format}.json`), `${JSON.stringify(dated(examples), undefined, 2)}\n`);
  }
  if (zip !== undefined) writeFileSync(join(folder, "package.zip"), zip);
}

/** Values as a fixture has them: a Date is told from a text, and what is undefined is not there. */
export const asStored = (value: unknown): unknown => JSON.parse(JSON.stringify(dated(value)));

function dated(value: unknown): unknown {
  if (value instanceof Date) return { $date: value.toISOString() };
  if (Array.isArray(value)) return value.map(dated);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, dated(field)]));
}

const revived = (text: string): Record<string, Example> =>
  JSON.parse(text, (_name, value: unknown) =>
    typeof value === "object" && value !== null && "$date" in value ? new Date(String(value.$date)) : value,
  ) as Record<string, Example>;
