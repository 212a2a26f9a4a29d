/** The web API as a value: an Express app made from what it needs, with the order of its middleware in one place. */
import express, { type Express } from "express";
import type { Logger } from "../core/logger.ts";
import type { Identify } from "./caller.ts";
import { documentPages } from "./document-pages.ts";
import { answerErrors, noSuchRoute } from "./error-response.ts";
import { mount } from "./mount.ts";
import { createOperations, type OperationDeps } from "./operations.ts";
import { assignRequestId } from "./request-id.ts";

export interface AppDeps extends OperationDeps {
  /** Says who calls, before anything else is done for a request. */
  readonly identify: Identify;
  readonly log: Logger;
}

export function createApp(deps: AppDeps): Express {
  const { log } = deps;
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");

  // First, so that every answer has an id; also those of the middleware below.
  app.use(assignRequestId);
  app.get("/healthz", (_request, response) => {
    response.json({ status: "ok" });
  });
  const operations = createOperations(deps);
  app.use(documentPages(operations));
  mount(app, operations, deps);
  app.use(noSuchRoute);
  app.use(answerErrors(log));
  return app;
}
