/** Reads calls of `defineSettings`, with `secret`, and of `defineIdentity` from the source, without running it. */
import ts from "typescript";
import type { z } from "zod";
import { fieldProblems } from "../../core/package/manifest-fields.ts";
import { settingNameSchema, settingOptionsSchema } from "../../core/package/manifest-settings.ts";
import type { ManifestSetting } from "../../core/package/manifest.ts";
import { tokenAudiences } from "../../core/package/token-audience.ts";
import { type Constant, NotConstant, propertyOf, unwrap } from "./constant-expressions.ts";
import { type DeclarationScan, literalOf } from "./declarations.ts";
import type { SourcePosition } from "./problem.ts";
import { type SourceModule, positionOf } from "./source-modules.ts";

export interface SettingsDeclaration {
  readonly settings: readonly ManifestSetting[];
  readonly position: SourcePosition;
}

export interface IdentityDeclaration {
  readonly audiences: readonly string[];
  readonly position: SourcePosition;
}

/** The name in `jobyard/job` of what is called, if it comes from there. */
type ImportedFromJobModule = (module: SourceModule, callee: ts.Expression) => string | undefined;

const CONSTANT = "must be a constant: jobyard pack reads it from the source without running it.";

/** Sorted by name. Adds a problem for each setting that cannot be read. */
export function readSettings(
  module: SourceModule,
  call: ts.CallExpression,
  imported: ImportedFromJobModule,
  scan: DeclarationScan,
): SettingsDeclaration {
  const position = positionOf(module, call);
  const literal = literalOf(module, call);
  if (literal === undefined) refuse(scan, module, call, "defineSettings expects an object literal here.");
  const settings = (literal?.properties ?? []).flatMap((property) => {
    const [name, expression] = propertyOf(property);
    if (name === undefined || expression === undefined) {
      refuse(scan, module, property, `Each setting ${CONSTANT}`);
      return [];
    }
    const named = settingNameSchema.safeParse(name);
    if (!named.success) refuse(scan, module, property, `${name}: ${fieldProblems(named.error)[0]?.message ?? ""}.`);
    const options = optionsOf(module, expression, imported, scan);
    if (options instanceof NotConstant) {
      refuse(scan, options.module, options.node, `The options of ${name} ${CONSTANT} Or write secret({ … }).`);
      return [];
    }
    const checked = check(settingOptionsSchema, options, name, module, property, scan);
    return checked === undefined ? [] : [{ name, ...checked }];
  });
  return { settings: settings.sort((a, b) => (a.name < b.name ? -1 : 1)), position };
}

/** Of `{ … }`, or of `secret({ … })`. */
function optionsOf(
  module: SourceModule,
  expression: ts.Expression,
  imported: ImportedFromJobModule,
  { evaluate }: DeclarationScan,
): Constant | NotConstant {
  const inner = unwrap(expression);
  if (!ts.isCallExpression(inner)) return evaluate(inner, module);
  if (imported(module, inner.expression) !== "secret") return new NotConstant(module, inner);
  const [argument] = inner.arguments;
  const options = argument === undefined ? {} : evaluate(argument, module);
  return typeof options === "object" && options !== null && !(options instanceof NotConstant)
    ? { ...options, secret: true }
    : new NotConstant(module, argument ?? inner);
}

export function readIdentity(
  module: SourceModule,
  call: ts.CallExpression,
  scan: DeclarationScan,
): IdentityDeclaration {
  const position = positionOf(module, call);
  const property = literalOf(module, call)?.properties.find((one) => propertyOf(one)[0] === "audiences");
  const [, expression] = property === undefined ? [] : propertyOf(property);
  const list = expression && unwrap(expression);
  if (list === undefined || !ts.isArrayLiteralExpression(list)) {
    refuse(scan, module, call, 'defineIdentity expects { audiences: ["https://…"] } here, as literals.');
    return { audiences: [], position };
  }
  const values = list.elements.map((element) => scan.evaluate(element, module));
  for (const value of values) {
    if (value instanceof NotConstant) refuse(scan, value.module, value.node, `An audience ${CONSTANT}`);
  }
  const constants = values.filter((value) => !(value instanceof NotConstant));
  return { audiences: check(tokenAudiences, constants, "audiences", module, list, scan)?.toSorted() ?? [], position };
}

function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
  name: string,
  module: SourceModule,
  node: ts.Node,
  scan: DeclarationScan,
): T | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const { target, message } of fieldProblems(result.error)) {
    refuse(scan, module, node, `${target === "" ? name : `${name}.${target}`}: ${message}.`);
  }
  return undefined;
}

const refuse = ({ problems }: DeclarationScan, module: SourceModule, node: ts.Node, message: string): void =>
  void problems.push({ message, position: positionOf(module, node) });
