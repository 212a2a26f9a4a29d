/**
 * Serves the document of the API to programs (`/openapi.json`) and to people (`/docs`), and a front page (`/`). These pages
 * need no token, and say nothing about this deployment.
 */
import { Router } from "express";
import { DOCS_STYLE, docsPage, html } from "./docs-page.ts";
import { openApiDocument } from "./openapi.ts";
import type { Operation } from "./operation.ts";

/** The page runs no script and loads nothing but its own style. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FRONT_PAGE = html`<!doctype html>
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>Jobyard</title>
      <link rel="stylesheet" href="/docs/style.css" />
    </head>
    <body>
      <h1>Jobyard</h1>
      <p>This is the web API of Jobyard, which runs background jobs. Programs use it with an access token.</p>
      <ul>
        <li><a href="/docs">The operations of the API</a></li>
        <li><a href="/openapi.json">The OpenAPI document, for programs</a></li>
        <li><a href="/healthz">Whether this server answers</a></li>
        <li><a href="/readyz">Whether it reaches storage and message broker</a></li>
      </ul>
    </body>
  </html> `.text;
/** Caches must revalidate. */
const CACHING = "no-cache";

export function documentPages(operations: readonly Operation[]): Router {
  // At the first request: making them takes longer than the rest of the start.
  const document = once(() => openApiDocument(operations));
  const json = once(() => JSON.stringify(document(), undefined, 2));
  const docs = once(() => docsPage(document()));
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
  serve("/openapi.json", "application/json", json);
  serve("/docs", "text/html", docs);
  serve("/docs/style.css", "text/css", () => DOCS_STYLE);
  return router;
}

function once<T extends object | string>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
