/**
 * Many jobs from CSV, or from lines of JSON as `jobyard submit --lines` reads them. Each is judged as the API does, so that
 * all errors are known before anything is sent.
 */
// First: schemas look at it when they are made.
import "./no-eval.ts";
import { readCsv, type CsvRow } from "../../components/csv.ts";
import { jobRequestSchema } from "../../../runtime/core/http/requests.ts";
import { JsonError, parseJson, showFieldPath } from "../../../runtime/core/json.ts";
import { judgeBySchema, type JsonSchema } from "../../../runtime/core/package/json-schema.ts";
import type { JobSubmission } from "../../../runtime/client/index.ts";
import { NUMBER } from "./number.ts";

/** Jobs that are read from one text. The command line takes any number. */
const LINES_MAX = 100_000;

/** What a line that does not say otherwise becomes. */
export interface LineTarget {
  readonly tenantName: string;
  readonly jobType: string;
  readonly jobProcessorPackageName: string;
  /** Of the parameters of this type. */
  readonly schema?: JsonSchema | undefined;
}

export interface LineProblem {
  readonly line: number;
  readonly message: string;
}

export interface ReadLines {
  readonly format: "CSV" | "NDJSON";
  readonly jobs: readonly { readonly line: number; readonly job: JobSubmission }[];
  readonly problems: readonly LineProblem[];
}

type Fields = Readonly<Record<string, unknown>>;
type Line = { readonly line: number } & ({ readonly fields: Fields } | { readonly message: string });

export function readLines(text: string, target: LineTarget): ReadLines {
  const format = /^\ufeff?\s*[{[]/.test(text) ? "NDJSON" : "CSV";
  const lines = format === "CSV" ? csvLines(text.replace(/^\ufeff/, ""), target.schema) : jsonLines(text);
  const jobs: { line: number; job: JobSubmission }[] = [];
  const problems: LineProblem[] = [];
  for (const one of lines.slice(0, LINES_MAX)) {
    const found = "message" in one ? [one.message] : judged(one.fields, target);
    if (Array.isArray(found)) problems.push(...found.map((message: string) => ({ line: one.line, message })));
    else jobs.push({ line: one.line, job: found });
  }
  const next = lines[LINES_MAX];
  if (next !== undefined)
    problems.push({ line: next.line, message: `and all that follow: at most ${LINES_MAX} jobs, use the command line` });
  return { format, jobs, problems };
}

/** The job, or what is wrong with it. */
function judged(fields: Fields, { schema, ...target }: LineTarget): JobSubmission | string[] {
  const { tenantName, jobType, jobProcessorPackageName } = target;
  const job: Fields = {
    tenantName,
    jobType,
    jobName: fields["jobType"] ?? jobType,
    jobProcessorPackageName,
    ...fields,
  };
  const parsed = jobRequestSchema.safeParse(job);
  if (!parsed.success)
    return parsed.error.issues.map(({ path, message }) => {
      const field = showFieldPath(path.filter((key) => typeof key !== "symbol"));
      return field === "" ? message : `${field}: ${message}`;
    });
  if (parsed.data.tenantName !== tenantName) return [`tenantName: must be ${tenantName}, the tenant of this page`];
  const isOfTarget = job["jobType"] === jobType && job["jobProcessorPackageName"] === jobProcessorPackageName;
  if (schema === undefined || !isOfTarget) return job as unknown as JobSubmission;
  const value = job["parameters"] ?? null;
  const problems = judgeBySchema(schema, { value, bytes: JSON.stringify(value).length, at: "parameters" });
  return problems.length === 0
    ? (job as unknown as JobSubmission)
    : problems.map((problem) => `${problem.target} ${problem.message}`);
}

function jsonLines(text: string): readonly Line[] {
  return text.split("\n").flatMap((content, index): readonly Line[] => {
    if (content.trim() === "") return [];
    const line = index + 1;
    try {
      const fields = parseJson(content);
      return isObject(fields) ? [{ line, fields }] : [{ line, message: "must be a job: a JSON object" }];
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      return [{ line, message: error.message }];
    }
  });
}

/** Columns with these names are the job's own. All others are its parameters. */
const JOB_COLUMNS = ["jobName", "clientJobId", "priority", "runAt", "tags"] as const;
const isJobColumn = (name: string): boolean => (JOB_COLUMNS as readonly string[]).includes(name);

function csvLines(text: string, schema: JsonSchema | undefined): readonly Line[] {
  const { rows, openLine } = readCsv(text, LINES_MAX + 2);
  const [head, ...body] = rows;
  if (head === undefined) return [];
  const names = head.cells.map((name) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return [{ line: head.line, message: `has the column ${JSON.stringify(twice)} twice` }];
  const filled = body.filter(({ cells }) => cells.some((cell) => cell.trim() !== ""));
  const lines = filled.map((row) => csvLine(names, row, schema));
  return openLine === undefined
    ? lines
    : [...lines, { line: openLine, message: "has a quotation mark that is never closed" }];
}

function csvLine(names: readonly string[], { line, cells }: CsvRow, schema: JsonSchema | undefined): Line {
  if (cells.length > names.length)
    return { line, message: `has ${cells.length} cells, and the first line names ${names.length}` };
  // An empty cell says nothing.
  const given = names.map((name, index) => [name, cells[index] ?? ""] as const).filter(([, cell]) => cell !== "");
  const own = given.filter(([name]) => isJobColumn(name)).map(([name, cell]) => [name, ownValue(name, cell)] as const);
  const parameters = given
    .filter(([name]) => !isJobColumn(name))
    .map(([name, cell]) => [name, valueOf(cell, propertyOf(schema, name))] as const);
  return { line, fields: { ...Object.fromEntries(own), parameters: Object.fromEntries(parameters) } };
}

const ownValue = (name: string, cell: string): unknown => (name === "tags" ? cell.trim().split(/\s+/) : cell);

const propertyOf = (schema: JsonSchema | undefined, name: string): unknown => {
  const properties = schema?.["properties"];
  return isObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
};

/** A cell as the schema wants it. Without a schema it stays a text. */
function valueOf(cell: string, property: unknown): unknown {
  const type = isObject(property) ? property["type"] : undefined;
  const text = cell.trim();
  if ((type === "number" || type === "integer") && NUMBER.test(text)) return Number(text);
  if (type === "boolean" && /^(?:true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if (type !== "array" && type !== "object") return cell;
  try {
    return parseJson(text);
  } catch {
    // The schema says that this must be a list or an object.
    return cell;
  }
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
