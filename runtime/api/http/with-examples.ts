/**
 * Puts an example of each request and answer into the document. A parameter with an example is one of the request's. Bodies
 * and answers have that of their schema, or one that is made of its parts; those that are bytes have none. A test requires
 * them, judges each by its schema, and sends every request.
 */
import type { createDocument, oas31 } from "zod-openapi";
import { ANSWER_EXAMPLES, OPTIONAL_IN_EXAMPLES, PARAMETER_EXAMPLES, SCHEMA_EXAMPLES } from "./examples.ts";

export type OpenApiDocument = ReturnType<typeof createDocument>;
type Schema = oas31.SchemaObject;
type Schemas = Readonly<Record<string, Schema>>;

/** Changes the document in place, and returns it. */
export function withExamples(document: OpenApiDocument): OpenApiDocument {
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  for (const [id, schema] of Object.entries(schemas)) {
    // A schema of requests and answers alike can have a second form for answers.
    const example = SCHEMA_EXAMPLES[id] ?? SCHEMA_EXAMPLES[id.replace(/Output$/, "")];
    if (example !== undefined) schema.examples = [example];
  }
  for (const item of Object.values((document.paths ?? {}) as Record<string, oas31.PathItemObject>)) {
    for (const operation of [item.get, item.post, item.put, item.patch, item.delete]) {
      if (operation !== undefined) fill(operation, schemas);
    }
  }
  return document;
}

function fill(operation: oas31.OperationObject, schemas: Schemas): void {
  const { operationId = "" } = operation;
  for (const parameter of (operation.parameters ?? []) as oas31.ParameterObject[]) {
    const isUsed = parameter.required === true || OPTIONAL_IN_EXAMPLES[operationId]?.includes(parameter.name) === true;
    if (!isUsed) continue;
    const example = PARAMETER_EXAMPLES[parameter.name] ?? exampleOf(parameter.schema as Schema, schemas);
    if (example !== undefined) parameter.example = example;
  }
  const body = operation.requestBody as oas31.RequestBodyObject | undefined;
  for (const content of Object.values(body?.content ?? {})) put(content, undefined, schemas);
  const responses: Readonly<Record<string, oas31.ResponseObject>> = operation.responses ?? {};
  for (const [status, response] of Object.entries(responses)) {
    const name = `${operationId} ${status}`;
    for (const [type, content] of Object.entries(response.content ?? {})) {
      put(content, ANSWER_EXAMPLES[`${name} ${type}`] ?? ANSWER_EXAMPLES[name], schemas);
    }
  }
}

function put(content: oas31.MediaTypeObject, own: unknown, schemas: Schemas): void {
  const example = own ?? exampleOf(content.schema as Schema | undefined, schemas);
  if (example !== undefined) content.example = example;
}

/** Undefined: something that it needs has no example. */
function exampleOf(schema: Schema | undefined, schemas: Schemas): unknown {
  if (schema === undefined) return undefined;
  if (schema.$ref !== undefined)
    return exampleOf(schemas[schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1)], schemas);
  const [given] = (schema.examples ?? []) as readonly unknown[];
  const simple: unknown = given ?? schema.const ?? schema.default ?? schema.enum?.[0];
  if (simple !== undefined) return simple;
  const [either] = schema.anyOf ?? schema.oneOf ?? [];
  if (either !== undefined) return exampleOf(either as Schema, schemas);
  if (schema.type === "array") {
    const item = exampleOf(schema.items as Schema, schemas);
    return item === undefined ? undefined : [item];
  }
  if (schema.properties === undefined) return undefined;
  const fields = (schema.required ?? []).map(
    (name) => [name, exampleOf(schema.properties?.[name] as Schema, schemas)] as const,
  );
  return fields.every(([, value]) => value !== undefined) ? Object.fromEntries(fields) : undefined;
}
