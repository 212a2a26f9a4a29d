/** A request that somebody composes on the page: what is sent, and how it looks as curl and as a command. */
import { shellWord } from "../../components/copy.tsx";
import type { Content, Operation, Parameter } from "../../data/reference.ts";
import type { ServiceRequest } from "../../../runtime/client/index.ts";
import { parseBatchId, parseJobId } from "../../../runtime/core/job/ids.ts";
import { CLI_LINES } from "./cli-lines.ts";

export interface Draft {
  /** By name; empty: not given. */
  readonly values: Readonly<Record<string, string>>;
  /** Of the chosen body. Undefined: none. */
  readonly mediaType: string | undefined;
  readonly body: string;
  /** A body of bytes. */
  readonly file: File | undefined;
}

/** The example of the document. */
export const exampleDraft = ({ parameters, bodies }: Operation): Draft => ({
  values: Object.fromEntries(
    parameters.flatMap(({ name, example }) => (example === undefined ? [] : [[name, textOf(example)]])),
  ),
  mediaType: bodies[0]?.mediaType,
  body: textOfExample(bodies[0]),
  file: undefined,
});

/** To begin with: the page's tenant, and the example as a body. */
export const draftOf = (operation: Operation, tenantName: string | undefined): Draft => ({
  values: operation.parameters.some(isTenant) && tenantName !== undefined ? { tenantName } : {},
  mediaType: operation.bodies[0]?.mediaType,
  body: bodyTextOf(operation, operation.bodies[0]?.mediaType, tenantName),
  file: undefined,
});

const isTenant = ({ name, example }: Parameter): boolean => name === "tenantName" && example !== undefined;

/** The example of a body, for this tenant. */
export function bodyTextOf(
  { bodies }: Operation,
  mediaType: string | undefined,
  tenantName: string | undefined,
): string {
  const text = textOfExample(bodies.find((one) => one.mediaType === mediaType));
  if (tenantName === undefined) return text;
  return text.replaceAll(/("tenantName": ?)"[^"]*"/g, (_, key: string) => key + JSON.stringify(tenantName));
}

/** Lines have one value each. */
function textOfExample(content: Content | undefined): string {
  if (content?.example === undefined) return "";
  return JSON.stringify(content.example, undefined, isJson(content.mediaType) ? 2 : 0);
}

/** The tenant that a request is about, where it names one. */
export function tenantOf({ values, body }: Draft): string | undefined {
  const { tenantName, jobId = "", batchId = "", actionId = "" } = { ...fieldsOf(body), ...givenIn(values) };
  return tenantName ?? (parseJobId(jobId) ?? parseBatchId(batchId) ?? parseBatchId(actionId))?.tenantName;
}

const givenIn = (values: Draft["values"]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));

/** Takes the rest of a path: its slashes stay slashes. */
const REST = "path";

const escaped = (name: string, value: string): string => {
  const text = encodeURIComponent(value);
  return name === REST ? text.replaceAll("%2F", "/") : text;
};

const givenOf = ({ parameters }: Operation, { values }: Draft, where: "query" | "header") =>
  parameters.flatMap(({ name, in: place }) => {
    const value = values[name] ?? "";
    return place === where && value !== "" ? [[name, value] as const] : [];
  });

/** With the names of parameters that are not given left as they are. */
function addressOf(operation: Operation, draft: Draft): string {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
    const value = draft.values[name] ?? "";
    return value === "" ? whole : escaped(name, value);
  });
  const query = new URLSearchParams(givenOf(operation, draft, "query").map((pair) => [...pair])).toString();
  return query === "" ? path : `${path}?${query}`;
}

const isJson = (mediaType: string | undefined): boolean => mediaType === "application/json";
export const isBytes = (mediaType: string | undefined): boolean => mediaType === "application/zip";

/** Why it cannot be sent; undefined: it can. */
export function problemOf({ parameters }: Operation, { values, mediaType, body, file }: Draft): string | undefined {
  const missing = parameters.find(({ name, required }) => required === true && (values[name] ?? "") === "");
  if (missing !== undefined) return `${missing.name} must be given.`;
  if (isBytes(mediaType)) return file === undefined ? "A file must be chosen." : undefined;
  if (!isJson(mediaType) || body.trim() === "") return undefined;
  try {
    JSON.parse(body);
    return undefined;
  } catch (error) {
    return `The body is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export function requestOf(operation: Operation, draft: Draft, signal: AbortSignal): ServiceRequest {
  const { method, needs } = operation;
  const { mediaType, body, file } = draft;
  const content: BodyInit | undefined = isBytes(mediaType) ? file : body.trim() === "" ? undefined : body;
  return {
    ...{ method, path: addressOf(operation, draft), signal, anonymous: needs === "anonymous" },
    headers: {
      ...Object.fromEntries(givenOf(operation, draft, "header")),
      ...(mediaType !== undefined && content !== undefined && { "content-type": mediaType }),
    },
    ...(content !== undefined && { body: () => ({ body: content }) }),
  };
}

/** JSON on one line, where it is JSON. */
function compact(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body));
  } catch {
    return body;
  }
}

export function curlOf(operation: Operation, draft: Draft, origin: string): string {
  const { mediaType, body, file } = draft;
  const hasBody = isBytes(mediaType) || body.trim() !== "";
  return [
    `curl ${operation.method === "GET" ? "" : `-X ${operation.method} `}${shellWord(origin + addressOf(operation, draft))}`,
    ...(operation.needs === "anonymous" ? [] : [`-H "authorization: Bearer $(jobyard token)"`]),
    ...givenOf(operation, draft, "header").map(([name, value]) => `-H ${shellWord(`${name}: ${value}`)}`),
    ...(mediaType === undefined || !hasBody ? [] : [`-H ${shellWord(`content-type: ${mediaType}`)}`]),
    ...(isBytes(mediaType)
      ? [`-T ${shellWord(file?.name ?? "package.zip")}`]
      : hasBody
        ? [`${isJson(mediaType) ? "-d" : "--data-binary"} ${shellWord(isJson(mediaType) ? compact(body) : body)}`]
        : []),
  ].join(" \\\n  ");
}

/** The command that does the same. Undefined: there is none, or a value that it needs is not given. */
export function cliOf({ id }: Operation, { values, body, file }: Draft): string | undefined {
  const line = CLI_LINES[id];
  if (line === undefined) return undefined;
  const fields = { ...fieldsOf(body), ...givenIn(values), file: file?.name ?? "package.zip" };
  // Every second part is one in brackets.
  const parts = line
    .split(/ \[([^\]]+)\]/)
    .map((part, index) => ({ isOptional: index % 2 === 1, filled: fill(part, fields) }));
  if (parts.some(({ isOptional, filled }) => !isOptional && filled === undefined)) return undefined;
  return `jobyard ${parts.map(({ isOptional, filled = "" }) => (isOptional && filled !== "" ? ` ${filled}` : filled)).join("")}`;
}

/** Undefined: a name in it has no value. */
function fill(text: string, fields: object): string | undefined {
  const missing: string[] = [];
  const filled = text.replaceAll(/\{([\w.]+)(-zip|,)?\}/g, (_, path: string, form?: string) => {
    const value = path
      .split(".")
      .reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], fields);
    if (value === undefined || value === "") missing.push(path);
    const texts = (Array.isArray(value) ? value : [value]).map(textOf);
    if (form === ",") return shellWord(texts.join(","));
    return texts.map((one) => shellWord(form === "-zip" ? one.replace(/\.zip$/, "") : one)).join(" ");
  });
  return missing.length === 0 ? filled : undefined;
}

/** As it is written into a field or a command. */
export const textOf = (value: unknown): string =>
  value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

function fieldsOf(body: string): Readonly<Record<string, string | undefined>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, string>) : {};
  } catch {
    return {};
  }
}
