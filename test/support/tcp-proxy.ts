/** A TCP proxy that breaks connections: cuts them, stalls them, or swallows what they carry. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Nothing passes, connections stay open: as when a cable is pulled. */
  #blackholed = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new TcpProxy(server);
    server.on("connection", (client) => proxy.#accept(client, port));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connectionCount(): number {
    return this.#pairs.size;
  }

  /** Ends every connection at once, on both sides. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** Delivers nothing for a while; what was sent arrives afterwards. */
  stall(): void {
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  resume(): void {
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** From now on, swallows everything on all connections, also on new ones, until switched off. */
  blackhole(on: boolean): void {
    this.#blackholed = on;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, port: number): void {
    const server = connect({ port, host: "127.0.0.1", noDelay: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    const join = (from: Socket, to: Socket): void => {
      from.on("data", (data) => {
        if (this.#blackholed) return;
        if (!to.write(data)) from.pause();
      });
      to.on("drain", () => from.resume());
      // Whoever ends first ends both; errors only tell of that.
      from.on("error", () => from.destroy());
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    };
    join(client, server);
    join(server, client);
  }
}
