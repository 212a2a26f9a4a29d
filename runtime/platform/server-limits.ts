/**
 * Limits for the connections of any listening server, so that a stranger cannot hold them: their number, and how long one
 * stays after our side has ended it. What a connection may say is the server's own business.
 */
import { type IncomingMessage, type Server, type ServerOptions, type ServerResponse, createServer } from "node:http";
import type { Server as NetServer, Socket } from "node:net";
import {
  ANSWER_STALLED_MS,
  HEADERS_MAX_BYTES,
  HEADERS_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  SOCKET_LINGER_MS,
} from "../core/limits.ts";

export interface SocketLimits {
  /** Connections at a time. A further one is closed unheard. */
  readonly maxCount: number;
  /** Default SOCKET_LINGER_MS. */
  readonly lingerMs?: number | undefined;
}

/**
 * To be called before the server listens. An ended connection stays for one to two times the linger time: the peer may
 * read our last words. TCP alone would keep it for as long as the peer does not end its own side, or does not read.
 */
function limitSockets(server: NetServer, { maxCount, lingerMs = SOCKET_LINGER_MS }: SocketLimits): void {
  server.maxConnections = maxCount;
  const sockets = new Set<Socket>();
  const ending = new WeakSet<Socket>();
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  // Over TLS there are two sockets for a connection: the one that is ended is the second.
  server.on("connection", track).on("secureConnection", track);
  // One timer for all sockets: it also sees a socket that was ended while its last bytes cannot be written.
  const timer = setInterval(() => {
    for (const socket of sockets) {
      if (!socket.writableEnded) continue;
      if (ending.has(socket)) socket.destroy();
      else ending.add(socket);
    }
  }, lingerMs).unref();
  server.once("close", () => clearInterval(timer));
}

// --- HTTP: slow headers, slow requests, answers that are not read, connections that are not ended --------------------

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
