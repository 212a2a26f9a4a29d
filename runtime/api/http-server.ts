/** The HTTP server around the app: how large and how slow a request may be before it is an app's business at all. */
import { randomUUID } from "node:crypto";
import { type RequestListener, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { CONNECTIONS_MAX_COUNT, HEADERS_MAX_BYTES } from "../core/limits.ts";
import { createLimitedServer, type HttpLimits } from "../sockets/limit-http.ts";
import { isWebSocketRequest, passUpgrades } from "./upgrade.ts";

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

/** A request that never became one gets an answer in the shape of all others, and its connection ends. */
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

/** By the code of Node's error. These never become a request, so they are no errors of operations. */
export const REFUSALS = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: "HeadersTooLarge",
    message: `The headers are larger than ${HEADERS_MAX_BYTES} bytes.`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: "RequestTimeout", message: "The request came too slowly." },
} as const satisfies Readonly<Record<string, Refusal>>;

const NO_HTTP: Refusal = { status: 400, code: "InvalidRequest", message: "This is no HTTP request." };

const refusalOf = (code = ""): Refusal =>
  code === "HPE_HEADER_OVERFLOW" || code === "ERR_HTTP_REQUEST_TIMEOUT" ? REFUSALS[code] : NO_HTTP;
