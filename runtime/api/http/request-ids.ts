/**
 * The ids of a request: ours, made for each, and the caller's own, if it sends one. Both are in every log line of the request
 * and in its answer. Ours goes with a submitted job to its row and to the log lines of its attempts.
 */
import { randomUUID } from "node:crypto";
import type { RequestHandler, Response } from "express";
import { addLogFields, currentLogFields, withLogFields } from "../../platform/log-context.ts";
import { callerKey, callerOf } from "../auth/caller.ts";

export const REQUEST_ID_HEADER = "x-request-id";
export const CLIENT_REQUEST_ID_HEADER = "x-client-request-id";

/** No character of it can end a line, a field or a query. Any other id is passed over: it must not fail the request. */
const CLIENT_REQUEST_ID_PATTERN = /^[\w.:-]{1,128}$/;

export const assignRequestId: RequestHandler = (_request, response, next) => {
  const requestId = randomUUID();
  response.locals["requestId"] = requestId;
  response.set(REQUEST_ID_HEADER, requestId);
  withLogFields({ requestId }, next);
};

export const requestIdOf = (response: Response): string => String(response.locals["requestId"]);

/** Of the request that is being served. Undefined outside of any. */
export function currentRequestId(): string | undefined {
  const { requestId } = currentLogFields();
  return typeof requestId === "string" ? requestId : undefined;
}

/** Behind the check of the caller, because the log takes no text from strangers. */
export const noteCaller: RequestHandler = (request, response, next) => {
  addLogFields({ caller: callerKey(callerOf(response)) });
  const clientRequestId = request.get(CLIENT_REQUEST_ID_HEADER);
  if (clientRequestId !== undefined && CLIENT_REQUEST_ID_PATTERN.test(clientRequestId)) {
    response.set(CLIENT_REQUEST_ID_HEADER, clientRequestId);
    addLogFields({ clientRequestId });
  }
  next();
};
