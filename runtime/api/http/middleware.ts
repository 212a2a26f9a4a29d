/** Gives every request an id that its answer, its log lines and its error body share. */
import { randomUUID } from "node:crypto";
import cors from "cors";
import type { RequestHandler, Response } from "express";
import helmet from "helmet";
import type { Logger } from "../../core/logger.ts";
import { callerKey, findCaller } from "../auth/caller.ts";

const REQUEST_ID_HEADER = "x-request-id";

export const assignRequestId: RequestHandler = (_request, response, next) => {
  const id = randomUUID();
  response.locals["requestId"] = id;
  response.set(REQUEST_ID_HEADER, id);
  next();
};

export const requestIdOf = (response: Response): string => String(response.locals["requestId"]);

// One line for every request: what was asked, by whom, how it was answered. No query, no header, no body: they may hold secrets.

/** Asked by machines every few seconds; nobody wants to read that. */
const UNINTERESTING = new Set(["/healthz", "/readyz"]);

export const accessLog =
  (log: Logger, monotonicNow: () => number): RequestHandler =>
  (request, response, next) => {
    const { method, path } = request;
    const startedAt = monotonicNow();
    response.once("close", () => {
      if (UNINTERESTING.has(path)) return;
      const caller = findCaller(response);
      log.info(
        {
          requestId: requestIdOf(response),
          method,
          path,
          status: response.statusCode,
          ms: Math.round(monotonicNow() - startedAt),
          ...(caller && { caller: callerKey(caller) }),
          // The client went away, or the answer broke off.
          ...(!response.writableFinished && { complete: false }),
        },
        "request",
      );
    });
    next();
  };

// Headers that keep a browser from doing with an answer what only a page of ours may be used for.

/** For answers that are data. The pages the API serves set a policy of their own. */
export const securityHeaders: RequestHandler = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
  },
  // Who may read an answer across origins is decided by CORS alone.
  crossOriginResourcePolicy: { policy: "same-site" },
});

/** What a caller may see is nobody else's: caches between us ask each time, with the ETag. */
export const privateAnswers: RequestHandler = (_request, response, next) => {
  response.set("Cache-Control", "private, no-cache");
  response.vary("Authorization");
  next();
};

// Which web pages of other origins may call the API from a browser: those that are configured, no other.

/** What a page may read of an answer beside its body. */
const EXPOSED = [
  "ETag",
  "Location",
  "Retry-After",
  "RateLimit",
  "RateLimit-Policy",
  "x-request-id",
  "Idempotency-Replayed",
];
/** Seconds a browser remembers what it was told. Two hours is the most that all of them honour. */
const REMEMBERED_S = 7_200;

/** `origins` exactly as browsers send them, `https://app.example.com`; at least one. */
export const crossOrigin = (origins: readonly string[]): RequestHandler =>
  cors({
    origin: [...origins],
    methods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    exposedHeaders: EXPOSED,
    maxAge: REMEMBERED_S,
    // SignalR's client asks with credentials, and then the origin must be named, as it is here.
    credentials: true,
  });
