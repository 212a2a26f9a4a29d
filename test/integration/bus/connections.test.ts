// Connections to the local Service Bus, the local issuer and a worker's health that prove nothing: each is let go, and
// others are served.
import { silentUnreadable } from "../../support/silent.ts";
import { once } from "node:events";
import { type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startIdentityServer } from "../../../runtime/local/identity/identity-server.ts";
import { serveHealth } from "../../../runtime/worker/machine/health.ts";
import { connectAdmin, startBus, type BusFixture } from "../../support/bus-fixture.ts";
import { eventually } from "../../support/eventually.ts";
import { holdConnections } from "../../support/network/half-open-client.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

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

/** The server has let go of a connection when it resets whatever still comes on it. */
const isReset = (socket: Socket): Promise<void> =>
  eventually(() => {
    if (!socket.destroyed) socket.write("x");
    expect(socket.destroyed).toBe(true);
  });

const SASL = Buffer.from([0x41, 0x4d, 0x51, 0x50, 3, 1, 0, 0]).toString("latin1");
const AMQP = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0]).toString("latin1");
/** `open` with container id "c" and nothing else. */
const OPEN = Buffer.from([...[0, 0, 0, 0x11, 2, 0, 0, 0], ...[0, 0x53, 0x10, 0xc0, 4, 1, 0xa1, 1, 0x63]]).toString(
  "latin1",
);

describe("the AMQP port", () => {
  test.each([
    ["says nothing", ""],
    ["begins and stops", SASL.slice(0, 4)],
    ["greets and says no more", SASL],
    ["speaks AMQP without SASL and never opens", AMQP],
    ["is no AMQP", "GET / HTTP/1.1\r\n\r\n"],
    ["opens and brings no token", AMQP + OPEN],
  ])("lets a client go that %s", { tags: "attack/connections" }, async (_what, text) => {
    using clients = await holdConnections(fixture.bus.port, { text: "", count: 5 });
    for (const socket of clients.sockets) {
      socket.write(text, "latin1");
    }
    await Promise.all(clients.sockets.map((socket) => eventually(() => expect(hasEnded(socket)).toBe(true))));
    await Promise.all(clients.sockets.map(isReset));
  });

  test("keeps a client that has brought a token, however little it says", async () => {
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
  test("refuses a stranger before its body has come", { tags: "attack/connections" }, async () => {
    const text = "PUT /q HTTP/1.1\r\nhost: localhost\r\ncontent-length: 200000\r\n\r\n<entry";
    using clients = await holdConnections(fixture.bus.adminPort!, { text });
    await eventually(() => expect(clients.heard(0)).toMatch(/^HTTP\/1\.1 401 /));
  });

  test.each([
    ["says nothing", ""],
    ["sends half of its headers", "PUT /q HTTP/1.1\r\nhost: localhost\r\n"],
    ["has its connection closed", "GET /q HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"],
    [
      "offers an upgrade",
      "GET /q HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
    ],
  ])("lets a client go that %s", { tags: "attack/connections" }, async (_what, text) => {
    using clients = await holdConnections(fixture.bus.adminPort!, { text, count: 5 });
    await Promise.all(clients.sockets.map((socket) => eventually(() => expect(hasEnded(socket)).toBe(true))));
    await Promise.all(clients.sockets.map(isReset));
  });

  test("serves the owner of the key meanwhile, and tells it when its body is too large", async () => {
    const admin = connectAdmin(fixture.bus.adminConnectionString!);
    expect(await admin.queueExists("q")).toBe(true);
    await expect(admin.createQueue("big", { userMetadata: "x".repeat(300_000) })).rejects.toThrow(/too large/);
  });
});

describe("the local issuer", () => {
  test("lets clients go that say nothing, before TLS and after", { tags: "attack/connections" }, async () => {
    await using directory = await temporaryDirectory();
    const issuer = await startIdentityServer({
      ...{ directory: directory.path, port: 0, onFailure: (error: unknown) => void faults.push(error) },
      limits: { headersTimeoutMs: 200, requestTimeoutMs: 200, lingerMs: 20 },
    });
    onTestFinished(() => issuer.close());
    const port = Number(new URL(issuer.authority).port);
    using before = await holdConnections(port, {});
    const after = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    after.on("error", () => undefined).resume();
    await once(after, "secureConnect");
    for (const socket of [...before.sockets, after]) {
      await eventually(() => expect(hasEnded(socket)).toBe(true));
      await isReset(socket);
    }
  });
});

describe("a worker's health", () => {
  test.each([
    ["say nothing", ""],
    ["send half of their headers", "GET /health HTTP/1.1\r\nhost: a\r\n"],
    ["send half of a body", "POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\n{"],
    ["have their connections closed", "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"],
    ["offer an upgrade", "GET /health HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n"],
  ])("lets clients go that %s, and is told to who asks", { tags: "attack/connections" }, async (_what, text) => {
    const limits = { maxCount: 6, headersTimeoutMs: 200, requestTimeoutMs: 200, lingerMs: 20 };
    const health = await serveHealth(0, { isWell: () => true, unreadable: silentUnreadable }, limits);
    onTestFinished(() => health.close());
    using clients = await holdConnections(health.port, { text, count: 5 });
    const answer = await fetch(`http://127.0.0.1:${health.port}/health`);
    expect(await answer.json()).toEqual({ ApplicationHealthState: "Healthy" });
    await Promise.all(clients.sockets.map((socket) => eventually(() => expect(hasEnded(socket)).toBe(true))));
    await Promise.all(clients.sockets.map(isReset));
  });
});

const hasEnded = (socket: Socket): boolean => socket.readableEnded || socket.destroyed;
