/**
 * Finds the jobs a package declares, by reading its source. A job is an exported call of `defineJob`; its type, retry
 * policy and timeout are constants, because nobody wants to run a package to learn what is in it.
 */
import ts from "typescript";
import { type JobDeclaration, readDeclaration } from "./declaration.ts";
import { createEvaluator, unwrap } from "./evaluate.ts";
import { exportsOf } from "./exports.ts";
import { PackError, type PackProblem, type SourcePosition, showPosition } from "./problem.ts";
import { JOB_MODULE, type SourceText } from "./source-files.ts";
import { type SourceModule, createSourceModules, positionOf } from "./source-modules.ts";

export interface ScanResult {
  readonly jobs: readonly JobDeclaration[];
  /** The file that exports `setup`. */
  readonly setupFile: string | undefined;
  readonly warnings: readonly PackProblem[];
}

/** Throws PackError with every problem found in any of the files. */
export function scanSources(directory: string, sources: readonly SourceText[]): ScanResult {
  const modules = createSourceModules(directory);
  const evaluate = createEvaluator(modules);
  const problems: PackProblem[] = [];
  const warnings: PackProblem[] = [];
  const jobs: JobDeclaration[] = [];
  const setups: SourcePosition[] = [];

  for (const source of sources) {
    const module = modules.parse(source);
    const syntax = syntaxProblems(source);
    problems.push(...syntax);
    if (syntax.length > 0 || !importsJobModule(module)) continue;
    scanModule(module);
  }

  function scanModule(module: SourceModule): void {
    const exported = exportsOf(module);
    const setup = exported.find(({ name }) => name === "setup");
    if (setup !== undefined) setups.push(positionOf(module, setup.node));

    const declared = new Set<ts.Node>();
    for (const { name, value } of exported) {
      const call = value === undefined ? undefined : callOfDefineJob(module, value);
      if (call === undefined || declared.has(call)) continue;
      declared.add(call);
      const job = readDeclaration(module, call, name, { evaluate, problems });
      if (job !== undefined) jobs.push(job);
    }
    warnAboutOthers(module, declared);
  }

  /** The call behind an exported value, seen through constants; undefined if it is something else. */
  function callOfDefineJob(module: SourceModule, value: ts.Expression, depth = 0): ts.CallExpression | undefined {
    const inner = unwrap(value);
    if (ts.isCallExpression(inner)) return isDefineJob(module, inner.expression) ? inner : undefined;
    if (!ts.isIdentifier(inner) || depth > 10) return undefined;
    const constant = module.constants.get(inner.text);
    return constant === undefined ? undefined : callOfDefineJob(module, constant, depth + 1);
  }

  function warnAboutOthers(module: SourceModule, declared: ReadonlySet<ts.Node>): void {
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && !declared.has(node) && isDefineJob(module, node.expression)) {
        const message = "This job is declared but not exported from its file, so it is not part of the package.";
        warnings.push({ message, position: positionOf(module, node) });
      }
      ts.forEachChild(node, visit);
    };
    visit(module.source);
  }

  problems.push(...repeatedTypes(jobs), ...repeatedSetups(setups));
  if (problems.length > 0) throw new PackError(problems);
  return { jobs: jobs.sort((a, b) => compare(a.jobType, b.jobType)), setupFile: setups[0]?.file, warnings };
}

/** By code units: the same everywhere, unlike the order of a locale. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const importsJobModule = ({ source }: SourceModule): boolean =>
  source.statements.some(
    (statement) =>
      ts.isImportDeclaration(statement) &&
      ts.isStringLiteral(statement.moduleSpecifier) &&
      statement.moduleSpecifier.text === JOB_MODULE,
  );

/** `defineJob`, under whatever name it was imported, also as a property of `import * as`. */
function isDefineJob(module: SourceModule, callee: ts.Expression): boolean {
  const inner = unwrap(callee);
  if (ts.isIdentifier(inner)) {
    const imported = module.imports.get(inner.text);
    return imported?.specifier === JOB_MODULE && imported.name === "defineJob";
  }
  if (!ts.isPropertyAccessExpression(inner) || inner.name.text !== "defineJob") return false;
  const namespace = unwrap(inner.expression);
  if (!ts.isIdentifier(namespace)) return false;
  const imported = module.imports.get(namespace.text);
  return imported?.specifier === JOB_MODULE && imported.name === "*";
}

function syntaxProblems({ file, text }: SourceText): PackProblem[] {
  const { diagnostics = [] } = ts.transpileModule(text, {
    fileName: file,
    reportDiagnostics: true,
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
  });
  return diagnostics
    .filter(({ category }) => category === ts.DiagnosticCategory.Error)
    .map(({ file: source, start = 0, messageText }) => {
      const { line, character } = source?.getLineAndCharacterOfPosition(start) ?? { line: 0, character: 0 };
      const message = ts.flattenDiagnosticMessageText(messageText, "\n");
      return { message, position: { file, line: line + 1, column: character + 1 } };
    });
}

function* repeatedTypes(jobs: readonly JobDeclaration[]): Generator<PackProblem> {
  const first = new Map<string, JobDeclaration>();
  for (const job of jobs) {
    const earlier = first.get(job.jobType);
    if (earlier === undefined) first.set(job.jobType, job);
    else {
      const message = `Job type ${JSON.stringify(job.jobType)} is declared already, at ${showPosition(earlier.position)}.`;
      yield { message, position: job.position };
    }
  }
}

function* repeatedSetups([first, ...others]: readonly SourcePosition[]): Generator<PackProblem> {
  for (const position of others) {
    const where = first === undefined ? "" : `, at ${showPosition(first)}`;
    yield { message: `A package has one setup; there is one already${where}.`, position };
  }
}
