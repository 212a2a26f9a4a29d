/** Small HTTP servers and a proxy, for the parts of the cloud that use HTTP. */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { request as secureRequest } from "node:https";

import type { Duplex } from "node:stream";
import type { Certificate } from "../../../runtime/local/identity/certificate.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
/** Handles a request that upgrades its connection, with the bytes that followed it. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface ListenAt {
  readonly host: string;
  readonly port: number;
  /** Uses TLS if it is set. */
  readonly certificate?: Certificate;
  /** Ends a connection that is silent for longer. Default: never. */
  readonly idleMs?: number;
  /** Default: such requests are served without an upgrade. */
  readonly onUpgrade?: UpgradeHandler;
}

/** If a handler fails, the server answers 500 and prints the reason on standard error. */
export async function serve(
  { host, port, certificate, idleMs = 0, onUpgrade }: ListenAt,
  handler: Handler,
): Promise<Server> {
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    Promise.resolve(handler(incoming, response)).catch((error: unknown) => {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  };
  const server = certificate === undefined ? createServer(listener) : createSecureServer(certificate, listener);
  server.setTimeout(idleMs);
  if (onUpgrade !== undefined) server.on("upgrade", onUpgrade);
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  return server;
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

export async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** The host of a request, in lower case and without a port. */
export const hostOf = ({ headers }: IncomingMessage): string => (headers.host ?? "").toLowerCase().replace(/:\d+$/, "");

export interface ForwardTo {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** Replaces the request's own. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Replaces the request's own, which was read already. */
  readonly body?: Buffer;
}

/** Forwards an upgrade request. Afterwards both connections are one. */
export function forwardUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer, to: ForwardTo): void {
  const { host, port } = to;
  const headers = Object.fromEntries(
    Object.entries({ ...incoming.headers, ...to.headers }).filter(([, value]) => value !== undefined),
  );
  const outgoing = request({ host, port, method: incoming.method, path: incoming.url, headers });
  const end = (): void => void socket.destroy();
  const answer = ({ statusCode, statusMessage, rawHeaders }: IncomingMessage): void => {
    const lines = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1] ?? ""}`] : [],
    );
    socket.write([`HTTP/1.1 ${statusCode ?? 502} ${statusMessage ?? ""}`, ...lines, "", ""].join("\r\n"));
  };
  outgoing.on("upgrade", (response, inner, first) => {
    answer(response);
    socket.write(first);
    inner.write(head);
    inner.pipe(socket).pipe(inner);
    inner.on("error", end).on("close", end);
    socket.on("close", () => inner.destroy());
  });
  // The upgrade was refused.
  outgoing.on("response", (response) => {
    answer(response);
    response.pipe(socket);
  });
  outgoing.on("error", end);
  socket.on("error", () => outgoing.destroy());
  outgoing.end();
}

/** Forwards a request, and its answer back. If the upstream is gone, the connection ends, as with a proxy. */
export function forward(incoming: IncomingMessage, response: ServerResponse, to: ForwardTo): void {
  const length = { "content-length": String(to.body?.length), "transfer-encoding": undefined };
  const all = { ...incoming.headers, ...to.headers, ...(to.body !== undefined && length) };
  const headers = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const { host, port } = to;
  const options = { host, port, method: incoming.method, path: to.path ?? incoming.url, headers };
  // An upstream of this run, on loopback. Its certificate has the name of the original host.
  const outgoing = to.secure ? secureRequest({ ...options, rejectUnauthorized: false }) : request(options);
  outgoing.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  outgoing.on("error", () => response.destroy());
  response.on("close", () => outgoing.destroy());
  if (to.body === undefined) incoming.pipe(outgoing);
  else outgoing.end(to.body);
}
