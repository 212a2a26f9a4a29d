/** Gives every request an id that its answer, its log lines and its error body share. */
import { randomUUID } from "node:crypto";
import type { RequestHandler, Response } from "express";

const REQUEST_ID_HEADER = "x-request-id";

export const assignRequestId: RequestHandler = (_request, response, next) => {
  const id = randomUUID();
  response.locals["requestId"] = id;
  response.set(REQUEST_ID_HEADER, id);
  next();
};

export const requestIdOf = (response: Response): string => String(response.locals["requestId"]);
