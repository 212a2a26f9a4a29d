/** What both servers of the bus need: they serve this machine only, and no peer can keep their connections for itself. */
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import type { Server, Socket } from "node:net";

/** Takes a setting, or the `hostname` of a URL. Names are compared by their letters: `localhost.evil.com` is not one. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);

/** An IPv6 address stands in brackets. User names and second hosts are refused. */
const HOST_HEADER = /^(?:(\[[0-9a-f:]+\])|([^\s:@/[\],]+))(?::\d{1,5})?$/i;

/** Whether the Host header names this machine. A web page that comes here by DNS rebinding names another one. */
export function isForThisMachine({ headers, headersDistinct }: IncomingMessage): boolean {
  if ((headersDistinct.host?.length ?? 1) > 1) return false;
  const [, address, name] = HOST_HEADER.exec(headers.host ?? "") ?? [];
  return isLoopback((address ?? name ?? "").toLowerCase());
}

export interface SocketLimits {
  /** Connections at a time. The server closes a further one at once. */
  readonly maxCount: number;
  /** How long a connection stays after our end of it. Default 2 s. */
  readonly lingerMs?: number | undefined;
}

const LINGER_MS = 2_000;

/**
 * Call it before the server listens. An ended connection stays for one to two times the linger time, so that the peer
 * can read our last words. TCP alone would keep it until the peer ends its side or reads.
 */
export function limitSockets(server: Server, { maxCount, lingerMs = LINGER_MS }: SocketLimits): void {
  server.maxConnections = maxCount;
  const sockets = new Set<Socket>();
  const ending = new WeakSet<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  // One timer for all sockets. It also sees a socket whose last bytes cannot be written.
  const timer = setInterval(() => {
    for (const socket of sockets) {
      if (!socket.writableEnded) continue;
      if (ending.has(socket)) socket.destroy();
      else ending.add(socket);
    }
  }, lingerMs).unref();
  server.once("close", () => clearInterval(timer));
}

export interface HttpLimits extends SocketLimits {
  readonly requestTimeoutMs: number;
  /** Default 15 s. */
  readonly headersTimeoutMs?: number | undefined;
}

const HEADERS_TIMEOUT_MS = 15_000;
/** How often Node looks for slow requests. */
const CHECK_EVERY_MS = 1_000;
const KEEP_ALIVE_MS = 65_000;
/** A connection on which nothing moves for so long has a client that does not read its answer. */
const STALLED_MS = 120_000;

export function createLimitedServer(limits: HttpLimits): HttpServer {
  const { headersTimeoutMs = HEADERS_TIMEOUT_MS, requestTimeoutMs } = limits;
  const server = createServer({
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, headersTimeoutMs),
  });
  limitSockets(server, limits);
  server.timeout = STALLED_MS;
  return server;
}
