import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { TcpProxy } from "../../support/tcp-proxy.ts";

interface Link {
  readonly proxy: TcpProxy;
  /** What the server has received so far, over all connections. */
  readonly received: () => string;
  /** Resolves when the server has received so much. */
  arrives(length: number): Promise<string>;
  connect(): Promise<Socket>;
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
  const proxy = await TcpProxy.to((server.address() as AddressInfo).port);
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]();
    server.close();
  });
  return {
    proxy,
    received: () => received,
    async arrives(length) {
      while (received.length < length) await once(server, "received");
      return received;
    },
    async connect() {
      const socket = connect(proxy.port, "127.0.0.1");
      socket.on("error", () => socket.destroy());
      await once(socket, "connect");
      return socket;
    },
  };
}

describe("a broken network", () => {
  it("keeps the order of what is sent, also when a delay becomes shorter", async () => {
    const { proxy, connect: open, arrives } = await link();
    const socket = await open();
    for (const [text, ms] of [
      ["a", 0],
      ["b", 60],
      ["c", 20],
      ["d", 0],
    ] as const) {
      proxy.delay(ms);
      socket.write(text);
      // Its own segment: it must have been taken before the delay changes.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await arrives(4)).toBe("abcd");
  });

  it("delivers late what was sent before its sender was cut off", async () => {
    const { proxy, connect: open, arrives, received } = await link();
    const socket = await open();
    socket.write("x");
    await arrives(1);
    proxy.delay(100);
    const closed = once(socket, "close");
    socket.write("late");
    // Both sides of the proxy are in this process: a turn or two, and it holds what was sent.
    await new Promise((resolve) => setTimeout(resolve, 20));
    proxy.cutClients();
    await closed;
    expect(received()).toBe("x");
    expect(await arrives(5)).toBe("xlate");
  });

  it("holds new connections as well while it is stalled", async () => {
    const { proxy, connect: open, arrives, received } = await link();
    const old = await open();
    old.write("1");
    await arrives(1);
    proxy.stall();
    const fresh = await open();
    old.write("2");
    fresh.write("3");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(received()).toBe("1");
    proxy.resume();
    expect([...(await arrives(3))].toSorted()).toEqual(["1", "2", "3"]);
  });
});
