import { existsSync, globSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { DOCUMENTS } from "../../support/docs/code-blocks.ts";
import { codesIn, ROOT, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";

interface Room {
  readonly room: string;
  readonly imports: readonly string[];
  readonly types?: readonly string[];
  /** The only libraries it may import; absent: any, and Node's own. */
  readonly pure?: readonly string[];
}

const { ROOMS: rooms } = (await import(pathToFileURL(join(ROOT, ".dependency-cruiser.mjs")).href)) as {
  readonly ROOMS: readonly Room[];
};

const foldersIn = (path: string): readonly string[] =>
  readdirSync(join(ROOT, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^(?:\..*|node_modules|coverage|dist)$/.test(entry.name))
    .map(({ name }) => name);

const exists = (...patterns: readonly string[]): boolean =>
  patterns.some((pattern) => existsSync(join(ROOT, pattern)) || globSync(pattern, { cwd: ROOT }).length > 0);

/** The right column of a room's row. */
function mayImport({ imports, types = [], pure }: Room): string {
  const code = (names: readonly string[]) => names.map((name) => `\`${name.replace(/^runtime\//, "")}\``).join(", ");
  const values = imports.includes("runtime") ? "everything in `runtime`" : imports.length === 0 ? "" : code(imports);
  const parts = [
    values,
    types.length > 0 ? `types of ${code(types)}` : "",
    pure === undefined ? "" : pure.length > 0 ? `no library but ${code(pure)}` : "no library",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "nothing of ours" : parts.join("; ");
}

/** A fork may delete these folders, and need not change the map for it. */
const OPTIONAL: ReadonlySet<string> = new Set(["packages", "packages-sample"]);

const architecture = await readFile(join(ROOT, "ARCHITECTURE.md"), "utf8");
const map = rowsOf(sectionOf(architecture, "## Where things are")).map(([folder = "", holds = "", imports = ""]) => ({
  folder: codesIn(folder)[0] ?? "",
  holds,
  imports,
}));

describe("the map in ARCHITECTURE.md", () => {
  it.each(rooms)("the map says what $room may import, as the import rules do", (room) => {
    expect(map.find(({ folder }) => folder === room.room)?.imports).toBe(mayImport(room));
  });

  it("the map has a row for every folder of runtime and of the root", () => {
    const folders = [...foldersIn("."), ...foldersIn("runtime").map((name) => `runtime/${name}`)];
    const rows = map.map(({ folder }) => folder);
    expect(folders.filter((folder) => folder !== "runtime" && !rows.includes(folder))).toEqual([]);
  });

  it("the map has a row for every room with import rules, and none twice", () => {
    const rows = map.map(({ folder }) => folder);
    expect(rooms.map(({ room }) => room).filter((room) => !rows.includes(room))).toEqual([]);
    expect(new Set(rows).size).toBe(rows.length);
  });

  it("the map names folders that exist", () => {
    const named = map.flatMap(({ folder, holds }) => [
      folder,
      ...codesIn(holds)
        .filter((code) => code.endsWith("/"))
        .map((code) => join(folder, code)),
    ]);
    expect(named.filter((folder) => !exists(folder) && !OPTIONAL.has(folder))).toEqual([]);
  });
});

describe("the README of a room", () => {
  it.each(foldersIn("runtime"))("the README of runtime/%s is short and names a file to start with", async (room) => {
    const text = await readFile(join(ROOT, "runtime", room, "README.md"), "utf8");
    const lines = text.split("\n").filter((line) => line !== "");
    expect(lines[0]).toBe(`# ${room}`);
    expect(lines.length).toBeLessThanOrEqual(8);
    expect(text).toContain("does not");
    expect(text).toMatch(/Start (?:reading )?(?:with|at) \[/);
  });
});

/** Folders by whose name a path is known to be meant. */
const PLACES = new Set([...foldersIn("."), ...foldersIn("runtime")]);
/** Files of a package that a guide shows, and what they are bundled to. */
const AUTHORS = /^(?:src|dist)\//;
/** Releases before this one had other paths. */
const CURRENT = DOCUMENTS.filter((document) => document !== "CHANGELOG.md");

/** Code spans that name a file or folder of ours: `core/job/ids.ts`, `runtime/azure/`, `test/unit/*.test.ts`. */
function pathsIn(text: string): readonly string[] {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, "");
  return codesIn(prose).filter(
    (code) =>
      /^[\w.@*{},-]+(?:\/[\w.*{},-]*)+$/.test(code) &&
      !AUTHORS.test(code) &&
      (PLACES.has(code.split("/")[0] ?? "") || /\.(?:ts|mts|mjs|md)$/.test(code)),
  );
}

describe("paths in documents", () => {
  it("paths in documents are found", () => {
    expect(pathsIn(architecture).length).toBeGreaterThan(30);
    expect(pathsIn("`core/job/ids.ts`, `text/plain`, `jobyard/job`, `infra/`, `src/a.ts`")).toEqual([
      "core/job/ids.ts",
      "infra/",
    ]);
  });

  it.each(CURRENT)("paths in %s exist from the root or from runtime", async (document) => {
    const paths = pathsIn(await readFile(join(ROOT, document), "utf8"));
    expect(paths.filter((path) => !exists(path, join("runtime", path)))).toEqual([]);
  });

  it("file names in ARCHITECTURE.md exist", () => {
    const files = globSync("{runtime,infra,test,bench}/**/*.{ts,mjs}", { cwd: ROOT, exclude: ["**/node_modules"] }).map(
      (path) => basename(path),
    );
    const names = codesIn(architecture).filter((code) => /^[\w.-]+\.(?:ts|mjs)$/.test(code));
    expect(names.filter((name) => !files.includes(name))).toEqual([]);
  });
});
