/** Code blocks of the documents, and a compiler for those in TypeScript. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";
import { ROOT } from "./document-tables.ts";

export interface CodeBlock {
  /** Document and line of its first line of code, as `README.md:32`. */
  readonly place: string;
  readonly language: string;
  readonly code: string;
}

const inDocs = (await readdir(join(ROOT, "docs"), { recursive: true })).filter((name) => name.endsWith(".md"));
const rooms = await readdir(join(ROOT, "runtime"));
/** Documents for people who use or change the project, from the root. */
export const DOCUMENTS: readonly string[] = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  ...inDocs.map((name) => join("docs", name)),
  ...rooms.map((room) => join("runtime", room, "README.md")),
];

/** All blocks of a document that name a language, in order. */
export async function codeBlocks(document: string): Promise<readonly CodeBlock[]> {
  const text = await readFile(join(ROOT, document), "utf8");
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map((match) => ({
    place: `${document}:${text.slice(0, match.index).split("\n").length + 1}`,
    language: match[1] ?? "",
    code: match[2] ?? "",
  }));
}

/**
 * Compiles files that exist in memory only, as strictly as this project is compiled, and returns every problem. Their
 * names begin at the root.
 */
export function compile(files: ReadonlyMap<string, string>): readonly string[] {
  const sources = new Map([...files].map(([name, code]) => [join(ROOT, name), code]));
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.json"), (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const disk = ts.createCompilerHost(options);
  host.fileExists = (name) => sources.has(name) || disk.fileExists(name);
  host.directoryExists = (name) =>
    [...sources.keys()].some((source) => source.startsWith(`${name}/`)) || disk.directoryExists?.(name) === true;
  host.readFile = (name) => sources.get(name) ?? disk.readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const code = sources.get(name);
    return code === undefined ? disk.getSourceFile(name, version, ...rest) : ts.createSourceFile(name, code, version);
  };
  const program = ts.createProgram([...sources.keys()], { ...options, incremental: false }, host);
  return [...sources.keys()].flatMap((name) =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(name)).map(({ messageText, file, start }) => {
      const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
      return `${name.slice(ROOT.length + 1)} line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    }),
  );
}
