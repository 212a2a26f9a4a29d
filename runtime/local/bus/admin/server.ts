/** The administration API over HTTP, for the unmodified `ServiceBusAdministrationClient`. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type AuditListener, Claims, connectionAudit } from "../access/claims.ts";
import type { Gate } from "../access/gate.ts";
import { BusError, type BusErrorCode } from "../engine/errors.ts";
import type { BrokerHost } from "../host.ts";
import { createLimitedServer, isForThisMachine } from "../network.ts";
import { atomError } from "./xml.ts";
import { serve, type AdminRequest, type AdminResponse } from "./routes.ts";

export interface AdminServerOptions {
  readonly host: BrokerHost;
  readonly gate: Gate;
  /** Called with decisions about tokens and rights. */
  readonly audit: AuditListener;
  readonly now: () => number;
  readonly address: string;
  readonly port: number;
  readonly limits?: { readonly lingerMs?: number; readonly openTimeoutMs?: number } | undefined;
  /** Called with a bug of the bus. The client got status 500. */
  readonly onFault: (error: unknown) => void;
}

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 262_144;
/** Descriptions of entities are small, and clients send them at once. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Far more than administration clients need. */
const MAX_CONNECTIONS = 500;
const PAGE_SIZE = 100;

export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { lingerMs, openTimeoutMs } = options.limits ?? {};
  const server = createLimitedServer({
    maxCount: MAX_CONNECTIONS,
    lingerMs,
    headersTimeoutMs: openTimeoutMs,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  server.on("request", (request, response) => {
    if (!isForThisMachine(request)) {
      refuseHost(response);
      return;
    }
    answer(options, request, response).catch((error: unknown) => {
      options.onFault(error);
      response.destroy();
    });
  });
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refuseHost(response: ServerResponse): void {
  const message = "This server serves its own machine only: call it as localhost or 127.0.0.1.";
  response
    .writeHead(421, { "content-type": "application/json", connection: "close" })
    .end(JSON.stringify({ error: { code: "HostRefused", message } }));
}

const listen = (server: Server, { port, address }: AdminServerOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, address, () => {
      server.off("error", reject);
      resolve();
    });
  });

async function answer(options: AdminServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = ({ status, body: content }: AdminResponse): void => {
    response.writeHead(status, { "content-type": "application/atom+xml;type=entry;charset=utf-8" }).end(content);
  };
  try {
    const head = parseHead(request);
    // Before the body, so that the bus does not buffer the body of an unknown client.
    const claims = await identify(options, request, head.path);
    claims.demand(head.path, "manage");
    const body = await readBody(request);
    if (body === undefined) throw new BusError("invalid-argument", "The request is too large.");
    // Again, because the token may have expired or lost its right while the body came.
    claims.demand(head.path, "manage");
    const demand = (path: string): unknown => claims.demand(path, "manage");
    const result = options.host.execute((broker) => serve(broker, { ...head, body }, demand));
    // The client may rely on an entity as soon as it has the answer.
    options.host.whenDurable(() => send(result));
  } catch (error) {
    if (!(error instanceof BusError)) options.onFault(error);
    const status = error instanceof BusError ? statusOf(error.code) : 500;
    const detail = error instanceof BusError ? error.message : "The local Service Bus failed internally.";
    send({ status, body: atomError(status, detail) });
  }
}

function parseHead(request: IncomingMessage): Omit<AdminRequest, "body"> {
  const host = request.headers.host ?? "localhost";
  const url = parseUrl(request.url ?? "/", host);
  const number = (name: string, fallback: number): number => {
    const value = Number(url.searchParams.get(name) ?? fallback);
    return Number.isInteger(value) && value >= 0 ? value : fallback;
  };
  return {
    method: request.method ?? "GET",
    path: decodePath(url.pathname),
    page: { skip: number("$skip", 0), top: Math.min(number("$top", PAGE_SIZE), PAGE_SIZE) },
    update: request.headers["if-match"] !== undefined,
    base: `http://${url.host}/`,
  };
}

function parseUrl(path: string, host: string): URL {
  const base = URL.parse(`http://${host}`) ?? new URL("http://localhost");
  const url = URL.parse(path, base.href);
  if (!url) throw new BusError("invalid-argument", "The address of the request is malformed.");
  return url;
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path).replace(/^\/+|\/+$/g, "");
  } catch (error) {
    if (error instanceof URIError) throw new BusError("invalid-argument", "The path of the request is malformed.");
    throw error;
  }
}

const audits = new WeakMap<Socket, AuditListener>();

/** The claims of one request. Requests on one connection may have different tokens. */
async function identify(options: AdminServerOptions, request: IncomingMessage, path: string): Promise<Claims> {
  const { gate, now, address } = options;
  const audit = audits.get(request.socket) ?? connectionAudit(options.audit);
  audits.set(request.socket, audit);
  const claims = new Claims({ now, audit, namespace: `sb://${address}` });
  const { authorization = "" } = request.headers;
  const bearer = /^Bearer +/i.exec(authorization)?.[0];
  const token = authorization.slice(bearer?.length ?? 0);
  try {
    claims.put("", await gate({ kind: bearer === undefined ? "sas" : "jwt", token, audience: `/${path}` }));
  } catch (error) {
    if (error instanceof BusError) claims.refused(path, error.message);
    throw error;
  }
  return claims;
}

/** The whole body. Undefined when it is longer than any description. Throws BusError when it ends early. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    }
  } catch {
    throw new BusError("invalid-argument", "The body ended early.");
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString("utf8");
}

function statusOf(code: BusErrorCode): number {
  switch (code) {
    case "entity-not-found":
    case "message-not-found":
      return 404;
    case "entity-already-exists":
    case "session-cannot-be-locked":
      return 409;
    case "unauthorized":
      return 401;
    case "quota-exceeded":
    case "message-too-large":
      return 403;
    case "not-implemented":
      return 501;
    case "message-lock-lost":
    case "session-lock-lost":
      return 410;
    case "entity-disabled":
    case "not-allowed":
    case "invalid-argument":
      return 400;
  }
}
