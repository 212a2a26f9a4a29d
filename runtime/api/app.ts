/** The web API as a value: an Express app made from what it needs, with the order of its middleware in one place. */
import express, { type Express, type Router } from "express";
import { REQUEST_BODY_MAX_BYTES } from "../core/limits.ts";
import type { IdSource } from "../core/ids.ts";
import type { Logger } from "../core/logger.ts";
import type { BatchStore, JobFiles, JobQueue, JobStore, WorkerStore } from "../core/ports.ts";
import { createBatchCompletion } from "../jobs/batch-completion.ts";
import { createBatchCommands } from "./batch-commands.ts";
import { batchCommandRoutes } from "./batch-command-routes.ts";
import type { Identify } from "./caller.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { deadLetterRoutes } from "./dead-letter-routes.ts";
import { answerErrors, noSuchRoute } from "./error-response.ts";
import { jobCommandRoutes } from "./job-command-routes.ts";
import { createLookup } from "./lookup.ts";
import { readRoutes } from "./read-routes.ts";
import { assignRequestId } from "./request-id.ts";
import type { Ringer } from "./ringer.ts";
import { createSubmitter } from "./submit.ts";
import { submitRoutes } from "./submit-routes.ts";
import { checkDepth, requireJson } from "./validate.ts";

export interface AppDeps {
  readonly jobs: JobStore;
  readonly batches: BatchStore;
  readonly workers: Pick<WorkerStore, "requestCancel">;
  readonly files: JobFiles;
  readonly queue: Pick<JobQueue, "peek" | "takeDeadLetters">;
  /** Sends to the same queue; closed by whoever made it. */
  readonly ringer: Ringer;
  readonly ids: IdSource;
  readonly now: () => Date;
  /** The worker pools there are. */
  readonly pools: readonly string[];
  /** Finds out who calls, before the body is read. */
  readonly identify: Identify;
  readonly log: Logger;
}

export function createApp(deps: AppDeps): Express {
  const { identify, log } = deps;
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");

  // First, so that every answer has an id; also those of the middleware below.
  app.use(assignRequestId);
  app.get("/healthz", (_request, response) => {
    response.json({ status: "ok" });
  });
  // Before the body is read: an unknown caller must not make us parse anything.
  app.use("/v1", identify("manage"));
  app.use(
    "/v1",
    requireJson,
    express.json({ limit: REQUEST_BODY_MAX_BYTES, strict: true }),
    (request, _response, next) => {
      checkDepth(request.body);
      next();
    },
  );
  app.use("/v1", ...routes(deps));
  app.use(noSuchRoute);
  app.use(answerErrors(log));
  return app;
}

function routes(deps: AppDeps): Router[] {
  const lookup = createLookup(deps);
  const completion = createBatchCompletion(deps);
  const shared = { ...deps, lookup, completion };
  return [
    submitRoutes(createSubmitter(shared)),
    readRoutes(shared),
    jobCommandRoutes(shared),
    batchCommandRoutes({ ...shared, commands: createBatchCommands(shared) }),
    deadLetterRoutes(createDeadLetters(deps)),
  ];
}
