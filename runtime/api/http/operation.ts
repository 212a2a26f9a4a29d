/**
 * What one operation of the web API is: everything about a route in one value. Routing, validation, answers and the
 * OpenAPI document are made from it; whoever writes one needs to know nothing about them.
 */
import type { Readable } from "node:stream";
import type * as z from "zod";
import type { Access } from "../../core/http/access.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { OpenedBlob } from "../../core/ports/job-files.ts";
import type { Frozen } from "../../core/http/views.ts";
import type { Caller } from "../auth/caller.ts";
import type { BodyKind, RequestBody } from "./read-request.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** One way an operation can answer when all is well: JSON by `schema` or `lines`, a file by its media type, else nothing. */
export interface ResponseSpec {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** A line of JSON each, while the request is still coming: given beside `schema`, either can be answered. */
  readonly lines?: z.ZodType;
  /** Server-Sent Events, each with data by this schema. */
  readonly events?: z.ZodType;
  /** Media type of a file. */
  readonly file?: string;
  /** Names of further headers it always carries, each with what it says. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type ResponseSpecs = Readonly<Record<number, ResponseSpec>>;

interface Described {
  /** Unique; names the operation in generated clients. */
  readonly id: string;
  readonly method: Method;
  /** Below the server, with names in braces: `/v1/jobs/{jobId}`. `{+name}`, last, takes the rest with its slashes. */
  readonly path: string;
  readonly tag: Tag;
  readonly summary: string;
  /** Markdown. */
  readonly description?: string;
  readonly needs: Access;
  /** Its own errors. Those that follow from what it needs and takes are added by rule: see operation-errors.ts. */
  readonly errors: readonly ErrorCode[];
}

type Fields = z.ZodObject;
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no field at all
type NoFields = z.ZodObject<{}>;

export interface OperationSpec<
  P extends Fields,
  Q extends Fields,
  H extends Fields,
  B,
  R extends ResponseSpecs,
> extends Described {
  /** Of the path: one field for each name in it. */
  readonly params?: P;
  readonly query?: Q;
  /** By lower-case names; headers not named here are not looked at. */
  readonly headers?: H;
  readonly body?: RequestBody<B>;
  /** By status, for all answers but errors. */
  readonly responses: R;
  readonly handle: (request: Request<P, Q, H, B>) => Promise<ReplyOf<NoInfer<R>>> | ReplyOf<NoInfer<R>>;
}

/** A request that has passed every check. */
export interface Request<P extends Fields, Q extends Fields, H extends Fields, B> {
  /** Narrowed to what the operation needs: `mayUse` says whether it may do this for a tenant. None for `anonymous`. */
  readonly caller: Caller;
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly headers: z.output<H>;
  readonly body: B;
  /** Fires when the client goes away before it has its whole answer. */
  readonly gone: AbortSignal;
}

/** An answer as one of the operation's responses promises it. */
export type ReplyOf<R extends ResponseSpecs> = {
  [S in keyof R & number]: { readonly status: S } & Content<R[S]> & HeadersOf<R[S]>;
}[keyof R & number];

type Content<Spec> = JsonContent<Spec> | LinesContent<Spec>;

type LinesContent<Spec> = Spec extends { readonly lines: z.ZodType<infer T> }
  ? { readonly lines: AsyncIterable<readonly Frozen<T>[]> }
  : never;

type JsonContent<Spec> = Spec extends { readonly schema: z.ZodType<infer T> }
  ? { readonly body: Frozen<T> }
  : Spec extends { readonly file: string }
    ? { readonly file: FileContent }
    : Spec extends { readonly events: z.ZodType }
      ? { readonly events: Readable }
      : unknown;

type HeadersOf<Spec> = Spec extends { readonly headers: infer H }
  ? { readonly headers: { readonly [Name in keyof H]: string } }
  : unknown;

export interface FileContent {
  /** Without a length while it is still being written. */
  readonly blob: Omit<OpenedBlob, "bytes"> & { readonly bytes?: number };
  /** Given: offered to be saved under this name. */
  readonly saveAs?: string;
}

/** Any reply, as the sender sees it. */
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly file?: FileContent;
  /** Groups of lines, sent as they come. One that throws ends the answer with a line that says so. */
  readonly lines?: AsyncIterable<readonly unknown[]>;
  /** Server-Sent Events as text, until it ends or the client leaves. */
  readonly events?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Any operation, as routing and document see it. */
export interface Operation extends Described {
  readonly params: Fields | undefined;
  readonly query: Fields | undefined;
  readonly headers: Fields | undefined;
  readonly bodies: readonly BodyKind[];
  readonly bodyRequired: boolean;
  readonly responses: ResponseSpecs;
  /** Takes what the schemas made of a request. */
  handle(request: {
    readonly caller: Caller;
    readonly params: unknown;
    readonly query: unknown;
    readonly headers: unknown;
    readonly body: unknown;
    readonly gone: AbortSignal;
  }): Promise<Reply>;
}

export function operation<
  const R extends ResponseSpecs,
  P extends Fields = NoFields,
  Q extends Fields = NoFields,
  H extends Fields = NoFields,
  B = undefined,
>(spec: OperationSpec<P, Q, H, B, R>): Operation {
  const { params, query, headers, body, handle, ...described } = spec;
  return {
    ...described,
    params,
    query,
    headers,
    bodies: body?.kinds ?? [],
    bodyRequired: body?.required ?? false,
    // The types are the schemas' own: whoever calls has parsed each part by the schema given here.
    handle: async (request) => handle(request as Request<P, Q, H, B>),
  };
}

/** Chapters of the document, in their order. */
export const TAGS = {
  Jobs: "Submit jobs, look at them, change what becomes of them.",
  Batches: "Jobs of one tenant that belong together: created, counted, closed, canceled, requeued as one.",
  Packages: "ZIPs of jobs, published for a tenant.",
  Timers: "Schedules that packages declare: look at them, pause them, run them now.",
  Events: "What happens to jobs and batches, as it happens.",
  Webhooks: "Addresses of a tenant's that are told when a batch is complete.",
  Workers: "The processes that run jobs.",
  "Dead letters": "Messages the broker has set aside: the records of jobs that failed, and ones no worker can read.",
  Access: "How to sign in, and who may do what.",
} as const;

export type Tag = keyof typeof TAGS;
