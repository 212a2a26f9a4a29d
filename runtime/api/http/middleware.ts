/** Middleware of every request: its id, the access log, security headers, CORS. */
import { randomUUID } from "node:crypto";
import cors from "cors";
import type { RequestHandler, Response } from "express";
import helmet from "helmet";
import type { Logger } from "../../core/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
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

/** Of requests that no operation serves, so that strangers cannot make up routes. */
const OTHER_ROUTE = "other";

export function noteRoute(response: Response, path: string): void {
  response.locals["route"] = path;
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
