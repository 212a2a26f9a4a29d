/**
 * The OpenAPI document as a page for people: one HTML text, without a script and without anything loaded from elsewhere, so
 * that it works wherever the API does.
 */
import type { oas31, oas32 } from "zod-openapi";
import type { OpenApiDocument } from "./openapi.ts";

type Operation = oas31.OperationObject | oas32.OperationObject;
type Schema = oas31.SchemaObject;

interface Listed {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

export function docsPage(document: OpenApiDocument): string {
  const { info, tags = [], components } = document;
  const operations = listed(document);
  const schemas = Object.entries(components?.schemas ?? {}) as [string, Schema][];
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${info.title} API</title>
        <link rel="stylesheet" href="/docs/style.css" />
      </head>
      <body>
        <header>
          <h1>${info.title} API <small>${info.version}</small></h1>
          ${markdown(info.description ?? "")}
          <p><a href="/openapi.json">OpenAPI document</a> for programs and client generators.</p>
        </header>
        <nav>
          ${tags.map(({ name }) => html`<a href="#${anchor(name)}">${name}</a> `)}<a href="#schemas">Schemas</a>
        </nav>
        <main>
          ${tags.map(
            ({ name, description }) =>
              html`<section id="${anchor(name)}">
                <h2>${name}</h2>
                ${markdown(description ?? "")}
                ${operations.filter(({ operation }) => operation.tags?.includes(name)).map(operationEntry)}
              </section>`,
          )}
          <section id="schemas">
            <h2>Schemas</h2>
            ${schemas.map(
              ([name, schema]) =>
                html`<details>
                  <summary><code>${name}</code> ${schema.description ?? ""}</summary>
                  <div id="schema-${name}">${schemaBody(schema)}</div>
                </details>`,
            )}
          </section>
        </main>
      </body>
    </html> `.text;
}

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

const listed = ({ paths = {} }: OpenApiDocument): readonly Listed[] =>
  Object.entries(paths as Record<string, oas31.PathItemObject>).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ method: method.toUpperCase(), path, operation }];
    }),
  );

const anchor = (name: string): string => name.toLowerCase().replaceAll(" ", "-");

// The id is inside the folded part: a link to it unfolds it.
function operationEntry({ method, path, operation }: Listed): Html {
  const { operationId = "", summary = "", description = "", requestBody, responses = {} } = operation;
  const parameters = (operation.parameters ?? []) as oas31.ParameterObject[];
  const body = requestBody as oas31.RequestBodyObject | undefined;
  return html`<details>
    <summary><b class="${method.toLowerCase()}">${method}</b> <code>${path}</code> ${summary}</summary>
    <div id="${operationId}">${markdown(description)}</div>
    <p>Needs: <code>${String(operation["x-needs"])}</code></p>
    ${
      parameters.length > 0 &&
      html`<h4>Parameters</h4>
        ${fieldTable(parameters.map(parameterRow))}`
    }
    ${
      body &&
      html`<h4>Body</h4>
        <p>${body.description ?? ""}</p>
        ${contentList(body.content)}`
    }
    <h4>Answers</h4>
    <table>
      ${Object.entries(responses as Record<string, oas31.ResponseObject>).map(
        ([status, response]) =>
          html`<tr>
            <th>${status}</th>
            <td>${markdown(response.description)}</td>
            <td>${response.content && contentList(response.content)}</td>
          </tr>`,
      )}
    </table>
  </details>`;
}

const contentList = (content: oas31.ContentObject): Html =>
  html`${Object.entries(content).map(
    ([type, { schema }]) => html`<div><code>${type}</code> ${typeOf(schema as Schema | undefined)}</div>`,
  )}`;

interface Row {
  readonly name: string;
  readonly type: Html;
  readonly required: boolean;
  readonly description: string;
}

const parameterRow = ({ name, in: where, required = false, description = "", schema }: oas31.ParameterObject): Row => ({
  name: where === "query" ? `?${name}` : where === "header" ? `${name}:` : `{${name}}`,
  type: typeOf(schema),
  required,
  description,
});

const fieldTable = (rows: readonly Row[]): Html =>
  html`<table>
    ${rows.map(
      ({ name, type, required, description }) =>
        html`<tr>
          <th><code>${name}</code></th>
          <td>${type}${!required && html` <i>optional</i>`}</td>
          <td>${markdown(description)}</td>
        </tr>`,
    )}
  </table>`;

function schemaBody(schema: Schema): Html {
  const { properties, required = [] } = schema;
  if (properties === undefined) return html`<p>${typeOf(schema)}</p>`;
  return fieldTable(
    Object.entries(properties as Record<string, Schema>).map(([name, property]) => ({
      name,
      type: typeOf(property),
      required: required.includes(name),
      description: property.description ?? "",
    })),
  );
}

/** A type in a few words, with links to named schemas. */
function typeOf(given: Schema | oas31.ReferenceObject | undefined): Html {
  const schema = given as Schema | undefined;
  if (schema?.$ref !== undefined) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1);
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  const either = schema?.anyOf ?? schema?.oneOf;
  if (either !== undefined)
    return join(
      either.map((one) => typeOf(one)),
      " or ",
    );
  if (schema?.enum !== undefined) {
    return join(
      schema.enum.map((value) => html`<code>${String(value)}</code>`),
      ", ",
    );
  }
  if (schema?.type === "array") return html`list of ${typeOf(schema.items)}`;
  if (schema?.properties !== undefined) return schemaBody(schema);
  return html`${schema?.format ?? schema?.type?.toString() ?? "any JSON"}${limitsOf(schema ?? {})}`;
}

function limitsOf({ minimum, maximum, minLength, maxLength, default: fallback }: Schema): string {
  const range = (low: number | undefined, high: number | undefined, unit: string): string[] =>
    low === undefined && high === undefined ? [] : [`${low ?? ""} to ${high ?? ""}${unit}`.trim()];
  const limits = [
    ...range(minimum, maximum, ""),
    ...range(minLength, maxLength, " characters"),
    ...(fallback === undefined ? [] : [`default ${JSON.stringify(fallback)}`]),
  ];
  return limits.length === 0 ? "" : `, ${limits.join(", ")}`;
}

const join = (items: readonly Html[], separator: string): Html => raw(items.map(({ text }) => text).join(separator));

export const DOCS_STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 0 auto; padding: 1rem; }
small, i { opacity: 0.7; font-weight: normal; }
nav { position: sticky; top: 0; padding: 0.5rem 0; background: Canvas; border-bottom: 1px solid GrayText; }
nav a { margin-right: 1rem; }
h2 { margin-top: 2.5rem; }
details { border: 1px solid color-mix(in srgb, GrayText 40%, transparent); border-radius: 0.4rem; margin: 0.5rem 0; padding: 0.5rem 0.8rem; }
details:has(:target) { border-color: LinkText; }
:target { scroll-margin-top: 7rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary b { display: inline-block; min-width: 4.5rem; }
.get { color: #1a7f37; } .post { color: #0969da; } .delete { color: #cf222e; } .put, .patch { color: #9a6700; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem; border-top: 1px solid color-mix(in srgb, GrayText 25%, transparent); }
th { white-space: nowrap; font-weight: normal; }
p { margin: 0.4rem 0; } td p { margin: 0; }
code { font: 0.9em ui-monospace, monospace; }
`;

// --- HTML as a value: a template escapes everything that is not HTML itself --------------------------------------------

export interface Html {
  readonly text: string;
}

type Value = string | number | Html | readonly Html[] | false | undefined;

export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return raw(strings.reduce((text, part, index) => text + textOf(values[index - 1]) + part));
}

/** A text that is HTML already. */
const raw = (text: string): Html => ({ text });

function textOf(value: Value): string {
  if (value === undefined || value === false) return "";
  if (typeof value === "string" || typeof value === "number") return escape(String(value));
  return "text" in value ? value.text : value.map(({ text }) => text).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");

/** The little Markdown our own descriptions use: paragraphs and `code`. */
const markdown = (text: string): Html =>
  raw(
    text
      .split("\n\n")
      .filter((paragraph) => paragraph.trim() !== "")
      .map((paragraph) => `<p>${escape(paragraph).replaceAll(/`([^`]+)`/g, "<code>$1</code>")}</p>`)
      .join(""),
  );
