/**
 * Serves the local issuer on a port of this machine, over HTTPS. For web pages it has a second port without TLS, because a
 * browser does not trust its certificate, and no other machine is between.
 */
import { chmod, mkdir } from "node:fs/promises";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:https";
import { HEADERS_TIMEOUT_MS } from "../../core/limits.ts";
import { isLoopback, localOnly, pagesOfThisMachine } from "../../core/loopback.ts";
import { httpTimes, limitHttp, type HttpLimits } from "../../platform/server-limits.ts";
import { caFileOf, certificateIn } from "./certificate.ts";
import { createIdentityApp } from "./identity-app.ts";
import { openKeyRing, type KeyRing } from "./key-ring.ts";
import { createSignIns } from "./sign-ins.ts";

export interface IdentityServerOptions {
  /** Stores certificate and keys. Created if necessary, accessible only to this user. */
  readonly directory: string;
  /** 0: any free port. */
  readonly port: number;
  /** For web pages. Default 0. */
  readonly pagePort?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Called with unexpected errors. */
  readonly onFailure: (error: unknown) => void;
  readonly limits?: Partial<HttpLimits>;
}

/** Sign-ins are short: enough for the programs and browsers of one machine. */
const MAX_CONNECTIONS = 500;

export interface IdentityServer {
  /** The address of the authority for the API and clients. */
  readonly authority: string;
  /** The same issuer, for web pages. */
  readonly pageAuthority: string;
  readonly caFile: string;
  readonly keys: KeyRing;
  close(): Promise<void>;
}

/** Every caller can sign in as any of its users. */
export class NotLoopbackError extends Error {
  override readonly name = "NotLoopbackError";

  constructor(host: string) {
    super(`The local issuer gives a token to every caller, so it listens only on 127.0.0.1, not on ${host}.`);
  }
}

/** Rejects with NotLoopbackError, or with EADDRINUSE when the port is taken. */
export async function startIdentityServer({
  directory,
  port,
  pagePort = 0,
  host = "127.0.0.1",
  onFailure,
  limits = {},
}: IdentityServerOptions): Promise<IdentityServer> {
  if (!isLoopback(host)) throw new NotLoopbackError(host);
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o700);
  const [certificate, keys] = await Promise.all([
    certificateIn(directory, Date.now()),
    openKeyRing(directory, Date.now),
  ]);
  const { headersTimeoutMs = HEADERS_TIMEOUT_MS } = limits;
  const servers = [
    createServer({ ...httpTimes(limits), ...certificate, handshakeTimeout: headersTimeoutMs }),
    createHttpServer(httpTimes(limits)),
  ] as const;
  for (const server of servers) limitHttp(server, { maxCount: MAX_CONNECTIONS, ...limits });
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(closed));
  };
  const [secure, plain] = servers;
  try {
    const authority = `https://${host}:${await listen(secure, port, host)}`;
    const pageAuthority = `http://${host}:${await listen(plain, pagePort, host)}`;
    const shared = { keys, signIns: createSignIns(Date.now), authority, nowMs: Date.now, onFailure };
    // Pages of this machine sign in here, from other ports.
    const changes = pagesOfThisMachine;
    secure.on("request", localOnly(createIdentityApp({ ...shared, origin: authority }), { changes }));
    plain.on("request", localOnly(createIdentityApp({ ...shared, origin: pageAuthority }), { changes }));
    return { authority, pageAuthority, caFile: caFileOf(directory), keys, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function closed(server: HttpServer | Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function listen(server: HttpServer | Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
