/** Middleware of every request: the access log, security headers, CORS. */
import cors from "cors";
import type { RequestHandler, Response } from "express";
import helmet from "helmet";
import type { Logger } from "../../core/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { failSpan, startSpan, withSpan } from "../../telemetry/trace.ts";
import { addLogFields, currentLogFields } from "../../platform/log-context.ts";
import { CLIENT_REQUEST_ID_HEADER, REQUEST_ID_HEADER } from "./request-ids.ts";

/** Ours, and seven of Node's that send a stream. Node warns of more than ten. */
const CLOSE_LISTENERS_MAX_COUNT = 20;

export const expectCloseListeners: RequestHandler = (_request, response, next) => {
  response.setMaxListeners(CLOSE_LISTENERS_MAX_COUNT);
  next();
};

/** Called by load balancers every few seconds. */
const NOT_LOGGED = new Set(["/healthz", "/readyz"]);

/**
 * The span of a request, in the trace of its caller. Its name is the route as the API's document has it, because paths
 * hold names of users.
 */
export const traceRequest: RequestHandler = (request, response, next) => {
  if (NOT_LOGGED.has(request.path)) {
    next();
    return;
  }
  const span = startSpan(request.method, {
    kind: "SERVER",
    parent: request.get("traceparent") ?? null,
    attributes: { "http.request.method": request.method },
  });
  response.once("close", () => {
    const route: unknown = response.locals["route"];
    if (typeof route === "string") {
      span.setAttribute("http.route", route);
      span.updateName(`${request.method} ${route}`);
    }
    const { statusCode } = response;
    span.setAttribute("http.response.status_code", statusCode);
    if (statusCode >= 500) failSpan(span, String(statusCode));
    span.end();
  });
  withSpan(span, next);
};

/** Of a path that is no route. It says what was asked for, and is text of a stranger. */
const PATH_MAX_LENGTH = 200;

/**
 * One line for every request. No query, no header, no body: they may hold secrets. Not the path, which may hold names of a
 * job's files: the route, and the ids of what it is about.
 */
export const accessLog =
  (log: Logger, monotonicNow: () => number): RequestHandler =>
  (request, response, next) => {
    const { method, path } = request;
    const startedAt = monotonicNow();
    // The connection's events are outside of the request's work.
    const fields = currentLogFields();
    response.once("close", () => {
      if (NOT_LOGGED.has(path)) return;
      log.info(
        {
          ...fields,
          method,
          ...(fields["route"] === undefined && { path: path.slice(0, PATH_MAX_LENGTH) }),
          status: response.statusCode,
          ms: Math.round(monotonicNow() - startedAt),
          // The client disconnected, or the answer failed.
          ...(!response.writableFinished && { complete: false }),
        },
        "request",
      );
    });
    next();
  };

/** Of requests that no operation serves, so that strangers cannot make up routes. */
const OTHER_ROUTE = "other";

export function noteRoute(response: Response, path: string): void {
  response.locals["route"] = path;
  addLogFields({ route: path });
}

/** Counts every request by its route's pattern, never by its path. */
export const measureRequests =
  (metrics: Pick<Metrics, "apiRequests">, monotonicNow: () => number): RequestHandler =>
  ({ method }, response, next) => {
    const startedAt = monotonicNow();
    response.once("close", () => {
      const route = (response.locals["route"] as string | undefined) ?? OTHER_ROUTE;
      const seconds = (monotonicNow() - startedAt) / 1_000;
      metrics.apiRequests.record(seconds, { method, route, status: String(response.statusCode) });
    });
    next();
  };

/** For answers that are data. The pages that the API serves set a policy of their own. */
export const securityHeaders: RequestHandler = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
  },
  // CORS alone decides who may read an answer across origins.
  crossOriginResourcePolicy: { policy: "same-site" },
});

/** Answers are for one caller. Caches must revalidate each time, with the ETag. */
export const privateAnswers: RequestHandler = (_request, response, next) => {
  response.set("Cache-Control", "private, no-cache");
  response.vary("Authorization");
  next();
};

/** Headers that a page of another origin may read. */
const EXPOSED = [
  "ETag",
  "Location",
  "Retry-After",
  "RateLimit",
  "RateLimit-Policy",
  REQUEST_ID_HEADER,
  CLIENT_REQUEST_ID_HEADER,
  "Idempotency-Replayed",
];
/** Seconds for which browsers cache the permission. Two hours is the most that all of them accept. */
const CACHED_S = 7_200;

/** `origins` as browsers send them, such as `https://app.example.com`. At least one. */
export const crossOrigin = (origins: readonly string[]): RequestHandler =>
  cors({
    origin: [...origins],
    methods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    exposedHeaders: EXPOSED,
    maxAge: CACHED_S,
    // SignalR's client sends credentials. Then the origin must be named, as it is here.
    credentials: true,
  });
