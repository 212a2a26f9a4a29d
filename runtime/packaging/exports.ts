/** What a source file exports itself. Re-exports are left out: what they name is declared, and exported, elsewhere. */
import ts from "typescript";
import type { SourceModule } from "./source-modules.ts";

export interface Exported {
  readonly name: string;
  readonly node: ts.Node;
  /** Absent for functions and classes. */
  readonly value?: ts.Expression;
}

/** The default export first. */
export function exportsOf({ source, constants }: SourceModule): Exported[] {
  return source.statements
    .flatMap((statement) => exportsOfStatement(statement, constants))
    .sort((a, b) => Number(b.name === "default") - Number(a.name === "default"));
}

function exportsOfStatement(statement: ts.Statement, constants: SourceModule["constants"]): Exported[] {
  if (ts.isExportAssignment(statement) && statement.isExportEquals !== true) {
    return [{ name: "default", node: statement, value: statement.expression }];
  }
  if (ts.isExportDeclaration(statement)) return namedExports(statement, constants);
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

function namedExports(statement: ts.ExportDeclaration, constants: SourceModule["constants"]): Exported[] {
  const { exportClause, moduleSpecifier, isTypeOnly } = statement;
  if (moduleSpecifier !== undefined || isTypeOnly || exportClause === undefined || !ts.isNamedExports(exportClause)) {
    return [];
  }
  return exportClause.elements.map((element) => {
    const value = constants.get((element.propertyName ?? element.name).text);
    return { name: element.name.text, node: element, ...(value === undefined ? {} : { value }) };
  });
}

const isExported = (statement: ts.Statement): boolean =>
  ts.canHaveModifiers(statement) &&
  (ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false);
