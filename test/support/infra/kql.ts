/**
 * Judges KQL with the parser of Azure's own editors: syntax, and every table, column and function, by the tables that a
 * Log Analytics workspace has.
 */
import { createRequire } from "node:module";
import * as z from "zod";

/** Columns that every table has, by the references of https://learn.microsoft.com/azure/azure-monitor/reference/tables. */
const COMMON = "TimeGenerated: datetime, _ResourceId: string, Type: string";
const APP = "AppRoleName: string, AppRoleInstance: string, OperationId: string, Properties: dynamic, ItemCount: int";

/** The columns that queries may use. A new column is added here, from the reference. */
const TABLES: Readonly<Record<string, string>> = {
  AppMetrics: `${APP}, Name: string, Sum: real, Min: real, Max: real`,
  AppRequests: `${APP}, Id: string, ParentId: string, Name: string, DurationMs: real, Success: bool, ResultCode: string`,
  AppDependencies: `${APP}, Id: string, ParentId: string, Name: string, DurationMs: real, Success: bool, ResultCode: string`,
  AppTraces: `${APP}, Message: string, SeverityLevel: int`,
  AppServiceConsoleLogs: "Level: string, ResultDescription: string",
  AutoscaleScaleActionsLog:
    "ResourceId: string, CurrentInstanceCount: int, NewInstanceCount: int, ScaleDirection: string, ResultType: string",
  Usage: "DataType: string, Quantity: real, IsBillable: bool",
  // A function of the workspace, with the columns of a table.
  _LogOperation: "Category: string, Operation: string, Level: string, Detail: string",
};

/** What the parser makes of a query. */
export interface JudgedQuery {
  /** None: the list is empty. */
  readonly problems: readonly string[];
  /** The columns of its result. */
  readonly columns: readonly string[];
}

interface Diagnostic {
  readonly Message: string;
  readonly Severity: string;
}
interface List<Item> {
  readonly Count: number;
  getItem(index: number): Item;
}
/** The part of the parser that is used here. It was written in C#, and its constructors are numbered. */
interface Kusto {
  readonly Symbols: {
    readonly TableSymbol: { readonly $ctor7: new (name: string, schema: string, description: string | null) => object };
    readonly DatabaseSymbol: { readonly ctor: new (name: string, members: readonly object[]) => object };
  };
  readonly GlobalState: { readonly Default: { WithDatabase(database: object): object } };
  readonly KustoCode: {
    ParseAndAnalyze(
      text: string,
      globals: object,
    ): {
      GetDiagnostics(): List<Diagnostic>;
      readonly ResultType: { readonly Columns?: List<{ readonly Name: string }> } | null;
    };
  };
}

/** The package has no module format: its two files write to the global object. */
function loadKusto(): Kusto {
  const load = createRequire(import.meta.url);
  load("@kusto/language-service-next/bridge.min.js");
  load("@kusto/language-service-next/Kusto.Language.Bridge.min.js");
  const { Language } = z.object({ Language: z.custom<Kusto>() }).parse(Reflect.get(globalThis, "Kusto"));
  return Language;
}

const itemsOf = <Item>(list: List<Item> | undefined): readonly Item[] =>
  Array.from({ length: list?.Count ?? 0 }, (_, index) => list?.getItem(index)).filter((item) => item !== undefined);

export function createKqlJudge(): (kql: string) => JudgedQuery {
  const { Symbols, GlobalState, KustoCode } = loadKusto();
  const tables = Object.entries(TABLES).map(
    ([name, columns]) => new Symbols.TableSymbol.$ctor7(name, `(${COMMON}, ${columns})`, null),
  );
  const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", tables));
  return (kql) => {
    const parsed = KustoCode.ParseAndAnalyze(kql, globals);
    return {
      problems: itemsOf(parsed.GetDiagnostics()).map(({ Severity, Message }) => `${Severity}: ${Message}`),
      columns: itemsOf(parsed.ResultType?.Columns).map(({ Name }) => Name),
    };
  };
}
