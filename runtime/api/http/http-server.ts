/** The HTTP server around the app: limits of size and time, start and end, WebSocket upgrades. */
import { randomUUID } from "node:crypto";
import { type IncomingMessage, type RequestListener, STATUS_CODES, type Server, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CONNECTIONS_MAX_COUNT, HEADERS_MAX_BYTES } from "../../core/limits.ts";
import { type HttpLimits, createLimitedServer, endStalled } from "../../platform/server-limits.ts";

export type HttpServerOptions = Partial<HttpLimits>;

export function createHttpServer(app: RequestListener, limits: HttpServerOptions = {}): Server {
  const server = createLimitedServer(
    { maxCount: CONNECTIONS_MAX_COUNT, ...limits },
    { shouldUpgradeCallback: isWebSocketRequest },
  );
  server.on("request", app);
  server.on("clientError", refuse);
  passUpgrades(server, app);
  return server;
}

/** Resolves to the port, which the system chooses when `port` is 0. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Resolves when every request under way has ended, or was cut off after `afterMs`. */
export function closeServer(server: Server, afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), afterMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** Input that is not a request gets an error in the usual shape, and its connection ends. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const { status, code, message } = refusalOf(error.code);
  const body = JSON.stringify({ error: { code, message, requestId: randomUUID() } });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Connection: close",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** By the code of Node's error. No operation answers these, because there is no request yet. */
export const REFUSALS = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: "HeadersTooLarge",
    message: `The headers are larger than ${HEADERS_MAX_BYTES} bytes.`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: "RequestTimeout", message: "The request was sent too slowly." },
} as const satisfies Readonly<Record<string, Refusal>>;

const NO_HTTP: Refusal = { status: 400, code: "InvalidRequest", message: "This is not an HTTP request." };

const refusalOf = (code = ""): Refusal =>
  code === "HPE_HEADER_OVERFLOW" || code === "ERR_HTTP_REQUEST_TIMEOUT" ? REFUSALS[code] : NO_HTTP;

// --- Upgrades: such a request passes the usual middleware and can be refused, until its route takes the connection ----

export interface Upgrade {
  readonly socket: Duplex;
  /** Bytes that the client has sent after its request. */
  readonly head: Buffer;
}

interface Pending extends Upgrade {
  readonly response: ServerResponse;
}

const pending = new WeakMap<IncomingMessage, Pending>();

/** Only WebSockets are upgraded. Any other offer is ignored. */
const isWebSocketRequest = ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() === "websocket";

/** Lets the app decide about upgrades of this server. */
function passUpgrades(server: Server, app: RequestListener): void {
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    const response = new ServerResponse(request);
    // If the request is refused, the answer is the last use of this connection.
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once("finish", () => socket.end());
    // Node does not watch this connection any more. Time limits are ours until a route takes it.
    socket.on("timeout", () => endStalled(socket));
    // The client may disconnect before a route takes the connection.
    socket.on("error", () => socket.destroy());
    pending.set(request, { socket, head, response });
    app(request, response);
  });
}

/** The connection of an upgrade request, once. It then belongs to the caller. Undefined: this is not such a request. */
export function takeUpgrade(request: IncomingMessage): Upgrade | undefined {
  const found = pending.get(request);
  if (found === undefined) return undefined;
  pending.delete(request);
  const { socket, head, response } = found;
  if (socket instanceof Socket) response.detachSocket(socket);
  return { socket, head };
}
