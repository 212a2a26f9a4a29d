/** A TCP proxy that breaks connections: cuts them, stalls them, slows them down, or swallows what they carry. */
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
  #stalled = false;
  #delayMs = 0;
  #heldCount = 0;

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

  /** Pieces that a delay holds back. */
  get heldCount(): number {
    return this.#heldCount;
  }

  /** Ends every connection at once, on both sides. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** Ends every connection at its client. Bytes that a delay holds back still arrive when they are due. */
  cutClients(): void {
    for (const { client } of this.#pairs) client.destroy();
  }

  /** Delivers nothing for a while, also on new connections; what was sent arrives afterwards. */
  stall(): void {
    this.#stalled = true;
    for (const pair of this.#pairs) hold(pair);
  }

  resume(): void {
    this.#stalled = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** From now on, swallows everything on all connections, also on new ones, until switched off. */
  blackhole(on: boolean): void {
    this.#blackholed = on;
  }

  /** From now on, what either side sends arrives so much later, in its order. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, port: number): void {
    const server = connect({ port, host: "127.0.0.1", noDelay: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    this.#join(pair, client, server);
    this.#join(pair, server, client);
    if (this.#stalled) hold(pair);
  }

  #join(pair: Pair, from: Socket, to: Socket): void {
    /** Due later, oldest first. */
    const held: Buffer[] = [];
    let lastDueAt = 0;
    let isOver = false;
    const deliver = (data: Buffer): void => {
      if (!to.destroyed && !to.write(data)) from.pause();
    };
    from.on("data", (data: Buffer) => {
      if (this.#blackholed) return;
      const now = performance.now();
      // Never before what was sent earlier, also when the delay has become shorter.
      lastDueAt = Math.max(lastDueAt, now + this.#delayMs);
      if (held.length === 0 && lastDueAt <= now) {
        deliver(data);
        return;
      }
      held.push(data);
      this.#heldCount += 1;
      setTimeout(() => {
        this.#heldCount -= 1;
        deliver(held.shift()!);
        if (isOver && held.length === 0) to.end();
      }, lastDueAt - now);
    });
    to.on("drain", () => {
      if (!this.#stalled) from.resume();
    });
    // The end of one side ends the other. Errors need no handling of their own.
    from.on("error", () => from.destroy());
    from.on("close", () => {
      this.#pairs.delete(pair);
      isOver = true;
      if (held.length === 0) to.destroy();
    });
  }
}

function hold({ client, server }: Pair): void {
  client.pause();
  server.pause();
}
