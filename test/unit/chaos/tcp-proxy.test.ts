import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";

interface Link {
  readonly proxy: TcpProxy;
  /** What the server has received so far, over all connections. */
  readonly received: () => string;
  /** Resolves when the server has received so much. */
  readonly arrives: (length: number) => Promise<string>;
  /** A connection through the proxy. */
  readonly open: () => Promise<Socket>;
  /** A connection past it. */
  readonly direct: () => Promise<Socket>;
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  onTestFinished(() => void socket.destroy());
  return socket;
}

async function link(): Promise<Link> {
  let received = "";
  const server = createServer((socket) => {
    socket.on("data", (data) => {
      received += data.toString();
      server.emit("received");
    });
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const proxy = await TcpProxy.to(port);
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]();
    server.close();
  });
  return {
    proxy,
    received: () => received,
    arrives: async (length) => {
      while (received.length < length) await once(server, "received");
      return received;
    },
    open: () => connected(proxy.port),
    direct: () => connected(port),
  };
}

describe("a broken network", () => {
  it("the proxy keeps the order of data when a delay becomes shorter", async () => {
    const { proxy, open, arrives } = await link();
    const socket = await open();
    socket.write("a");
    await arrives(1);
    for (const [index, ms] of [300, 100, 0].entries()) {
      proxy.delay(ms);
      socket.write("bcd".charAt(index));
      await expect.poll(() => proxy.heldCount, { interval: 1 }).toBe(index + 1);
    }
    expect(await arrives(4)).toBe("abcd");
  });

  it("the proxy delivers delayed data after its sender was cut off", async () => {
    const { proxy, open, arrives, received } = await link();
    const socket = await open();
    socket.write("x");
    await arrives(1);
    proxy.delay(200);
    const closed = once(socket, "close");
    socket.write("late");
    await expect.poll(() => proxy.heldCount, { interval: 1 }).toBe(1);
    proxy.cutClients();
    await closed;
    expect(received()).toBe("x");
    expect(await arrives(5)).toBe("xlate");
  });

  it("a stalled proxy also delays new connections", async () => {
    const { proxy, open, arrives, direct } = await link();
    const old = await open();
    old.write("1");
    await arrives(1);
    proxy.stall();
    const fresh = await open();
    old.write("2");
    fresh.write("3");
    // Sent last, and there first: it takes no way round.
    (await direct()).write("4");
    expect(await arrives(2)).toBe("14");
    proxy.resume();
    expect(Array.from(await arrives(4)).toSorted()).toEqual(["1", "2", "3", "4"]);
  });
});
