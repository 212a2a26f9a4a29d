/**
 * Limits for the connections of any listening server, so that a stranger cannot hold them: their number, and how long one
 * stays after our side has ended it. What a connection may say is the server's own business.
 */
import type { Server, Socket } from "node:net";
import { SOCKET_LINGER_MS } from "../core/limits.ts";

export interface SocketLimits {
  /** Connections at a time. A further one is closed unheard. */
  readonly maxCount: number;
  /** Default SOCKET_LINGER_MS. */
  readonly lingerMs?: number | undefined;
}

/**
 * To be called before the server listens. An ended connection stays for one to two times the linger time: the peer may
 * read our last words. TCP alone would keep it for as long as the peer does not end its own side, or does not read.
 */
export function limitSockets(server: Server, { maxCount, lingerMs = SOCKET_LINGER_MS }: SocketLimits): void {
  server.maxConnections = maxCount;
  const sockets = new Set<Socket>();
  const ending = new WeakSet<Socket>();
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  // Over TLS there are two sockets for a connection: the one that is ended is the second.
  server.on("connection", track).on("secureConnection", track);
  // One timer for all sockets: it also sees a socket that was ended while its last bytes cannot be written.
  const timer = setInterval(() => {
    for (const socket of sockets) {
      if (!socket.writableEnded) continue;
      if (ending.has(socket)) socket.destroy();
      else ending.add(socket);
    }
  }, lingerMs).unref();
  server.once("close", () => clearInterval(timer));
}
