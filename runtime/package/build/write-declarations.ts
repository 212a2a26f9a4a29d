/** Writes the types of some modules of this repository, for programs that have only its JavaScript. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";

/** Writes what the entries reach below `outDir`, in the folders of `runtime`. Throws for types that cannot be written. */
export async function writeDeclarations(root: string, entries: readonly string[], outDir: string): Promise<void> {
  const file = ts.readConfigFile(join(root, "tsconfig.json"), (path) => ts.sys.readFile(path));
  const {
    options: { tsBuildInfoFile: _cache, ...options },
  } = ts.parseJsonConfigFileContent({ ...(file.config as object), files: entries, include: [] }, ts.sys, root);
  const names = entries.map((entry) => join(root, entry));
  const written = new Map<string, string>();
  const program = ts.createProgram(names, {
    ...options,
    noEmit: false,
    incremental: false,
    declaration: true,
    emitDeclarationOnly: true,
    rewriteRelativeImportExtensions: true,
    rootDir: join(root, "runtime"),
    outDir,
  });
  const { diagnostics } = program.emit(undefined, (path, text) => written.set(resolve(path), text));
  if (diagnostics.length > 0) throw new Error(ts.formatDiagnostics(diagnostics, ts.createCompilerHost({})));
  const declarationOf = (path: string): string => path.replace(/\.[jt]s$/, ".d.ts");
  const waiting = names.map((name) => declarationOf(join(outDir, relative(join(root, "runtime"), name))));
  // The program has far more modules than these types name.
  for (const path of waiting) {
    const text = written.get(resolve(path));
    if (text === undefined) throw new Error(`${path} was not written.`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
      const imported = declarationOf(join(dirname(path), fileName));
      if (fileName.startsWith(".") && !waiting.includes(imported)) waiting.push(imported);
    }
  }
}
