/**
 * TypeScript types of published jobs, from the JSON Schemas of their parameters and output. The same packages give the same
 * text. Schemas come from the service: names and texts in them are quoted, so that they stay types.
 */
import { type JsonSchema, pointedAt } from "../core/package/json-schema.ts";
import type { PackageJobView } from "../client/index.ts";

export interface PublishedPackage {
  readonly packageName: string;
  readonly sha256: string | undefined;
  readonly jobs: readonly PackageJobView[];
}

/** The content of a `.d.ts` that needs nothing else. */
export function typesOf(tenantName: string, packages: readonly PublishedPackage[]): string {
  const aliases: string[] = [];
  const members = packages
    .toSorted((a, b) => compare(a.packageName, b.packageName))
    .map(({ packageName, sha256 = "not known", jobs }) => {
      const types = jobs
        .toSorted((a, b) => compare(a.jobType, b.jobType))
        .map((job) => `    ${keyOf(job.jobType)}: ${indented(shapeOf(job, aliases), 4)};`);
      return [`  /** Version ${comment(sha256)}. */`, `  ${keyOf(packageName)}: {`, ...types, "  };"].join("\n");
    });
  return [
    `// Written by jobyard types for the tenant ${comment(tenantName)}. Run it again after packages were published.`,
    "",
    `/** The jobs of each package: client.job<Packages["<package>"]["<job type>"]>("<job type>"). */`,
    "export interface Packages {",
    ...members,
    "}",
    ...aliases.flatMap((alias) => ["", alias]),
    "",
  ].join("\n");
}

/** By code units, which are the same in every locale. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function shapeOf({ parameters, output }: PackageJobView, aliases: string[]): string {
  const fields = [
    `readonly parameters: ${rootType(parameters, aliases)};`,
    `readonly output: ${rootType(output, aliases)};`,
  ];
  return `{ readonly types?: ${block(fields)} }`;
}

const rootType = (schema: JsonSchema | undefined, aliases: string[]): string =>
  schema === undefined ? "unknown" : createWriter(schema, aliases)(schema);

/** Schemas that are referred to become types of their own, because they may refer to themselves. */
function createWriter(root: JsonSchema, aliases: string[]): (schema: unknown) => string {
  const named = new Map<string, string>();
  /** Types that are being written, with no list or object around the place: a type cannot be itself. */
  let open: ReadonlySet<string> = new Set();

  function inside<T>(around: ReadonlySet<string>, step: () => T): T {
    const outer = open;
    open = around;
    const made = step();
    open = outer;
    return made;
  }

  function referred(reference: string): string {
    if (open.has(reference)) return "unknown";
    const known = named.get(reference);
    if (known !== undefined) return known;
    const target = pointedAt(root, reference);
    if (target === undefined) return "unknown";
    const name = `Schema${aliases.length + 1}`;
    named.set(reference, name);
    // Keeps its place while its own references are written.
    const place = aliases.push("") - 1;
    const type = inside(new Set([...open, reference]), () => write(target));
    aliases[place] = `export type ${name} = ${type};`;
    return name;
  }

  function write(schema: unknown): string {
    if (schema === false) return "never";
    if (!isObject(schema)) return "unknown";
    const { $ref, allOf, anyOf, oneOf } = schema;
    const parts = [
      ...(typeof $ref === "string" ? [referred($ref)] : []),
      ...arrayOf(allOf).map(write),
      ...[anyOf, oneOf].flatMap((some) => (arrayOf(some).length === 0 ? [] : [union(arrayOf(some).map(write))])),
      ...ownType(schema),
    ].filter((part) => part !== "unknown");
    const different = [...new Set(parts)];
    return different.length === 0 ? "unknown" : different.map((part) => grouped(part, different.length)).join(" & ");
  }

  function ownType(schema: JsonSchema): readonly string[] {
    if (Object.hasOwn(schema, "const")) return [literal(schema["const"])];
    const options = arrayOf(schema["enum"]);
    if (options.length > 0) return [union(options.map(literal))];
    const { type } = schema;
    const types = typeof type === "string" ? [type] : arrayOf(type);
    if (types.length > 0) return [union(types.map((one) => typeNamed(one, schema)))];
    return schema["properties"] === undefined ? [] : [inside(new Set(), () => objectType(schema))];
  }

  function typeNamed(type: unknown, schema: JsonSchema): string {
    switch (type) {
      case "string":
      case "number":
      case "boolean":
      case "null":
        return type;
      case "integer":
        return "number";
      case "array":
        return inside(new Set(), () => listType(schema));
      case "object":
        return inside(new Set(), () => objectType(schema));
      default:
        return "unknown";
    }
  }

  function listType({ prefixItems, items }: JsonSchema): string {
    const first = arrayOf(prefixItems).map(write);
    const rest = `${grouped(write(items), 2)}[]`;
    if (first.length === 0) return `readonly ${rest}`;
    // zod allows no more items than are named.
    return `readonly [${[...first, ...(isObject(items) ? [`...${rest}`] : [])].join(", ")}]`;
  }

  function objectType({ properties, required, additionalProperties }: JsonSchema): string {
    const needed = new Set(arrayOf(required));
    const fields = Object.entries(isObject(properties) ? properties : {}).map(([name, schema]) => {
      const about = isObject(schema) && typeof schema["description"] === "string" ? schema["description"] : "";
      const head = about === "" ? "" : `/** ${comment(about)} */\n`;
      return `${head}readonly ${keyOf(name)}${needed.has(name) ? "" : "?"}: ${write(schema)};`;
    });
    // TypeScript wants every named field to fit the type of the others.
    const others = fields.length === 0 ? write(additionalProperties) : "unknown";
    const isOpen = additionalProperties !== false && (fields.length === 0 || additionalProperties !== undefined);
    return block([...fields, ...(isOpen ? [`readonly [name: string]: ${others};`] : [])]);
  }

  return write;
}

// --- Text ------------------------------------------------------------------------------------------------------------

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const arrayOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const indented = (text: string, by: number): string => text.replaceAll("\n", `\n${" ".repeat(by)}`);

const block = (fields: readonly string[]): string =>
  fields.length === 0
    ? "Record<string, never>"
    : `{\n${fields.map((field) => `  ${indented(field, 2)}`).join("\n")}\n}`;

function union(types: readonly string[]): string {
  const different = [...new Set(types)];
  if (different.includes("unknown")) return "unknown";
  return different.map((type) => (type.includes(" & ") ? `(${type})` : type)).join(" | ");
}

/** Beside other types, or before `[]`. A type with lines may have anything in it. */
const grouped = (type: string, count: number): string =>
  count > 1 && (type.startsWith("readonly ") || / [|&] /.test(type)) ? `(${type})` : type;

/** Lists and objects are shown by their kind only. */
const literal = (value: unknown): string =>
  typeof value === "object" && value !== null ? "unknown" : JSON.stringify(value);

const keyOf = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

/** On one line, and unable to end the comment. */
const comment = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ")
    .replaceAll("*/", "*\\/")
    .trim();
