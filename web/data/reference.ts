/** The operations of the API, read from its own document (`/openapi.json`), and one call of any of them. */
import { useQuery } from "@tanstack/react-query";
import type { ServiceRequest } from "../../runtime/client/index.ts";
import type { Access } from "../../runtime/core/http/access.ts";
import { useClient } from "./session.ts";

export type Method = NonNullable<ServiceRequest["method"]>;

/** What the pages read of a JSON Schema. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly examples?: readonly unknown[];
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
  /** As in the example of the request. Absent: that leaves it out. */
  readonly example?: unknown;
}

export interface Content {
  readonly mediaType: string;
  readonly schema: Schema;
  /** JSON, or a text. Absent: bytes. */
  readonly example?: unknown;
}

export interface Answer {
  readonly status: string;
  readonly description: string;
  readonly contents: readonly Content[];
}

export interface Operation {
  readonly id: string;
  readonly method: Method;
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly needs: Access;
  readonly parameters: readonly Parameter[];
  readonly bodies: readonly Content[];
  readonly answers: readonly Answer[];
}

export interface Reference {
  readonly version: string;
  readonly description: string;
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly operations: readonly Operation[];
  readonly schemas: Readonly<Record<string, Schema>>;
}

type ContentMap = Readonly<Record<string, Omit<Content, "mediaType">>>;

interface OpenApi {
  readonly info: { readonly version: string; readonly description: string };
  readonly tags: Reference["tags"];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: { readonly schemas: Reference["schemas"] };
}

interface OpenApiOperation {
  readonly operationId: string;
  readonly tags: readonly [string];
  readonly summary: string;
  readonly description?: string;
  readonly "x-needs": Access;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: ContentMap };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: ContentMap }>>;
}

/** It is the same for as long as the API runs. */
export function useReference() {
  const client = useClient();
  return useQuery({
    queryKey: ["reference"],
    staleTime: Infinity,
    queryFn: async ({ signal }): Promise<Reference> => {
      const response = await client.call({ path: "/openapi.json", anonymous: true, signal });
      return referenceOf((await response.json()) as OpenApi);
    },
  });
}

const contentsOf = (content: ContentMap = {}): readonly Content[] =>
  Object.entries(content).map(([mediaType, one]) => ({ ...one, mediaType }));

const referenceOf = ({ info, tags, paths, components }: OpenApi): Reference => ({
  ...{ version: info.version, description: info.description, tags, schemas: components.schemas },
  operations: Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase() as Method,
      path,
      tag: operation.tags[0],
      summary: operation.summary,
      description: operation.description ?? "",
      needs: operation["x-needs"],
      parameters: operation.parameters ?? [],
      bodies: contentsOf(operation.requestBody?.content),
      answers: Object.entries(operation.responses).map(([status, { description, content }]) => ({
        status,
        description,
        contents: contentsOf(content),
      })),
    })),
  ),
});

/** The schema that a reference names. */
export function resolved(schema: Schema, { schemas }: Pick<Reference, "schemas">): Schema {
  const named = schema.$ref === undefined ? undefined : schemas[nameOf(schema.$ref)];
  return named ?? schema;
}

export const nameOf = ($ref: string): string => $ref.slice($ref.lastIndexOf("/") + 1);
