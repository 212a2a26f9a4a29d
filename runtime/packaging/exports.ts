/** What a source file exports by name. What a re-export names is declared elsewhere; `export *` is left out. */
import ts from "typescript";
import type { ImportedName, SourceModule } from "./source-modules.ts";

export interface Exported {
  readonly name: string;
  readonly node: ts.Node;
  /** Absent for functions, classes and re-exports. */
  readonly value?: ts.Expression;
  /** Of a re-export: what it names. */
  readonly from?: ImportedName;
}

/** The default export first. */
export function exportsOf(module: SourceModule): Exported[] {
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
