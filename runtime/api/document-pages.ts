/** Serves the document of the API to programs (`/openapi.json`) and to people (`/docs`). Both need no token. */
import { Router } from "express";
import { DOCS_STYLE, docsPage } from "./docs-page.ts";
import { openApiDocument } from "./openapi.ts";
import type { Operation } from "./operation.ts";

/** The page runs no script and loads nothing but its own style. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Whoever has it asks whether it has changed. */
const CACHING = "no-cache";

export function documentPages(operations: readonly Operation[]): Router {
  // When first asked for: making them takes longer than the rest of an API's start.
  const document = once(() => openApiDocument(operations));
  const json = once(() => JSON.stringify(document(), undefined, 2));
  const html = once(() => docsPage(document()));
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
  serve("/openapi.json", "application/json", json);
  serve("/docs", "text/html", html);
  serve("/docs/style.css", "text/css", () => DOCS_STYLE);
  return router;
}

function once<T extends object | string>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
