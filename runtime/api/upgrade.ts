/**
 * A request to upgrade is a request like any other until its route takes the connection over: it passes the same
 * middleware, and whatever refuses it answers as always.
 */
import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { endStalled } from "../sockets/limit-http.ts";

export interface Upgrade {
  readonly socket: Duplex;
  /** What the client has sent after its request. */
  readonly head: Buffer;
}

interface Pending extends Upgrade {
  readonly response: ServerResponse;
}

const pending = new WeakMap<IncomingMessage, Pending>();

/** Only WebSockets are upgraded; a request that offers anything else is served as if it did not. */
export const isWebSocketRequest = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === "websocket";

/** Lets the app decide about upgrades of this server. */
export function passUpgrades(server: Server, app: RequestListener): void {
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    const response = new ServerResponse(request);
    // Refused: the answer is the last thing this connection is used for.
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once("finish", () => socket.end());
    // Node has let go of the connection: its time limits are ours now, until somebody takes it over.
    socket.on("timeout", () => endStalled(socket));
    // The client may go while it is decided upon; nobody else listens yet.
    socket.on("error", () => socket.destroy());
    pending.set(request, { socket, head, response });
    app(request, response);
  });
}

/** The connection of a request to upgrade, once; from then on it belongs to the caller. Undefined: it was none. */
export function takeUpgrade(request: IncomingMessage): Upgrade | undefined {
  const found = pending.get(request);
  if (found === undefined) return undefined;
  pending.delete(request);
  const { socket, head, response } = found;
  if (socket instanceof Socket) response.detachSocket(socket);
  return { socket, head };
}
