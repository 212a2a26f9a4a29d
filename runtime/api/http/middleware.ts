/** Middleware of every request: its id, the access log, security headers, CORS. */
import { randomUUID } from "node:crypto";
import cors from "cors";
import type { RequestHandler, Response } from "express";
import helmet from "helmet";
import type { Logger } from "../../core/logger.ts";
import { failSpan, startSpan, withSpan } from "../../telemetry/trace.ts";
import { callerKey, findCaller } from "../auth/caller.ts";

const REQUEST_ID_HEADER = "x-request-id";

/** The id that the answer, the log lines and the error body of a request share. */
export const assignRequestId: RequestHandler = (_request, response, next) => {
  const id = randomUUID();
  response.locals["requestId"] = id;
  response.set(REQUEST_ID_HEADER, id);
  next();
};

export const requestIdOf = (response: Response): string => String(response.locals["requestId"]);

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

/** One line for every request. No query, no header, no body: they may hold secrets. */
export const accessLog =
  (log: Logger, monotonicNow: () => number): RequestHandler =>
  (request, response, next) => {
    const { method, path } = request;
    const startedAt = monotonicNow();
    response.once("close", () => {
      if (NOT_LOGGED.has(path)) return;
      const caller = findCaller(response);
      log.info(
        {
          requestId: requestIdOf(response),
          method,
          path,
          status: response.statusCode,
          ms: Math.round(monotonicNow() - startedAt),
          ...(caller && { caller: callerKey(caller) }),
          // The client disconnected, or the answer failed.
          ...(!response.writableFinished && { complete: false }),
        },
        "request",
      );
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
  "x-request-id",
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
