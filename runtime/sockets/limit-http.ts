/** Limits for HTTP servers: slow headers, slow requests, answers that nobody reads, connections that nobody ends. */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { ANSWER_STALLED_MS, HEADERS_MAX_BYTES, HEADERS_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from "../core/limits.ts";
import { limitSockets, type SocketLimits } from "./limit-sockets.ts";

export interface HttpLimits extends SocketLimits {
  /** Default HEADERS_TIMEOUT_MS. */
  readonly headersTimeoutMs?: number | undefined;
  /** Default REQUEST_TIMEOUT_MS. */
  readonly requestTimeoutMs?: number | undefined;
  /** Default ANSWER_STALLED_MS. */
  readonly stalledMs?: number | undefined;
}

/** How often slow requests are looked for. */
const CHECK_EVERY_MS = 1_000;
/** Azure's load balancer ends idle connections after 4 minutes, proxies reuse them for about one. */
const KEEP_ALIVE_MS = 65_000;

/** For `createServer` of `node:http` and `node:https`. */
export const httpTimes = ({
  headersTimeoutMs = HEADERS_TIMEOUT_MS,
  requestTimeoutMs = REQUEST_TIMEOUT_MS,
}: Omit<HttpLimits, "maxCount">): ServerOptions => ({
  maxHeaderSize: HEADERS_MAX_BYTES,
  headersTimeout: headersTimeoutMs,
  requestTimeout: requestTimeoutMs,
  keepAliveTimeout: KEEP_ALIVE_MS,
  connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, headersTimeoutMs),
});

/** To be called before the server listens. */
export function limitHttp(server: Server, limits: HttpLimits): void {
  limitSockets(server, limits);
  server.timeout = limits.stalledMs ?? ANSWER_STALLED_MS;
  server.on("request", (_request: IncomingMessage, response: ServerResponse) => {
    response.on("timeout", endStalled);
  });
}

/** An HTTP server with these limits. `options` are Node's own. */
export function createLimitedServer(limits: HttpLimits, options: ServerOptions = {}): Server {
  const server = createServer({ ...httpTimes(limits), ...options });
  limitHttp(server, limits);
  return server;
}

/** A quiet connection may be waiting for us; one that has bytes waiting for it has a client that does not read. */
export function endStalled(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy();
}
