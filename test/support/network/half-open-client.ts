/** Clients that hold connections: they say something or nothing, and never end their own side. */
import { once } from "node:events";
import { connect, type Server, type Socket } from "node:net";
import { expect } from "vitest";
import { eventually } from "../eventually.ts";

export interface HalfOpenClients extends Disposable {
  readonly sockets: readonly Socket[];
  /** All that one of them has received. */
  heard(index: number): string;
  /** What has become of them at a server, once for each outcome. */
  at(server: ConnectionsByPort): readonly (string | undefined)[];
}

/** `count` connections to a port of this machine, each sending `text`. `reads` false: they take nothing either. */
export async function holdConnections(
  port: number,
  { text = "", count = 1, reads = true }: { text?: string; count?: number; reads?: boolean },
): Promise<HalfOpenClients> {
  const heard: string[] = [];
  const sockets = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      // Some of them are closed by a reset.
      socket.on("error", () => undefined);
      await once(socket, "connect");
      heard[index] = "";
      if (reads)
        socket.on("data", (data: Buffer) => void (heard[index] = (heard[index] ?? "") + data.toString("latin1")));
      if (text !== "") socket.write(text);
      return socket;
    }),
  );
  // A destroyed socket forgets its port.
  const ports = sockets.map(({ localPort = 0 }) => localPort);
  return {
    sockets,
    heard: (index) => heard[index] ?? "",
    at: (server) => [...new Set(ports.map((own) => server.get(own)))],
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** By the client's port. */
export type ConnectionsByPort = ReadonlyMap<number, "held" | "let go">;

export function watchConnections(server: Server): ConnectionsByPort {
  const byPort = new Map<number, "held" | "let go">();
  server.on("connection", (socket: Socket) => {
    const { remotePort } = socket;
    if (remotePort === undefined) return;
    byPort.set(remotePort, "held");
    socket.once("close", () => byPort.set(remotePort, "let go"));
  });
  return byPort;
}

/** Whether the server has ended its side of a connection. */
export const hasEnded = (socket: Socket): boolean => socket.readableEnded || socket.destroyed;

/** Resolves when the server has let go of a connection: it resets what still comes on it. */
export const isReset = (socket: Socket): Promise<void> =>
  eventually(() => {
    if (!socket.destroyed) socket.write("x");
    expect(socket.destroyed).toBe(true);
  });
