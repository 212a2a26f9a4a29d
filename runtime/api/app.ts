/** The web API as an Express app, with the order of its middleware. */
import { randomBytes } from "node:crypto";
import express, { type Express } from "express";
import { METRICS_MEDIA_TYPE, readyAnswer } from "../core/http/readiness.ts";
import type { TrafficSettings } from "../core/settings/api-settings.ts";
import type { Unreadable } from "../core/unreadable.ts";
import {
  accessLog,
  expectCloseListeners,
  crossOrigin,
  measureRequests,
  noteRoute,
  privateAnswers,
  securityHeaders,
  traceRequest,
} from "./http/middleware.ts";
import { createAudited } from "./http/audited.ts";
import { assignRequestId } from "./http/request-ids.ts";
import type { Identify } from "./auth/caller.ts";
import { documentPages } from "./http/document-pages.ts";
import { webPages, type WebFiles } from "./http/web-pages.ts";
import { acceptTickets } from "./events/tickets.ts";
import { mountHub } from "./events/hub.ts";
import { createResolveSubject } from "./events/resolve-subject.ts";
import { answerErrors, noSuchRoute } from "./http/error-response.ts";
import { createLookup } from "./lookup.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Readiness } from "./readiness.ts";
import { mount } from "./http/mount.ts";
import { createOperations, type OperationDeps } from "./routes/routes.ts";
import { createCallerLimit, limitStrangers } from "./http/rate-limit.ts";

export interface AppDeps extends OperationDeps {
  /** Finds the caller of a request. */
  readonly identify: Identify;
  /** What cannot be used, of storage and broker. See readiness.ts. */
  readonly readiness: Readiness;
  readonly metrics: Pick<Metrics, "apiRequests" | "auditLost">;
  /** All metrics of this process, as Prometheus reads them. */
  readonly metricsText: () => Promise<string>;
  /** Counts what other releases wrote and this process cannot read. */
  readonly unreadable: Unreadable;
  readonly traffic: TrafficSettings;
  /** The dashboard; undefined: there is none. */
  readonly web?: WebFiles | undefined;
}

export function createApp(deps: AppDeps): Express {
  const { identify, followers, readiness, unreadable, traffic, metrics, metricsText, log } = deps;
  const { monotonicNow } = deps.clock;
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");
  app.set("trust proxy", traffic.proxyHops);

  // First, so that every answer has an id, also an answer of the middleware below.
  app.use(
    expectCloseListeners,
    assignRequestId,
    traceRequest,
    accessLog(log, monotonicNow),
    measureRequests(metrics, monotonicNow),
  );
  app.use(securityHeaders);
  // For load balancers: no token, and little information.
  app.get("/healthz", (_request, response) => {
    response.json({ status: "ok" });
  });
  app.get("/readyz", async (_request, response) => {
    const { status, body } = readyAnswer(await readiness(), unreadable.formats());
    response.status(status).json(body);
  });
  const strangers = limitStrangers();
  // Metrics name the tenants, so they are for operators only.
  app.get("/metrics", privateAnswers, strangers, identify("operate"), async (_request, response) => {
    noteRoute(response, "/metrics");
    response.set("content-type", METRICS_MEDIA_TYPE).send(await metricsText());
  });
  // Before tokens are checked: a browser's preflight request has none.
  if (traffic.allowedOrigins.length > 0) app.use(crossOrigin(traffic.allowedOrigins));
  const operations = createOperations(deps);
  if (deps.web !== undefined) app.use(webPages(deps.web, deps.authFacts));
  app.use(documentPages(operations));
  app.use("/v1", privateAnswers, strangers);
  const limit = createCallerLimit(traffic.requestsPerMinute);
  app.use("/hubs", strangers);
  const resolve = createResolveSubject(createLookup(deps.stores));
  const { allowedOrigins } = traffic;
  mountHub(app, { ...followers, identify, resolve, limit, allowedOrigins, monotonicNow, log });
  const audited = createAudited({ ...deps.stores, metrics, newEntryId, now: deps.clock.now, log });
  mount(app, operations, { identify: acceptTickets(identify, followers.tickets), limit: limit.handler, audited, log });
  app.use(noSuchRoute);
  app.use(answerErrors(log, unreadable));
  return app;
}

/** Two entries of one millisecond must differ. */
const newEntryId = (): string => randomBytes(8).toString("hex");
