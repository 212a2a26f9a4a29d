/** What stands before several API instances: connections go to them in turn, and past those that are not there. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface RoundRobinProxy extends AsyncDisposable {
  readonly url: string;
  /** Connections each target got, in the order of the targets. */
  readonly served: readonly number[];
  /** Connections that come from now on wait for it. */
  holdUntil(released: Promise<void>): void;
}

export async function startRoundRobinProxy(targets: readonly { readonly url: string }[]): Promise<RoundRobinProxy> {
  const served = targets.map(() => 0);
  const open = new Set<Socket>();
  let next = 0;
  let held = Promise.resolve();

  function forward(client: Socket, triesLeft: number): void {
    const index = next++ % targets.length;
    const { hostname, port } = new URL(targets[index]?.url ?? "");
    const server = connect({ host: hostname, port: Number(port), noDelay: true });
    const refused = (): void => {
      if (triesLeft > 0) forward(client, triesLeft - 1);
      else client.destroy();
    };
    server.once("error", refused);
    server.once("connect", () => {
      server.off("error", refused);
      served[index] = (served[index] ?? 0) + 1;
      join(client, server);
      join(server, client);
    });
  }

  const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
    open.add(client);
    client.once("close", () => open.delete(client));
    // Ends with its other side, below.
    client.on("error", () => client.destroy());
    void held.then(() => {
      if (!client.destroyed) forward(client, targets.length - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    served,
    holdUntil(released) {
      held = released;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** The end of one side ends the other. */
function join(from: Socket, to: Socket): void {
  from.on("error", () => from.destroy());
  from.once("close", () => to.destroy());
  from.pipe(to);
}
