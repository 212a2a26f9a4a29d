/**
 * The program that loads the modules of a package and writes down the JSON Schemas of its jobs. It runs in a process of its
 * own, and is a text, so that it needs no file beside the bundled command line.
 */

/** What it reads from its standard input. */
export interface SchemaRequest {
  /** The folder with the bundled code. */
  readonly root: string;
  /** The author's folder: modules that are not bundled are found from there. */
  readonly source: string;
  /** The file that it writes: a list of ReadJob. */
  readonly answer: string;
  readonly jobs: readonly { readonly file: string; readonly exportName: string }[];
}

export interface ReadSchema {
  readonly schema?: unknown;
  /** Why there is no schema, as the end of a sentence. */
  readonly problem?: string;
}

export interface ReadJob {
  readonly parameters?: ReadSchema;
  readonly output?: ReadSchema;
  /** Why its module cannot be loaded. */
  readonly problem?: string;
}

export const SCHEMA_PROGRAM = `
import { writeFileSync } from "node:fs";
import { isBuiltin, registerHooks } from "node:module";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const { root, source, answer, jobs } = JSON.parse(await text(process.stdin));
const own = pathToFileURL(root).href + "/";
const parentURL = pathToFileURL(source).href + "/package.json";
registerHooks({
  resolve(name, context, next) {
    const isModule = !/^(?:[./]|file:|data:)/.test(name) && !isBuiltin(name);
    return next(name, isModule && context.parentURL?.startsWith(own) ? { ...context, parentURL } : context);
  },
});

// zod describes what these make of a value, and not what they take: anything.
function takesAnything({ type, coerce, in: from } = {}) {
  return coerce === true || type === "catch" || (type === "pipe" && from?._zod?.def?.type === "transform");
}
const ZOD = {
  unrepresentable: "any",
  override({ zodSchema, jsonSchema }) {
    if (takesAnything(zodSchema._zod?.def)) for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  },
};

function schemaOf(check, side) {
  const standard = check?.["~standard"];
  if (standard === undefined) return {};
  const target = "draft-2020-12";
  const { unrepresentable, override } = ZOD;
  const libraryOptions = standard.vendor === "zod" ? { unrepresentable, ...(side === "input" && { override }) } : {};
  try {
    if (standard.jsonSchema !== undefined) return { schema: standard.jsonSchema[side]({ target, libraryOptions }) };
    if (typeof check.toJSONSchema === "function") {
      return { schema: check.toJSONSchema({ target, io: side, ...libraryOptions }) };
    }
    return { problem: standard.vendor + " does not offer it" };
  } catch (error) {
    return { problem: String(error?.message ?? error) };
  }
}

async function read({ file, exportName }) {
  try {
    const { checks } = (await import(own + file))[exportName];
    return { parameters: schemaOf(checks?.parameters, "input"), output: schemaOf(checks?.output, "output") };
  } catch (error) {
    return { problem: String(error?.message ?? error) };
  }
}

const answers = [];
for (const job of jobs) answers.push(await read(job));
writeFileSync(answer, JSON.stringify(answers));
process.exit(0);
`;
