/**
 * The hub `/hubs/jobs` for SignalR's clients, over WebSockets. A negotiation leaves no state: the token comes again with the
 * WebSocket, so the client can open it at another instance, or without negotiation.
 */
import { randomUUID } from "node:crypto";
import type { Express, Request, RequestHandler } from "express";
import { WebSocketServer } from "ws";
import { ForbiddenError, InvalidRequestError } from "../../core/errors.ts";
import { HUB_MESSAGE_MAX_BYTES } from "../../core/limits.ts";
import { callerKey, callerOf, type Identify } from "../auth/caller.ts";
import { leaveRequests, type CallerLimit } from "../http/rate-limit.ts";
import { noteCaller } from "../http/request-ids.ts";
import { takeUpgrade } from "../http/http-server.ts";
import { serveHubConnection, type HubConnectionDeps } from "./hub-connection.ts";

const HUB_PATH = "/hubs/jobs";

export interface HubDeps extends Omit<HubConnectionDeps, "spend"> {
  readonly identify: Identify;
  readonly limit: CallerLimit;
  /** Origins whose pages may open a connection, besides our own. */
  readonly allowedOrigins: readonly string[];
}

export function mountHub(app: Express, deps: HubDeps): void {
  const { identify, limit, allowedOrigins, connections } = deps;
  // No compression: it costs each connection hundreds of kilobytes, for messages of one kilobyte.
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: HUB_MESSAGE_MAX_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
  });

  app.post(
    `${HUB_PATH}/negotiate`,
    tokenToHeader,
    identify("read"),
    noteCaller,
    limit.handler,
    (_request, response) => {
      const connectionToken = randomUUID();
      response.set("Cache-Control", "no-store").json({
        negotiateVersion: 1,
        connectionId: connectionToken,
        connectionToken,
        availableTransports: [{ transport: "WebSockets", transferFormats: ["Text"] }],
      });
    },
  );

  app.get(HUB_PATH, tokenToHeader, identify("read"), noteCaller, limit.handler, (request, response) => {
    assertOrigin(request, allowedOrigins);
    const caller = callerOf(response);
    // Before the upgrade, while an HTTP error can be sent.
    const leave = connections.take(callerKey(caller));
    const upgrade = takeUpgrade(request);
    if (upgrade === undefined) {
      leave();
      throw new InvalidRequestError("InvalidRequest", `${HUB_PATH} accepts WebSockets only.`);
    }
    const key = limit.keyOf(request, response);
    leaveRequests(response);
    // Also when the socket ends before it is a WebSocket, or has ended already.
    if (upgrade.socket.closed) leave();
    else upgrade.socket.once("close", leave);
    webSockets.handleUpgrade(request, upgrade.socket, upgrade.head, (socket) => {
      serveHubConnection(socket, caller, { ...deps, spend: () => limit.spend(key) });
    });
  });
}

/**
 * A browser cannot send a header with a WebSocket, so SignalR's client puts the token into the address. This moves it to the
 * header, before the address is logged.
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

/** Browsers let any page open a WebSocket to any server, so the server must check the origin. Programs send none. */
function assertOrigin(request: Request, allowedOrigins: readonly string[]): void {
  const { origin, host } = request.headers;
  if (origin === undefined || allowedOrigins.includes(origin) || URL.parse(origin)?.host === host) return;
  throw new ForbiddenError("Pages of this origin may not open a connection.");
}
