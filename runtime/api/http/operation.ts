/**
 * One operation of the web API: everything about a route in one value. Routing, validation, answers and the OpenAPI document
 * are made from it.
 */
import type { Readable } from "node:stream";
import type * as z from "zod";
import type { Change } from "../../core/audit.ts";
import type { Access } from "../../core/http/access.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { OpenedBlob } from "../../core/ports/job-files.ts";
import type { Frozen } from "../../core/http/views.ts";
import type { Caller } from "../auth/caller.ts";
import type { BodyKind, RequestBody } from "./read-request.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** A successful answer: JSON by `schema` or `lines`, events, a file by its media type, or nothing. */
export interface ResponseSpec {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** JSON lines, sent as they come. With `schema` or `file` too, the operation can answer either. */
  readonly lines?: z.ZodType;
  /** Server-Sent Events, each with data by this schema. */
  readonly events?: z.ZodType;
  /** Media type of a file. Without a length, one that breaks off cuts the connection. */
  readonly file?: string;
  /** Further headers that it always has: name and description. */
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
  /** Its own errors. Errors that follow from its access and its parameters are added by rule: see openapi.ts. */
  readonly errors: readonly ErrorCode[];
  /**
   * For operations that change something. Default: each request leaves an entry in the audit. `as-noted`: only what the
   * handler notes by `changed`. `none`: no entry, and why.
   */
  readonly audit?: "as-noted" | { readonly none: string };
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
  /** By lower-case names. Other headers are ignored. */
  readonly headers?: H;
  readonly body?: RequestBody<B>;
  /** By status, for all answers but errors. */
  readonly responses: R;
  readonly handle: (request: Request<P, Q, H, B>) => Promise<ReplyOf<NoInfer<R>>> | ReplyOf<NoInfer<R>>;
}

/** A request that has passed every check. */
export interface Request<P extends Fields, Q extends Fields, H extends Fields, B> {
  /** Narrowed to what the operation needs: `mayUse` says whether the caller may do this for a tenant. */
  readonly caller: Caller;
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly headers: z.output<H>;
  readonly body: B;
  /** Fires when the client disconnects before it has the whole answer. */
  readonly gone: AbortSignal;
  /** Notes for the audit what was changed. Each call is an entry. Never give it secrets, parameters or values of settings. */
  readonly changed: (change: Change) => void;
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
    readonly changed: (change: Change) => void;
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
  Jobs: "Submit, read, cancel and requeue jobs.",
  Batches: "Jobs of one tenant that belong together. A batch is counted, closed, canceled and requeued as one.",
  Packages: "ZIPs of jobs, published for a tenant.",
  Timers: "Schedules that packages declare. Read, pause, resume, reschedule and run them.",
  Pauses: "Hold a tenant, a job type, a pool or a queue: nothing new starts.",
  Events: "Changes of jobs and batches, as they happen.",
  Webhooks: "Addresses of a tenant that receive a message when a batch is complete.",
  Workers: "The processes that run jobs.",
  System: "The last sweep, and the programs of a local system.",
  "Dead letters":
    "Messages that the broker has set aside: records of failed jobs, and messages that no worker can read.",
  Access: "Sign-in, tenants, and who may act for them.",
} as const;

export type Tag = keyof typeof TAGS;
