/** Finds the source files of a package that can declare jobs, and parses them. */
import { readFileSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import ts from "typescript";
import { messageOf } from "../../core/errors.ts";
import { decodeUtf8 } from "../../core/json.ts";
import { PackError, type PackProblem, type SourcePosition } from "./problem.ts";

/** A source file that imports `jobyard/job`. */
export interface SourceText {
  /** Relative to the package, with forward slashes. */
  readonly file: string;
  readonly text: string;
}

export const JOB_MODULE = "jobyard/job";

const SOURCE = /\.[cm]?[jt]sx?$/;
const NOT_SOURCE = /\.d\.[cm]?ts$|\.(?:test|spec)\.[cm]?[jt]sx?$/;
export const isSourceFile = (file: string): boolean => SOURCE.test(file) && !NOT_SOURCE.test(file);

/** Path of a source file's code in the package. */
export const outputOf = (file: string): string => file.replace(SOURCE, ".mjs");

/** Dependencies, build results and tests declare no jobs. */
const SKIPPED = new Set(["node_modules", "dist", "coverage", "test", "tests", "__tests__"]);

/**
 * Sorted by name, so that the result does not depend on the disk. Throws PackError for files that are not UTF-8,
 * because their texts would change.
 */
export async function readJobSources(directory: string): Promise<SourceText[]> {
  const problems: PackProblem[] = [];
  const sources: SourceText[] = [];
  const files = await listSources(directory, "");
  const contents = await Promise.all(files.map((file) => readFile(join(directory, file))));
  for (const [index, file] of files.entries()) {
    const content = contents[index];
    // Removes the zero bytes of UTF-16.
    if (!content?.toString("latin1").replaceAll("\0", "").includes(JOB_MODULE)) continue;
    try {
      sources.push({ file, text: decodeUtf8(content) });
    } catch (error) {
      problems.push({ message: `${file} ${messageOf(error)}.` });
    }
  }
  if (problems.length > 0) throw new PackError(problems);
  return sources;
}

async function listSources(directory: string, below: string): Promise<string[]> {
  const entries = await readdir(join(directory, below), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) return [];
      if (entry.isDirectory()) return listSources(directory, path);
      return entry.isFile() && isSourceFile(entry.name) ? [path] : [];
    }),
  );
  return found.flat().sort();
}

/** A parsed source file. */
export interface SourceModule {
  /** Relative to the package, with forward slashes. */
  readonly file: string;
  readonly source: ts.SourceFile;
  /** `const` declarations at the top level. */
  readonly constants: ReadonlyMap<string, ts.Expression>;
  /** Local names of imports. */
  readonly imports: ReadonlyMap<string, ImportedName>;
}

export interface ImportedName {
  readonly specifier: string;
  /** "*" for `import * as name`. */
  readonly name: string;
}

export interface FoundConstant {
  readonly module: SourceModule;
  readonly node: ts.Expression;
}

export interface SourceModules {
  parse(source: SourceText): SourceModule;
  /** The module of a relative specifier; undefined for other specifiers and missing files. */
  load(from: SourceModule, specifier: string): SourceModule | undefined;
  /** The value of a `const` with this name, declared here or in the relative module that it is imported from. */
  constant(module: SourceModule, name: string): FoundConstant | undefined;
}

export function createSourceModules(directory: string): SourceModules {
  const byFile = new Map<string, SourceModule | undefined>();

  function parse({ file, text }: SourceText): SourceModule {
    const known = byFile.get(file);
    if (known !== undefined) return known;
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const module = { file, source, constants: constantsOf(source), imports: importsOf(source) };
    byFile.set(file, module);
    return module;
  }

  function load(from: SourceModule, specifier: string): SourceModule | undefined {
    if (!specifier.startsWith(".")) return undefined;
    for (const file of candidates(posix.join(posix.dirname(from.file), specifier))) {
      if (byFile.has(file)) return byFile.get(file);
      const text = readIfThere(join(directory, file));
      if (text !== undefined) return parse({ file, text });
    }
    return undefined;
  }

  function constant(module: SourceModule, name: string, depth = 0): FoundConstant | undefined {
    const node = module.constants.get(name);
    if (node !== undefined) return { module, node };
    const imported = module.imports.get(name);
    const target = imported === undefined || depth > 10 ? undefined : load(module, imported.specifier);
    return target === undefined || imported === undefined ? undefined : constant(target, imported.name, depth + 1);
  }

  return { parse, load, constant };
}

/**
 * The files that a relative specifier can mean. TypeScript can be imported with its own ending or with JavaScript's.
 */
function candidates(path: string): string[] {
  const bare = path.replace(/\.([cm]?)js$/, "");
  return [
    path,
    `${bare}.ts`,
    `${bare}.mts`,
    `${path}.ts`,
    `${path}.js`,
    `${path}.mjs`,
    `${path}/index.ts`,
    `${path}/index.js`,
  ];
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function constantsOf(source: ts.SourceFile): Map<string, ts.Expression> {
  const constants = new Map<string, ts.Expression>();
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement) || (statement.declarationList.flags & ts.NodeFlags.Const) === 0) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (ts.isIdentifier(name) && initializer !== undefined) constants.set(name.text, initializer);
    }
  }
  return constants;
}

function importsOf(source: ts.SourceFile): Map<string, ImportedName> {
  const imports = new Map<string, ImportedName>();
  for (const statement of source.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const specifier = statement.moduleSpecifier.text;
    const { name, namedBindings } = statement.importClause ?? {};
    if (name !== undefined) imports.set(name.text, { specifier, name: "default" });
    if (namedBindings === undefined) continue;
    if (ts.isNamespaceImport(namedBindings)) imports.set(namedBindings.name.text, { specifier, name: "*" });
    else {
      for (const element of namedBindings.elements) {
        imports.set(element.name.text, { specifier, name: (element.propertyName ?? element.name).text });
      }
    }
  }
  return imports;
}

export function positionOf({ source, file }: Pick<SourceModule, "source" | "file">, node: ts.Node): SourcePosition {
  const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source));
  return { file, line: line + 1, column: character + 1 };
}
