/**
 * Receives the browser's redirect from an issuer: a server on this machine's loopback addresses, on a free port. It takes
 * one response to one sign-in and closes. The client reads the response.
 */
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createLimitedServer } from "../platform/server-limits.ts";

export interface LoopbackCallback extends AsyncDisposable {
  readonly redirectUri: string;
  /** The query of the first redirect with that state. Rejects with the signal's reason. */
  answerTo(state: string, signal: AbortSignal): Promise<URLSearchParams>;
}

/** Browsers open spare connections. */
const LIMITS = { maxCount: 8 };

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Jobyard</title>
<p>Go back to your terminal. You can close this page.</p>
</html>
`;
const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  connection: "close",
};

export async function listenForCallback(): Promise<LoopbackCallback> {
  let awaited: { readonly state: string; readonly settle: (query: URLSearchParams) => void } | undefined;
  let port = 0;

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const url = URL.parse(request.url ?? "", "http://localhost");
    // A page of another site that reaches this port, by its own host name or from a script, is detected here.
    const isForeign = request.headers.host !== `localhost:${port}` || request.headers.origin !== undefined;
    if (isForeign) refuse(response, 403);
    else if (request.method !== "GET") refuse(response, 405);
    else if (url?.pathname !== "/") refuse(response, 404);
    // Another response does not end the wait, because any program on this machine can send one.
    else if (awaited === undefined || url.searchParams.get("state") !== awaited.state) refuse(response, 400);
    else {
      const { settle } = awaited;
      awaited = undefined;
      // Resolve after the page has been sent.
      response.once("close", () => settle(url.searchParams));
      response.writeHead(200, HEADERS).end(PAGE);
    }
  };

  const [v4, v6] = [createLimitedServer(LIMITS), createLimitedServer(LIMITS)];
  v4.on("request", handle).listen(0, "127.0.0.1");
  await once(v4, "listening");
  port = (v4.address() as AddressInfo).port;
  // `localhost` can be either address. Without IPv6, or if the port is taken there, browsers try the other one.
  v6.on("request", handle).listen(port, "::1");
  await once(v6, "listening").catch(() => undefined);

  return {
    redirectUri: `http://localhost:${port}`,
    answerTo: (state, signal) =>
      new Promise((resolve, reject) => {
        const end = (): void => reject(signal.reason as Error);
        if (signal.aborted) end();
        signal.addEventListener("abort", end, { once: true });
        const settle = (query: URLSearchParams): void => {
          signal.removeEventListener("abort", end);
          resolve(query);
        };
        awaited = { state, settle };
      }),
    async [Symbol.asyncDispose]() {
      awaited = undefined;
      await Promise.all([v4, v6].map(close));
    },
  };
}

const refuse = (response: ServerResponse, status: number): void => {
  response.writeHead(status, { ...HEADERS, "content-type": "text/plain" }).end();
};

/** Does not wait for connections that browsers keep open. */
async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
