/** Ends connections that prove nothing: not opened in time, or opened and without a token. */
import type { Server, Socket } from "node:net";
import type { Connection, Container } from "./rhea.ts";
import { WIRE_LIMITS } from "./wire-limits.ts";

export interface ConnectionLimits {
  /** Default WIRE_LIMITS.openTimeoutMs. */
  readonly openTimeoutMs?: number;
  /** Default WIRE_LIMITS.tokenTimeoutMs. */
  readonly tokenTimeoutMs?: number;
  /** How long a connection stays after our end of it. Default SOCKET_LINGER_MS. */
  readonly lingerMs?: number;
}

export interface EndSilentOptions {
  readonly limits?: ConnectionLimits | undefined;
  /** Whether the client has brought a token that was accepted. */
  readonly isProved: (connection: Connection) => boolean;
}

export function endSilent(server: Server, container: Container, { limits = {}, isProved }: EndSilentOptions): void {
  const { openTimeoutMs = WIRE_LIMITS.openTimeoutMs, tokenTimeoutMs = WIRE_LIMITS.tokenTimeoutMs } = limits;
  const opened = new WeakSet<Socket>();
  container.on("connection_open", ({ connection }) => {
    opened.add(connection.socket);
    endUnless(connection.socket, tokenTimeoutMs, () => isProved(connection));
  });
  server.on("connection", (socket) => endUnless(socket, openTimeoutMs, () => opened.has(socket)));
}

function endUnless(socket: Socket, afterMs: number, isFine: () => boolean): void {
  const timer = setTimeout(() => {
    if (!isFine()) socket.destroy();
  }, afterMs);
  socket.once("close", () => clearTimeout(timer));
}
