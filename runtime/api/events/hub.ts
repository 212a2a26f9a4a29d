/**
 * The hub `/hubs/jobs` for SignalR's clients, over WebSockets. Nothing of a negotiation is remembered: the token comes
 * again with the WebSocket, so that this may be opened at another instance, and without any negotiation.
 */
import { randomUUID } from "node:crypto";
import type { Express, Request, RequestHandler } from "express";
import { WebSocketServer } from "ws";
import { ForbiddenError, InvalidRequestError } from "../../core/errors.ts";
import { HUB_MESSAGE_MAX_BYTES } from "../../core/limits.ts";
import { callerOf, type Identify } from "../caller.ts";
import { takeUpgrade } from "../upgrade.ts";
import { serveHubConnection, type HubConnectionDeps } from "./hub-connection.ts";

const HUB_PATH = "/hubs/jobs";

export interface HubDeps extends HubConnectionDeps {
  readonly identify: Identify;
  /** Stands after the caller is known. */
  readonly limit: RequestHandler;
  /** Origins whose web pages may open a connection, beside our own. */
  readonly allowedOrigins: readonly string[];
}

export function mountHub(app: Express, deps: HubDeps): void {
  const { identify, limit, allowedOrigins, log } = deps;
  // No compression: it would cost each connection some hundred kilobytes for messages of one.
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: HUB_MESSAGE_MAX_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
  });

  app.post(`${HUB_PATH}/negotiate`, tokenToHeader, identify("read"), limit, (_request, response) => {
    const connectionToken = randomUUID();
    response.set("Cache-Control", "no-store").json({
      negotiateVersion: 1,
      connectionId: connectionToken,
      connectionToken,
      availableTransports: [{ transport: "WebSockets", transferFormats: ["Text"] }],
    });
  });

  app.get(HUB_PATH, tokenToHeader, identify("read"), limit, (request, response) => {
    assertOrigin(request, allowedOrigins);
    const caller = callerOf(response);
    const upgrade = takeUpgrade(request);
    if (upgrade === undefined) {
      throw new InvalidRequestError("InvalidRequest", `${HUB_PATH} takes WebSockets only.`);
    }
    webSockets.handleUpgrade(request, upgrade.socket, upgrade.head, (socket) => {
      try {
        serveHubConnection(socket, caller, deps);
      } catch {
        // Too many are open. The status of a WebSocket that is as good as upgraded: try again later.
        log.warn({}, "too many follow events; a connection to the hub was refused");
        socket.close(1013);
      }
    });
  });
}

/**
 * A browser cannot send a header with a WebSocket, so SignalR's client puts the token into the address. It is moved to
 * where every other token is and taken out of the address, before anybody can write that down.
 */
const tokenToHeader: RequestHandler = (request, _response, next) => {
  const url = new URL(request.url, "http://hub");
  const token = url.searchParams.get("access_token");
  if (token !== null) {
    url.searchParams.delete("access_token");
    request.url = `${url.pathname}${url.search}`;
    request.originalUrl = request.url;
    request.headers.authorization ??= `Bearer ${token}`;
  }
  next();
};

/** Browsers let any page open a WebSocket to anywhere: the server must ask whose page it is. Programs send no origin. */
function assertOrigin(request: Request, allowedOrigins: readonly string[]): void {
  const { origin, host } = request.headers;
  if (origin === undefined || allowedOrigins.includes(origin) || URL.parse(origin)?.host === host) return;
  throw new ForbiddenError("Pages of this origin may not open a connection.");
}
