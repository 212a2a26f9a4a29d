/**
 * What ARM takes for each resource, read from azure-native's own type declarations. They are generated from Azure's
 * specifications for the very API version that the provider calls, and hold only what can be written.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import ts from "typescript";

export type InputType =
  | { readonly kind: "anything" }
  | { readonly kind: "string" | "number" | "boolean" }
  | { readonly kind: "words"; readonly words: readonly unknown[] }
  | { readonly kind: "list"; readonly item: InputType }
  | { readonly kind: "map"; readonly value: InputType }
  /** A function, because types contain themselves. */
  | { readonly kind: "object"; readonly fields: () => Fields }
  | { readonly kind: "union"; readonly options: readonly InputType[] };

export type Fields = ReadonlyMap<string, { readonly type: InputType; readonly isRequired: boolean }>;

const require = createRequire(import.meta.url);
const PACKAGE = dirname(require.resolve("@pulumi/azure-native/package.json"));

/** The inputs of a resource, such as `azure-native:storage:StorageAccount`. */
export function inputFields(resourceType: string): Fields {
  const [, module = "", name = ""] = resourceType.split(":");
  const file = join(PACKAGE, module, `${name.charAt(0).toLowerCase()}${name.slice(1)}.d.ts`);
  const args = interfacesOf(parse(file, readFileSync(file, "utf8")).statements).get(`${name}Args`);
  if (args === undefined) throw new RangeError(`${file} has no ${name}Args.`);
  return fieldsOf(args);
}

type Interfaces = ReadonlyMap<string, ts.InterfaceDeclaration>;

const parse = (name: string, text: string): ts.SourceFile =>
  ts.createSourceFile(name, text, ts.ScriptTarget.ESNext, true);

const interfacesOf = (statements: readonly ts.Statement[]): Interfaces =>
  new Map(statements.filter(ts.isInterfaceDeclaration).map((one) => [one.name.text, one]));

/** One file of megabytes declares the nested types of all services. Only the namespaces in use are parsed. */
const allNested = once(() => readFileSync(join(PACKAGE, "types/input.d.ts"), "utf8"));
const nested = remembered((module: string): Interfaces => {
  const head = `export declare namespace ${module} {\n`;
  const start = allNested().indexOf(head);
  if (start < 0) throw new RangeError(`azure-native declares no nested types of ${module}.`);
  const body = allNested().slice(start + head.length, allNested().indexOf("\n}\n", start));
  return interfacesOf(parse(module, body).statements);
});

const wordsOf = remembered(
  (module: string) => require(join(PACKAGE, "types/enums", module, "index.js")) as Record<string, object>,
);

const fieldsOf = remembered((declaration: ts.InterfaceDeclaration): Fields => {
  const members = declaration.members.filter(ts.isPropertySignature);
  return new Map(
    members.map(({ name, type, questionToken }) => [
      (name as ts.Identifier | ts.StringLiteral).text,
      { type: read(type!), isRequired: questionToken === undefined },
    ]),
  );
});

/**
 * Words of inputs whose declaration is wrong. azure-native names two of Azure's enumerations `ConditionOperator` and gives
 * log alerts those of another resource.
 * https://learn.microsoft.com/rest/api/monitor/scheduled-query-rules/create-or-update#conditionoperator
 */
const CORRECTED: Readonly<Record<string, readonly string[]>> = {
  "enums.monitor.ConditionOperator": ["Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"],
};

/** `pulumi.Input<…>` is what it wraps: the graph holds plain values. */
function read(node: ts.TypeNode): InputType {
  if (ts.isUnionTypeNode(node)) return union(node.types.filter((one) => !isUndefined(one)).map(read));
  if (ts.isArrayTypeNode(node)) return { kind: "list", item: read(node.elementType) };
  if (ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal))
    return { kind: "words", words: [node.literal.text] };
  if (ts.isTypeLiteralNode(node)) {
    const index = node.members.find(ts.isIndexSignatureDeclaration);
    if (index !== undefined) return { kind: "map", value: read(index.type) };
  }
  if (ts.isTypeReferenceNode(node)) return referred(node);
  const keyword = KEYWORDS[node.kind];
  if (keyword !== undefined) return { kind: keyword };
  throw new RangeError(`azure-native declares a type that is not read: ${node.getText()}`);
}

const KEYWORDS: Readonly<Partial<Record<ts.SyntaxKind, "string" | "number" | "boolean" | "anything">>> = {
  [ts.SyntaxKind.StringKeyword]: "string",
  [ts.SyntaxKind.NumberKeyword]: "number",
  [ts.SyntaxKind.BooleanKeyword]: "boolean",
  [ts.SyntaxKind.AnyKeyword]: "anything",
};

const isUndefined = (node: ts.TypeNode): boolean => node.kind === ts.SyntaxKind.UndefinedKeyword;

function referred(node: ts.TypeReferenceNode): InputType {
  const name = node.typeName.getText();
  const [kind, module = "", type = ""] = name.split(".");
  if (name === "pulumi.Input") return read(node.typeArguments![0]!);
  if (kind === "pulumi" && module === "asset") return { kind: "anything" };
  if (kind === "enums") return { kind: "words", words: CORRECTED[name] ?? Object.values(wordsOf(module)[type]!) };
  const declaration = kind === "inputs" ? nested(module).get(type) : undefined;
  if (declaration !== undefined) return { kind: "object", fields: () => fieldsOf(declaration) };
  throw new RangeError(`azure-native declares a type that is not read: ${node.getText()}`);
}

/** `string | enums.X` lets tsc pass any text, for words that Azure may add. Here only those it has now will do. */
function union(options: readonly InputType[]): InputType {
  const known = options.some(({ kind }) => kind === "words")
    ? options.filter(({ kind }) => kind !== "string")
    : options;
  return known.length === 1 ? known[0]! : { kind: "union", options: known };
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

function remembered<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    const value = known.get(key) ?? make(key);
    known.set(key, value);
    return value;
  };
}
