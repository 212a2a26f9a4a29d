/** Adds operations to an app, each with its middleware in one order, and an answer for every other method. */
import type { Express, NextFunction, Request, RequestHandler, Response } from "express";
import { type Logger, batchLogFields, jobLogFields } from "../../core/logger.ts";
import { addLogFields } from "../../platform/log-context.ts";
import { type Identify, callerOf } from "../auth/caller.ts";
import { noSuchMethod, noSuchRoute } from "./error-response.ts";
import type { Audited } from "./audited.ts";
import { noteCaller } from "./request-ids.ts";
import { noteRoute } from "./middleware.ts";
import type { Operation } from "./operation.ts";
import { sendReply } from "./reply.ts";
import { kindOf, validate } from "./read-request.ts";

export interface MountDeps {
  readonly identify: Identify;
  /** Stands after the caller is known and before the body is read. */
  readonly limit: RequestHandler;
  readonly audited: Audited;
  readonly log: Logger;
}

/** Operations must be under `/v1`. Every other path there answers 401 without a token, else 404. */
export function mount(app: Express, operations: readonly Operation[], deps: MountDeps): void {
  const { identify, limit, audited, log } = deps;
  const ordered = operations.toSorted((a, b) => compare(a.path, b.path));
  for (const operation of ordered) {
    app[operation.method](
      expressPath(operation.path),
      (_request: Request, response: Response, next: NextFunction) => {
        noteRoute(response, operation.path);
        next();
      },
      // Before the body is read: the body of an unknown caller must not be parsed.
      identify(operation.needs),
      ...(operation.needs === "anonymous" ? [] : [noteCaller]),
      limit,
      parseBody(operation),
      async (request: Request, response: Response) => {
        const checked = requestOf(operation, request, response);
        noteSubject(checked.params);
        await sendReply(response, await audited.serve(operation, checked, request, response), log);
      },
      audited.refusals(operation),
    );
  }
  for (const [path, same] of Map.groupBy(ordered, ({ path }) => path)) {
    app.all(
      expressPath(path),
      identify("signed-in"),
      noteCaller,
      limit,
      noSuchMethod(same.map(({ method }) => method)),
    );
  }
  app.use("/v1", identify("signed-in"), noteCaller, limit, noSuchRoute);
}

/** What the request is about, for its log lines. */
function noteSubject(params: unknown): void {
  const { tenantName, batchId, jobId } = (params ?? {}) as Partial<Record<string, string>>;
  if (jobId !== undefined) addLogFields(jobLogFields(jobId));
  else if (batchId !== undefined) addLogFields(batchLogFields(batchId));
  else if (tenantName !== undefined) addLogFields({ tenantName });
}

/** Refuses a body of another media type unread. */
const parseBody =
  ({ bodies }: Operation): RequestHandler =>
  (request, response, next) => {
    const kind = bodies.length === 0 ? undefined : kindOf(request, bodies);
    if (kind?.parser === undefined) next();
    else kind.parser(request, response, next);
  };

function requestOf(operation: Operation, request: Request, response: Response): Parameters<Audited["serve"]>[1] {
  const { params, query, headers } = operation;
  // One part after the other, so that an error is about one part.
  return {
    // Found when it is used: an anonymous operation may have no caller.
    get caller() {
      return callerOf(response);
    },
    params: params && validate(params, joinRest(request.params)),
    query: query && validate(query, request.query),
    headers: headers && validate(headers, request.headers),
    body: bodyOf(operation, request),
    // Made when it is used: few operations run while their answer is being sent.
    get gone() {
      return goneSignal(response);
    },
  };
}

function goneSignal(response: Response): AbortSignal {
  const controller = new AbortController();
  const abortIfCut = (): void => {
    if (!response.writableFinished) controller.abort();
  };
  if (response.closed) abortIfCut();
  else response.once("close", abortIfCut);
  return controller.signal;
}

function bodyOf({ bodies }: Operation, request: Request): unknown {
  const [usual] = bodies;
  if (usual === undefined) return undefined;
  return (kindOf(request, bodies) ?? usual).read(request);
}

/** `{+name}` matches segments. The operation gets them as one path. */
const joinRest = (params: Request["params"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, Array.isArray(value) ? value.join("/") : value]),
  );

const expressPath = (path: string): string =>
  path.replaceAll(/\{(\+?)(\w+)\}/g, (_, rest, name) => `${rest ? "*" : ":"}${String(name)}`);

/** Fixed words before names, so that the order of the list does not matter. */
function compare(a: string, b: string): number {
  const rank = (path: string): string => path.replaceAll("{+", "\uffff").replaceAll("{", "\ufffe");
  return rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0;
}
