/**
 * Finds the jobs, timers, settings and identity of a package by reading its source. They are exported calls of `defineJob`,
 * `scalableTimerJob`, `defineSettings` and `defineIdentity` with constant options, so that packing need not run the code.
 */
import ts from "typescript";
import { type JobDeclaration, type TimerDeclaration, readDeclaration, readTimerDeclaration } from "./declarations.ts";
import { createEvaluator, unwrap } from "./constant-expressions.ts";
import {
  type IdentityDeclaration,
  type SettingsDeclaration,
  readIdentity,
  readSettings,
} from "./package-declarations.ts";
import { PackError, type PackProblem, type SourcePosition, showPosition } from "./problem.ts";
import {
  type ImportedName,
  JOB_MODULE,
  type SourceModule,
  type SourceText,
  createSourceModules,
  positionOf,
} from "./source-modules.ts";

export interface ScanResult {
  /** Sorted by type, including those of timers. */
  readonly jobs: readonly JobDeclaration[];
  /** Sorted by name. */
  readonly timers: readonly TimerDeclaration[];
  /** Undefined: none are declared. */
  readonly settings: SettingsDeclaration | undefined;
  readonly identity: IdentityDeclaration | undefined;
  /** The file that exports `setup`. */
  readonly setupFile: string | undefined;
  readonly warnings: readonly PackProblem[];
}

/** The functions of the job SDK that declare something, and what. */
const DECLARING = {
  defineJob: "job",
  scalableTimerJob: "timer",
  defineSettings: "list of settings",
  defineIdentity: "identity",
} as const;
type Declaring = keyof typeof DECLARING;
const isDeclaring = (name: string): name is Declaring => Object.hasOwn(DECLARING, name);

/** Throws PackError with all problems of all files. */
export function scanSources(directory: string, sources: readonly SourceText[]): ScanResult {
  const modules = createSourceModules(directory);
  const evaluate = createEvaluator(modules);
  const problems: PackProblem[] = [];
  const warnings: PackProblem[] = [];
  const jobs: JobDeclaration[] = [];
  const timers: TimerDeclaration[] = [];
  const settings: SettingsDeclaration[] = [];
  const identities: IdentityDeclaration[] = [];
  /** Identified by their declaration: an export from several files is one. */
  const setups = new Map<string, SourcePosition>();

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
    if (setup !== undefined) {
      const origin = originOf(module, setup);
      // The declaring file is preferred to one that only exports it again.
      if (setup.from === undefined || !setups.has(origin)) setups.set(origin, positionOf(module, setup.node));
    }

    const declared = new Set<ts.Node>();
    for (const { name, value } of exported) {
      const found = value === undefined ? undefined : declarationBehind(module, value);
      if (found === undefined || declared.has(found.call)) continue;
      declared.add(found.call);
      declare(module, found, name);
    }
    warnAboutOthers(module, declared);
  }

  /** Resolves a chain of re-exports to its file and export. */
  function originOf(module: SourceModule, { name, from }: Exported, depth = 0): string {
    const target = from === undefined || depth > 10 ? undefined : modules.load(module, from.specifier);
    const behind = target && exportsOf(target).find((exported) => exported.name === from?.name);
    return target === undefined || behind === undefined
      ? `${module.file}#${name}`
      : originOf(target, behind, depth + 1);
  }

  function declare(module: SourceModule, { call, by }: DeclaringCall, exportName: string): void {
    const context = { evaluate, problems, warnings };
    if (by === "defineJob") {
      const job = readDeclaration(module, call, exportName, context);
      if (job !== undefined) jobs.push(job);
      return;
    }
    if (by === "defineSettings") {
      settings.push(readSettings(module, call, importedFromJobModule, context));
      return;
    }
    if (by === "defineIdentity") {
      identities.push(readIdentity(module, call, context));
      return;
    }
    const timer = readTimerDeclaration(module, call, exportName, context);
    if (timer === undefined) return;
    timers.push(timer);
    jobs.push(timer.job);
  }

  /** The call behind an exported value, through constants; undefined if it is something else. */
  function declarationBehind(module: SourceModule, value: ts.Expression, depth = 0): DeclaringCall | undefined {
    const inner = unwrap(value);
    if (ts.isCallExpression(inner)) {
      const by = declaringFunction(module, inner.expression);
      return by === undefined ? undefined : { call: inner, by };
    }
    if (!ts.isIdentifier(inner) || depth > 10) return undefined;
    const constant = module.constants.get(inner.text);
    return constant === undefined ? undefined : declarationBehind(module, constant, depth + 1);
  }

  function warnAboutOthers(module: SourceModule, declared: ReadonlySet<ts.Node>): void {
    const visit = (node: ts.Node): void => {
      const by = ts.isCallExpression(node) && !declared.has(node) && declaringFunction(module, node.expression);
      if (by) {
        const message = `This ${DECLARING[by]} is declared but not exported from its file, so it is not part of the package.`;
        warnings.push({ message, position: positionOf(module, node) });
      }
      ts.forEachChild(node, visit);
    };
    visit(module.source);
  }

  problems.push(
    ...repeatedTypes(jobs),
    ...moreThanOne("setup", [...setups.values()]),
    ...moreThanOne(
      DECLARING.defineSettings,
      settings.map(({ position }) => position),
    ),
    ...moreThanOne(
      DECLARING.defineIdentity,
      identities.map(({ position }) => position),
    ),
  );
  if (problems.length > 0) throw new PackError(problems);
  return {
    jobs: jobs.sort((a, b) => compare(a.jobType, b.jobType)),
    timers: timers.sort((a, b) => compare(a.timer.timerName, b.timer.timerName)),
    settings: settings[0],
    identity: identities[0],
    setupFile: setups.values().next().value?.file,
    warnings,
  };
}

interface DeclaringCall {
  readonly call: ts.CallExpression;
  readonly by: Declaring;
}

/** By code units, which are the same in every locale. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const importsJobModule = ({ source }: SourceModule): boolean =>
  source.statements.some(
    (statement) =>
      ts.isImportDeclaration(statement) &&
      ts.isStringLiteral(statement.moduleSpecifier) &&
      statement.moduleSpecifier.text === JOB_MODULE,
  );

function declaringFunction(module: SourceModule, callee: ts.Expression): Declaring | undefined {
  const name = importedFromJobModule(module, callee);
  return name !== undefined && isDeclaring(name) ? name : undefined;
}

/** The name in the job SDK of a function such as `defineJob`, under any import name, also as a property of `import * as`. */
function importedFromJobModule(module: SourceModule, callee: ts.Expression): string | undefined {
  const inner = unwrap(callee);
  if (ts.isIdentifier(inner)) {
    const imported = module.imports.get(inner.text);
    return imported?.specifier === JOB_MODULE ? imported.name : undefined;
  }
  if (!ts.isPropertyAccessExpression(inner)) return undefined;
  const namespace = unwrap(inner.expression);
  if (!ts.isIdentifier(namespace)) return undefined;
  const imported = module.imports.get(namespace.text);
  const isWhole = imported?.specifier === JOB_MODULE && imported.name === "*";
  return isWhole ? inner.name.text : undefined;
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

function* moreThanOne(what: string, [first, ...others]: readonly SourcePosition[]): Generator<PackProblem> {
  for (const position of others) {
    const where = first === undefined ? "" : `; the first one is at ${showPosition(first)}`;
    yield { message: `A package can have only one ${what}${where}.`, position };
  }
}

export interface Exported {
  readonly name: string;
  readonly node: ts.Node;
  /** Absent for functions, classes and re-exports. */
  readonly value?: ts.Expression;
  /** For a re-export: its target. */
  readonly from?: ImportedName;
}

/** The named exports of a source file; the default export comes first. `export *` is ignored. */
function exportsOf(module: SourceModule): Exported[] {
  return module.source.statements
    .flatMap((statement) => exportsOfStatement(statement, module))
    .sort((a, b) => Number(b.name === "default") - Number(a.name === "default"));
}

function exportsOfStatement(statement: ts.Statement, module: SourceModule): Exported[] {
  if (ts.isExportAssignment(statement) && statement.isExportEquals !== true) {
    return [{ name: "default", node: statement, value: statement.expression }];
  }
  if (ts.isExportDeclaration(statement)) return namedExports(statement, module);
  if (!isExported(statement)) return [];
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name, initializer }) =>
      ts.isIdentifier(name)
        ? [{ name: name.text, node: name, ...(initializer === undefined ? {} : { value: initializer }) }]
        : [],
    );
  }
  if (ts.isFunctionDeclaration(statement) && statement.name !== undefined) {
    return [{ name: statement.name.text, node: statement.name }];
  }
  return [];
}

function namedExports(statement: ts.ExportDeclaration, { constants, imports }: SourceModule): Exported[] {
  const { exportClause, moduleSpecifier, isTypeOnly } = statement;
  if (isTypeOnly || exportClause === undefined || !ts.isNamedExports(exportClause)) return [];
  return exportClause.elements.map((element) => {
    const exported = { name: element.name.text, node: element };
    const local = (element.propertyName ?? element.name).text;
    if (moduleSpecifier !== undefined) {
      const specifier = ts.isStringLiteral(moduleSpecifier) ? moduleSpecifier.text : "";
      return { ...exported, from: { specifier, name: local } };
    }
    const value = constants.get(local);
    const from = imports.get(local);
    return { ...exported, ...(value !== undefined && { value }), ...(from !== undefined && { from }) };
  });
}

const isExported = (statement: ts.Statement): boolean =>
  ts.canHaveModifiers(statement) &&
  (ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false);
