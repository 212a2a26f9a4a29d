// The bus ends connections that prove nothing, and serves the others.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectAdmin, startBus, type BusFixture } from "../support/start-bus.ts";
import { eventually } from "../../../../../test/support/eventually.ts";
import { hasEnded, holdConnections, isReset } from "../../../../../test/support/network/half-open-client.ts";

const LIMITS = { openTimeoutMs: 200, tokenTimeoutMs: 200, lingerMs: 20 };

let fixture: BusFixture;
const faults: unknown[] = [];
beforeAll(async () => {
  fixture = await startBus(
    { queues: [{ name: "q" }] },
    { adminPort: 0, limits: LIMITS, onFault: (error) => faults.push(error) },
  );
});
afterAll(async () => {
  expect(faults).toEqual([]);
  await fixture[Symbol.asyncDispose]();
});

const SASL = Buffer.from([0x41, 0x4d, 0x51, 0x50, 3, 1, 0, 0]).toString("latin1");
const AMQP = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0]).toString("latin1");
/** `open` with container id "c" and nothing else. */
const OPEN = Buffer.from([...[0, 0, 0, 0x11, 2, 0, 0, 0], ...[0, 0x53, 0x10, 0xc0, 4, 1, 0xa1, 1, 0x63]]).toString(
  "latin1",
);

describe("the AMQP port", () => {
  test.each([
    ["sends nothing", ""],
    ["stops within the protocol header", SASL.slice(0, 4)],
    ["sends the protocol header and nothing more", SASL],
    ["speaks AMQP without SASL and never opens", AMQP],
    ["does not speak AMQP", "GET / HTTP/1.1\r\n\r\n"],
    ["opens and brings no token", AMQP + OPEN],
  ])("closes the connection of a client that %s", { tags: "attack/connections" }, async (_what, text) => {
    using clients = await holdConnections(fixture.bus.port, { text: "", count: 5 });
    for (const socket of clients.sockets) {
      socket.write(text, "latin1");
    }
    await Promise.all(clients.sockets.map((socket) => eventually(() => expect(hasEnded(socket)).toBe(true))));
    await Promise.all(clients.sockets.map(isReset));
  });

  test("keeps the connection of a client with a valid token, even if the client sends nothing", async () => {
    const receiver = fixture.client().createReceiver("q", { receiveMode: "receiveAndDelete" });
    const received = receiver.receiveMessages(1, { maxWaitTimeInMs: 20_000 });
    using silent = await holdConnections(fixture.bus.port, { text: AMQP + OPEN });
    // Its own time is over when that of a later one is.
    await eventually(() => expect(silent.sockets.every(hasEnded)).toBe(true));
    await fixture.client().createSender("q").sendMessages({ body: "late" });
    expect(await received).toMatchObject([{ body: "late" }]);
  });
});

describe("the administration port", () => {
  test("answers 401 to an unknown client before its body has arrived", { tags: "attack/connections" }, async () => {
    const text = "PUT /q HTTP/1.1\r\nhost: localhost\r\ncontent-length: 200000\r\n\r\n<entry";
    using clients = await holdConnections(fixture.bus.adminPort!, { text });
    await eventually(() => expect(clients.heard(0)).toMatch(/^HTTP\/1\.1 401 /));
  });

  test.each([
    ["sends nothing", ""],
    ["sends half of its headers", "PUT /q HTTP/1.1\r\nhost: localhost\r\n"],
    [
      "asks to close the connection and does not close its side",
      "GET /q HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    ],
    [
      "offers an upgrade",
      "GET /q HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
    ],
  ])("closes the connection of a client that %s", { tags: "attack/connections" }, async (_what, text) => {
    using clients = await holdConnections(fixture.bus.adminPort!, { text, count: 5 });
    await Promise.all(clients.sockets.map((socket) => eventually(() => expect(hasEnded(socket)).toBe(true))));
    await Promise.all(clients.sockets.map(isReset));
  });

  test("serves a client with the key, and refuses a body that is too large", async () => {
    const admin = connectAdmin(fixture.bus.adminConnectionString!);
    expect(await admin.queueExists("q")).toBe(true);
    await expect(admin.createQueue("big", { userMetadata: "x".repeat(300_000) })).rejects.toThrow(/too large/);
  });
});
