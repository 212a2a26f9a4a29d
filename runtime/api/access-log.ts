/** One line for every request: what was asked, by whom, how it was answered. No query, no header, no body: they may hold secrets. */
import type { RequestHandler } from "express";
import type { Logger } from "../core/logger.ts";
import { callerKey, findCaller } from "./caller.ts";
import { requestIdOf } from "./request-id.ts";

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
