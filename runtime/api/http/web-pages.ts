/**
 * Serves the dashboard: its built files from memory, and its one page at every address that no route of the API has. The
 * pages need no token and hold no data: they sign in themselves, and call the API as any other client.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { Router, type RequestHandler, type Response } from "express";
import type { AuthFacts } from "../../core/http/auth-facts.ts";
import { noteRoute } from "./middleware.ts";

export interface WebFile {
  readonly type: string;
  /** By content encoding; `identity` is always there. */
  readonly content: Readonly<Partial<Record<Encoding, Buffer>>> & { readonly identity: Buffer };
  readonly etag: string;
}

/** Files by path, as `/assets/main-1a2b.js`. */
export type WebFiles = ReadonlyMap<string, WebFile>;

type Encoding = "br" | "gzip" | "identity";

/** Beside each file that is worth it. */
const COMPRESSED: ReadonlyMap<string, Encoding> = new Map([
  [".br", "br"],
  [".gz", "gzip"],
]);
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
const PAGE = "/index.html";
/** Their names contain their hash. */
const HASHED = "/assets/";
const HASHED_CACHING = "public, max-age=31536000, immutable";
const PAGE_CACHING = "no-cache";
/** Other addresses of the API, which answer programs. */
const NOT_PAGES = /^\/(?:v1|hubs|assets|metrics|healthz|readyz|openapi\.json)(?:\/|$)/;

/** Undefined if the folder has no pages: then the API has no dashboard. */
export async function readWebFiles(directory: string): Promise<WebFiles | undefined> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const raw = new Map(await Promise.all(paths.map(async (path) => [path, await readFile(path)] as const)));
  const files = new Map<string, WebFile>();
  for (const [path, identity] of raw) {
    if (COMPRESSED.has(extname(path))) continue;
    const content: Partial<Record<Encoding, Buffer>> = {};
    for (const [ending, encoding] of COMPRESSED) {
      const compressed = raw.get(path + ending);
      if (compressed !== undefined) content[encoding] = compressed;
    }
    files.set(`/${relative(directory, path).split(sep).join("/")}`, {
      type: TYPES[extname(path)] ?? "application/octet-stream",
      content: { ...content, identity },
      etag: `"${createHash("sha256").update(identity).digest("base64url").slice(0, 22)}"`,
    });
  }
  return files.has(PAGE) ? files : undefined;
}

/** Everything comes from this server; the page also calls the issuer of its tokens. */
export const webPolicy = (facts: AuthFacts): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    // Previews of artifacts are made from what the page has fetched.
    "img-src 'self' data: blob:",
    `connect-src 'self'${facts.kind === "entra" ? ` ${facts.pageAuthority ?? facts.authority}` : ""}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");

export function webPages(files: WebFiles, facts: AuthFacts): Router {
  const policy = webPolicy(facts);
  const router = Router();
  router.use((request, response, next) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      next();
      return;
    }
    const own = request.path === PAGE ? undefined : files.get(request.path);
    const file = own ?? (isPage(request) ? files.get(PAGE) : undefined);
    if (file === undefined) {
      next();
      return;
    }
    noteRoute(response, own === undefined ? "/" : HASHED);
    response.set({
      "cache-control": request.path.startsWith(HASHED) ? HASHED_CACHING : PAGE_CACHING,
      "content-security-policy": policy,
      // The window that opened this one, or that this one opens, has no hold on it.
      "cross-origin-opener-policy": "same-origin",
      "permissions-policy": "camera=(), geolocation=(), microphone=()",
      etag: file.etag,
    });
    send(request.acceptsEncodings("br", "gzip") || "identity", file, response);
  });
  return router;
}

function send(encoding: string, { content, type }: WebFile, response: Response): void {
  const wanted = (encoding as Encoding) in content ? (encoding as Encoding) : "identity";
  response.vary("Accept-Encoding").type(type);
  if (wanted !== "identity") response.set("content-encoding", wanted);
  response.send(content[wanted]);
}

/** Browsers that go to an address accept HTML by name. Programs that accept anything get the API's error. */
const isPage = ({ path, headers }: Parameters<RequestHandler>[0]): boolean =>
  !NOT_PAGES.test(path) && (path === "/" || (headers.accept ?? "").includes("text/html"));
