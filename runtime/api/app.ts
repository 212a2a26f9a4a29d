/** The web API as a value: an Express app made from what it needs, with the order of its middleware in one place. */
import express, { type Express } from "express";
import { REQUEST_BODY_MAX_BYTES } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import { identifyAs, type Caller } from "./caller.ts";
import { answerErrors, noSuchRoute } from "./error-response.ts";
import { readRoutes, type ReadDeps } from "./read-routes.ts";
import { assignRequestId } from "./request-id.ts";
import type { Submitter } from "./submit.ts";
import { submitRoutes } from "./submit-routes.ts";
import { checkDepth, requireJson } from "./validate.ts";

export interface AppDeps extends ReadDeps {
  readonly submitter: Submitter;
  /** Who everybody is, as long as only this machine can reach the API. */
  readonly caller: Caller;
  readonly log: Logger;
}

export function createApp({ submitter, caller, log, ...reads }: AppDeps): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");

  // First, so that every answer has an id; also those of the middleware below.
  app.use(assignRequestId);
  app.get("/healthz", (_request, response) => {
    response.json({ status: "ok" });
  });
  // Before the body is read: an unknown caller must not make us parse anything.
  app.use("/v1", identifyAs(caller));
  app.use(
    "/v1",
    requireJson,
    express.json({ limit: REQUEST_BODY_MAX_BYTES, strict: true }),
    (request, _response, next) => {
      checkDepth(request.body);
      next();
    },
  );
  app.use("/v1", submitRoutes(submitter), readRoutes(reads));
  app.use(noSuchRoute);
  app.use(answerErrors(log));
  return app;
}
