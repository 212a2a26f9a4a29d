/**
 * Limits for the connections of a listening server, so that a client cannot block it: the number of connections, the
 * time until an ended connection is closed, slow headers and requests, and clients that do not read their responses.
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
  /** Maximum number of open connections. Further ones are closed at once. */
  readonly maxCount: number;
  /** Default SOCKET_LINGER_MS. */
  readonly lingerMs?: number | undefined;
}

export interface HttpLimits extends SocketLimits {
  /** Default HEADERS_TIMEOUT_MS. */
  readonly headersTimeoutMs?: number | undefined;
  /** Default REQUEST_TIMEOUT_MS. */
  readonly requestTimeoutMs?: number | undefined;
  /** Default ANSWER_STALLED_MS. */
  readonly stalledMs?: number | undefined;
}

/** Interval of the checks for slow requests. */
const CHECK_EVERY_MS = 1_000;
/** Azure's load balancer ends idle connections after 4 minutes. Proxies reuse them for about one minute. */
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

/** Call it before the server listens. */
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

/** A quiet connection may wait for the server. If unsent bytes wait for it, the client does not read. */
export function endStalled(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy();
}

/**
 * Call it before the server listens. An ended connection stays for one to two times the linger time, so that the peer
 * can read the last data. TCP alone would keep it until the peer has read everything and has ended its own side.
 */
function limitSockets(server: NetServer, { maxCount, lingerMs = SOCKET_LINGER_MS }: SocketLimits): void {
  server.maxConnections = maxCount;
  const sockets = new Set<Socket>();
  const ending = new WeakSet<Socket>();
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  // A TLS connection has two sockets. The second one is ended.
  server.on("connection", track).on("secureConnection", track);
  // One timer for all sockets. It also finds an ended socket whose last bytes cannot be written.
  const timer = setInterval(() => {
    for (const socket of sockets) {
      if (!socket.writableEnded) continue;
      if (ending.has(socket)) socket.destroy();
      else ending.add(socket);
    }
  }, lingerMs).unref();
  server.once("close", () => clearInterval(timer));
}
