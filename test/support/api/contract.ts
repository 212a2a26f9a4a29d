/** The API's document as a judge: whether an answer is one the document promises, and which promises were seen kept. */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";

/** What the judge reads of the document; see openapi.ts for all of it. */
export interface ContractDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, ContractOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly headers: Readonly<Record<string, JsonSchema>>;
  };
}

export interface ContractOperation {
  readonly operationId: string;
  readonly "x-needs": string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly {
    readonly in: string;
    readonly name: string;
    readonly required?: boolean;
    readonly schema: JsonSchema;
    readonly example?: string | number;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, ContractContent>> };
  readonly responses: Readonly<Record<string, ContractResponse>>;
}

export interface ContractResponse {
  readonly description: string;
  readonly "x-codes"?: readonly string[];
  readonly headers?: Readonly<Record<string, object>>;
  readonly content?: Readonly<Record<string, ContractContent>>;
}

export interface ContractContent {
  readonly schema: JsonSchema;
  readonly example?: unknown;
}

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Operation extends ContractOperation {
  readonly method: string;
  readonly path: string;
  /** What paths of it look like. */
  readonly pattern: RegExp;
}

/** An answer as it came: header names in lower case. */
export interface SeenAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly text: string;
  /** Of the body. */
  readonly byteCount: number;
}

export interface Contract {
  readonly document: ContractDocument;
  readonly operations: readonly Operation[];
  /** Every promise, as `operationId status`. */
  readonly promised: readonly string[];
  /** Those that were seen kept. */
  readonly exercised: ReadonlySet<string>;
  /** Throws an error that names the operation and what is wrong with the answer. Paths outside `/v1` are not judged. */
  check(method: string, path: string, answer: SeenAnswer): void;
  /** What is wrong with a value by the schema at this place of the document. */
  problemsOf(value: unknown, place: readonly string[]): readonly string[];
}

/** Below which nothing is promised in the document. */
const ROOT = "/v1/";
/** Its schema is that of each line. */
const EVENT_STREAM = "text/event-stream";
const LINES = "application/x-ndjson";
const METHODS = ["get", "post", "put", "patch", "delete"];

export function createContract(document: ContractDocument): Contract {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => METHODS.includes(method))
      .map(([method, operation]) => ({ ...operation, method, path, pattern: patternOf(path) })),
  );
  /** Fixed words before names, as the app has it. */
  const byWords = operations.toSorted((a, b) => namesIn(a.path) - namesIn(b.path));
  const validators = createValidators(document);
  const exercised = new Set<string>();

  function judge(operation: Operation, answer: SeenAnswer): readonly string[] {
    const { status, headers, text } = answer;
    const response = operation.responses[status];
    if (response === undefined) return [`has no status ${status}`];
    const missing = Object.keys(response.headers ?? {}).filter((name) => headers.get(name) === null);
    const problems = missing.map((name) => `lacks the header ${name}`);
    const type = headers.get("content-type")?.split(";")[0] ?? "";
    const contents = Object.keys(response.content ?? {});
    if (contents.length === 0) return text === "" ? problems : [...problems, "has a body where none is promised"];
    const content = contents.find((promised) => promised === type || promised === "*/*");
    if (content === undefined) return [...problems, `is ${type} where ${contents.join(", ")} is promised`];
    // Events are our own words, and go on: there is no whole to judge.
    if (content === EVENT_STREAM) return problems;
    if (content !== "application/json" && content !== LINES) return [...problems, ...judgeFile(content, answer)];
    const bodies = content === LINES ? text.split("\n").filter((line) => line !== "") : [text];
    const [body] = bodies.map((json) => JSON.parse(json) as unknown);
    const valid = validators.of(operation, status, content);
    for (const json of bodies) {
      if (!valid(JSON.parse(json)))
        problems.push(...(valid.errors ?? []).map((e) => `${e.instancePath} ${e.message ?? ""}`));
    }
    const codes = response["x-codes"];
    if (codes !== undefined && !codes.includes(codeOf(body))) problems.push(`has the code ${codeOf(body)}`);
    return problems;
  }

  /** What jobs wrote: whole where a length was promised, and nothing a browser would run as a page of ours. */
  function judgeFile(content: string, { headers, byteCount }: SeenAnswer): readonly string[] {
    const length = headers.get("content-length");
    return [
      ...(length === null || Number(length) === byteCount
        ? []
        : [`has ${byteCount} of the ${length} bytes it announces`]),
      ...(headers.get("x-content-type-options") === "nosniff" ? [] : ["may be sniffed"]),
      ...(headers.get("content-security-policy")?.includes("sandbox") ? [] : ["may be run as a page"]),
      ...(content === "*/*" && !headers.get("content-disposition")?.startsWith("attachment")
        ? ["is no attachment"]
        : []),
    ];
  }

  /** What no operation answers: another method, or nothing of ours. */
  function judgeStray(path: string, { status, text }: SeenAnswer): readonly string[] {
    if (![400, 401, 404, 405, 429, 503].includes(status)) return [`has status ${status} where there is no operation`];
    const valid = validators.named("Error");
    return valid(JSON.parse(text)) ? [] : [`${path} is no Error`];
  }

  return {
    document,
    operations,
    promised: operations.flatMap(({ operationId, responses }) =>
      Object.keys(responses).map((status) => `${operationId} ${status}`),
    ),
    exercised,
    problemsOf(value, place) {
      const valid = validators.at(...place);
      return valid(value) ? [] : (valid.errors ?? []).map((e) => `${e.instancePath} ${e.message ?? ""}`);
    },
    check(method, target, answer) {
      const path = target.split("?")[0] ?? "";
      if (!`${path}/`.toLowerCase().startsWith(ROOT)) return;
      const operation = byWords.find((each) => each.method === method.toLowerCase() && each.pattern.test(path));
      const problems = operation === undefined ? judgeStray(path, answer) : judge(operation, answer);
      if (problems.length > 0) {
        const what = operation?.operationId ?? "no operation";
        throw new Error(
          `${method} ${target} (${what}), answered ${answer.status}, breaks the contract: ${problems.join("; ")}.\n${answer.text.slice(0, 500)}`,
        );
      }
      if (operation !== undefined) exercised.add(`${operation.operationId} ${answer.status}`);
    },
  };
}

const namesIn = (path: string): number => path.split("{").length;

/** `{path}`, last, is the one name that takes slashes. */
function patternOf(path: string): RegExp {
  const source = path
    .replaceAll(".", "\\.")
    .replace(/\{path\}$/, ".+")
    .replaceAll(/\{\w+\}/g, "[^/]+");
  return new RegExp(`^${source}/?$`, "i");
}

function codeOf(body: unknown): string {
  const { error } = body as { readonly error?: { readonly code?: unknown } };
  return String(error?.code);
}

interface Validators {
  of(operation: Operation, status: number, mediaType: string): ValidateFunction;
  named(schema: string): ValidateFunction;
  at(...pointer: readonly string[]): ValidateFunction;
}

function createValidators(document: ContractDocument): Validators {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema({ ...strictResponses(document), $id: "api" });
  const compiled = new Map<string, ValidateFunction>();
  function at(...pointer: readonly string[]): ValidateFunction {
    const $ref = `api#/${pointer.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/")}`;
    const known = compiled.get($ref) ?? ajv.compile({ $ref });
    compiled.set($ref, known);
    return known;
  }
  return {
    of: ({ path, method }, status, mediaType) =>
      at("paths", path, method, "responses", String(status), "content", mediaType, "schema"),
    named: (schema) => at("components", "schemas", schema),
    at,
  };
}

/** The document lets answers grow; here an unnamed field is one that is not documented. */
function strictResponses(document: ContractDocument): object {
  return JSON.parse(JSON.stringify(document), (_key, value: unknown) =>
    isObjectSchema(value) ? { additionalProperties: false, ...value } : value,
  ) as object;
}

const isObjectSchema = (value: unknown): value is object =>
  typeof value === "object" && value !== null && "type" in value && value.type === "object" && "properties" in value;
