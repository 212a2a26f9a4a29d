/**
 * Serves the document of the API to programs (`/openapi.json`), and a front page (`/`) where there is no dashboard. They need
 * no token, and say nothing about this deployment.
 */
import { Router } from "express";
import { openApiDocument } from "./openapi.ts";
import type { Operation } from "./operation.ts";

/** The page runs no script and loads nothing. */
const PAGE_POLICY = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FRONT_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Jobyard</title>
  </head>
  <body>
    <h1>Jobyard</h1>
    <p>This is the web API of Jobyard, which runs background jobs. Programs use it with an access token.</p>
    <ul>
      <li><a href="/openapi.json">Its operations, as an OpenAPI document</a></li>
      <li><a href="/healthz">Whether this server answers</a></li>
      <li><a href="/readyz">Whether it reaches storage and message broker</a></li>
    </ul>
  </body>
</html>
`;
/** Caches must revalidate. */
const CACHING = "no-cache";

export function documentPages(operations: readonly Operation[]): Router {
  // At the first request: making it takes longer than the rest of the start.
  let json: string | undefined;
  const router = Router();
  const serve = (path: string, type: string, content: () => string): void => {
    router.get(path, (_request, response) => {
      response.set({
        "cache-control": CACHING,
        "content-security-policy": PAGE_POLICY,
        "x-content-type-options": "nosniff",
      });
      response.type(type).send(content());
    });
  };
  serve("/", "text/html", () => FRONT_PAGE);
  serve(
    "/openapi.json",
    "application/json",
    () => (json ??= JSON.stringify(openApiDocument(operations), undefined, 2)),
  );
  // For people the dashboard has a page there; without one, and for programs, this is the document.
  router.get("/docs", (_request, response) => {
    response.redirect("/openapi.json");
  });
  return router;
}
