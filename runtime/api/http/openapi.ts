/** The OpenAPI 3.1 document of a list of operations, made from the schemas that check their requests. */
import * as z from "zod";
import {
  type CreateDocumentOptions,
  type ZodOpenApiOperationObject,
  type ZodOpenApiResponseObject,
  createDocument,
  type oas31,
} from "zod-openapi";
import { type ErrorCode, FORMAT_CODES, UNAVAILABLE_CODES } from "../../core/errors.ts";
import { errorBodySchema, statusOf } from "./error-response.ts";
import { type Operation, type ResponseSpec, TAGS } from "./operation.ts";
import { EVENTS_MEDIA_TYPE, LINES_MEDIA_TYPE } from "./reply.ts";
import { type OpenApiDocument, withExamples } from "./with-examples.ts";

/** Grows with the routes under `/v1`: minor for additions; a break would be `/v2`. */
const API_VERSION = "1.0.0";

export function openApiDocument(operations: readonly Operation[]): OpenApiDocument {
  const used = new Set(operations.map(({ tag }) => tag));
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const operation of operations) {
    const item = (paths[operation.path.replace("{+", "{")] ??= {});
    item[operation.method] = operationObject(operation);
  }
  const document = createDocument(
    {
      openapi: "3.1.1",
      info: {
        title: "Jobyard",
        version: API_VERSION,
        description: INTRODUCTION,
        license: { name: "MIT", identifier: "MIT" },
      },
      servers: [{ url: "/", description: "The server that serves this document." }],
      tags: Object.entries(TAGS)
        .filter(([name]) => used.has(name as keyof typeof TAGS))
        .map(([name, description]) => ({ name, description })),
      paths,
      components: {
        headers: COMMON_HEADERS,
        securitySchemes: {
          [SCHEME]: {
            type: "http",
            scheme: "bearer",
            bearerFormat: "JWT",
            description: "An access token of Entra ID.",
          },
        },
      },
    },
    DOCUMENT_OPTIONS,
  );
  return withExamples(document);
}

const INTRODUCTION = `Submit, watch, cancel and requeue background jobs.

Every answer has \`x-request-id\`. A caller can send an id of its own as \`x-client-request-id\`, which is answered back. Errors have one shape, \`Error\`; programs should test its \`code\`. Resources of other
tenants answer 404. Every command can be repeated: it continues where an earlier call stopped, or answers the same again.
New fields may appear in answers at any time.`;

const SCHEME = "bearer";

function operationObject(operation: Operation): ZodOpenApiOperationObject {
  const { id, tag, summary, description, needs, params, query, headers, bodies, bodyRequired } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    "x-needs": needs,
    security: needs === "anonymous" ? [] : [{ [SCHEME]: [] }],
    requestParams: {
      ...(params && { path: params }),
      ...(query && { query }),
      ...(headers && { header: headers }),
    },
    ...(bodies.length > 0 && {
      requestBody: {
        required: bodyRequired,
        description: bodies.map((body) => body.description).join(" "),
        content: Object.fromEntries(bodies.map(({ mediaType, schema }) => [mediaType, { schema: schema ?? BYTES }])),
      },
    }),
    responses: responsesOf(operation),
  };
}

type Responses = Record<string, ZodOpenApiResponseObject>;

const BYTES: oas31.SchemaObject = { type: "string", format: "binary" };
const TEXT: oas31.SchemaObject = { type: "string" };

function responsesOf(operation: Operation): Responses {
  const responses: Responses = {};
  for (const [status, spec] of Object.entries(operation.responses)) {
    responses[status] = {
      description: spec.description,
      headers: headersOf(operation, spec),
      ...contentOf(spec),
    };
  }
  if (isConditional(operation)) {
    responses["304"] = {
      description: "The caller has this answer already: `If-None-Match` names it.",
      headers: { ...ID, ...ETAG },
    };
  }
  for (const [status, codes] of errorsOf(operation)) {
    responses[String(status)] = {
      description: codes.map((code) => `\`${code}\``).join(", "),
      "x-codes": codes,
      headers: { ...ID, ...(status === 429 || status === 503 ? RETRY_AFTER : {}) },
      content: { "application/json": { schema: errorBodySchema } },
    };
  }
  return responses;
}

function contentOf({ schema, lines, events, file }: ResponseSpec): Pick<ZodOpenApiResponseObject, "content"> {
  if (schema !== undefined || lines !== undefined) {
    return {
      content: {
        ...(schema && { "application/json": { schema } }),
        // The schema of one line: this version of OpenAPI cannot describe a sequence.
        ...(lines && { [LINES_MEDIA_TYPE]: { schema: lines } }),
        ...(file !== undefined && fileContent(file)),
      },
    };
  }
  // The schema of one event's data.
  if (events !== undefined) return { content: { [EVENTS_MEDIA_TYPE]: { schema: events } } };
  return file === undefined ? {} : { content: fileContent(file) };
}

const fileContent = (mediaType: string) => ({
  [mediaType]: { schema: mediaType.startsWith("text/") ? TEXT : BYTES },
});

/** A GET of JSON has an ETag; see reply.ts. */
const isConditional = ({ method, responses }: Operation): boolean =>
  method === "get" && responses[200]?.schema !== undefined;

const header = (name: string): oas31.HeadersObject => ({ [name]: { $ref: `#/components/headers/${name}` } });
const ID = header("x-request-id");
const ETAG = header("ETag");
const RETRY_AFTER = header("Retry-After");

const COMMON_HEADERS: oas31.HeadersObject = {
  "x-request-id": { required: true, description: "Finds the request in the log.", schema: TEXT },
  ETag: { required: true, description: "Identifies this answer, for `If-None-Match`.", schema: TEXT },
  "Retry-After": { required: true, description: "Seconds to wait before a retry.", schema: { type: "integer" } },
};

function headersOf(operation: Operation, { headers = {} }: ResponseSpec): oas31.HeadersObject {
  const own = Object.entries(headers).map(([name, description]) => [
    name,
    { required: true, description, schema: TEXT },
  ]);
  return { ...ID, ...(isConditional(operation) ? ETAG : {}), ...(Object.fromEntries(own) as oas31.HeadersObject) };
}

const DOCUMENT_OPTIONS: CreateDocumentOptions = {
  override({ jsonSchema, zodSchema, io }) {
    // The format says the same as the long pattern.
    if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
    // Limits of every JSON number.
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    // Answers may get new fields. Clients made from this document must accept them.
    if (io === "output" && zodSchema instanceof z.ZodObject) delete jsonSchema.additionalProperties;
  },
};

/** The errors an operation can answer with, its own and those by rule: codes by status, both ascending. */
export function errorsOf(operation: Operation): ReadonlyMap<number, readonly ErrorCode[]> {
  const codes = new Set<ErrorCode>([...byRule(operation), ...operation.errors]);
  return Map.groupBy([...codes].toSorted(byStatus), statusOf);
}

const byStatus = (a: ErrorCode, b: ErrorCode): number => statusOf(a) - statusOf(b) || (a < b ? -1 : 1);

function byRule({ needs, params, query, headers, bodies }: Operation): readonly ErrorCode[] {
  const takesSomething = params ?? query ?? headers ?? bodies[0];
  return [
    ...(takesSomething === undefined ? [] : (["InvalidRequest"] as const)),
    ...(bodies.length === 0 ? [] : (["PayloadTooLarge", "UnsupportedMediaType"] as const)),
    // Access beyond signing in needs a role.
    ...(needs === "anonymous" ? [] : (["Unauthenticated"] as const)),
    ...(needs === "anonymous" || needs === "signed-in" ? [] : (["Forbidden"] as const)),
    // Every answer to a known caller reads storage, which can be unavailable.
    ...(needs === "anonymous" ? [] : [...UNAVAILABLE_CODES, ...FORMAT_CODES]),
    "TooManyRequests",
    "InternalError",
  ];
}
