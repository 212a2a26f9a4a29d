/**
 * A program of its own that checks the types of one folder at every save, as `tsc --watch` does, and reports all errors each
 * time. It ends with the process that has started it. In that process it would hold up every publish.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import type ts from "typescript";
import { messageOf } from "../../core/errors.ts";
import type { Problem } from "./dev-event.ts";
import type { TypeReport } from "./type-check.ts";

const [folder = "."] = process.argv.slice(2);

process.on("disconnect", () => process.exit());
const send = (report: TypeReport): void => void process.send?.(report);

/** The author's own version, if it has what is used here. */
async function compilerOf(): Promise<typeof ts> {
  try {
    const own = createRequire(join(folder, "package.json"))("typescript") as Partial<typeof ts>;
    if (own.createWatchProgram !== undefined) return own;
  } catch {
    // It has none.
  }
  return (await import("typescript")).default;
}

function watchTypes(compiler: typeof ts): void {
  const host = compiler.createWatchCompilerHost(
    join(folder, "tsconfig.json"),
    { noEmit: true },
    compiler.sys,
    compiler.createSemanticDiagnosticsBuilderProgram,
    // Errors of the configuration itself, which come before there is a program.
    (diagnostic) => send({ errors: [errorOf(diagnostic, compiler)] }),
    () => undefined,
  );
  host.afterProgramCreate = (program) => {
    const diagnostics = [
      ...program.getConfigFileParsingDiagnostics(),
      ...program.getOptionsDiagnostics(),
      ...program.getSyntacticDiagnostics(),
      ...program.getSemanticDiagnostics(),
    ];
    send({ errors: diagnostics.map((diagnostic) => errorOf(diagnostic, compiler)) });
  };
  compiler.createWatchProgram(host);
}

function errorOf({ file, start, code, messageText }: ts.Diagnostic, compiler: typeof ts): Problem {
  const message = `TS${code}: ${compiler.flattenDiagnosticMessageText(messageText, "\n")}`;
  if (file === undefined) return { message };
  const { line, character } = file.getLineAndCharacterOfPosition(start ?? 0);
  return { message, place: { file: file.fileName, line: line + 1, column: character + 1 } };
}

try {
  watchTypes(await compilerOf());
} catch (error) {
  send({ problem: messageOf(error) });
  process.disconnect();
}
