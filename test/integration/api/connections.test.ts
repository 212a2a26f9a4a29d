/** Clients that hold connections: silent ones, half-closed ones, ones that do not read. Every one of them is let go. */
import { once } from "node:events";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createHttpServer, type HttpServerOptions } from "../../../runtime/api/http/http-server.ts";
import { UnauthenticatedError } from "../../../runtime/core/errors.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { eventually } from "../../support/eventually.ts";
import { holdConnections, watchConnections } from "../../support/network/half-open-client.ts";
import type { TestApi } from "../../support/api/test-api.ts";

/** Short enough for a test, long enough for a busy machine to answer and for the answer to be read first. */
const LIMITS = { headersTimeoutMs: 600, requestTimeoutMs: 600, lingerMs: 20, stalledMs: 5_000 };

const STALLING = { ...LIMITS, stalledMs: 100 };

let system: ApiWithQueue;
let open: TestApi;
let guarded: TestApi;
beforeAll(async () => {
  system = await startApiWithQueue();
  open = await system.another({ httpLimits: LIMITS });
  guarded = await system.another({
    httpLimits: LIMITS,
    identify: () => () => {
      throw new UnauthenticatedError("No.");
    },
  });
});
afterAll(() => system[Symbol.asyncDispose]());

const UPGRADE = "host: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
const KEY = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const portOf = ({ url }: TestApi): number => Number(new URL(url).port);

describe("a client that never ends its own side", () => {
  it.each([
    ["says nothing", "", /^HTTP\/1\.1 408 /],
    ["sends half of its headers", "GET /v1/jobs HTTP/1.1\r\nhost: a\r\n", /^HTTP\/1\.1 408 /],
    ["sends half of its body", "POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{", /^HTTP\/1\.1 4/],
    ["sends chunks without an end", "POST /v1/jobs HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", /4\d\d/],
    ["is no HTTP", "\u0016\u0003\u0001 hello\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["asks that the connection be closed", "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", /200 OK/],
    ["speaks HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", /200 OK/],
    ["is refused an upgrade", `GET /hubs/jobs HTTP/1.1\r\n${UPGRADE}\r\n`, /^HTTP\/1\.1 4/],
    [
      "is refused an upgrade for its origin",
      `GET /hubs/jobs HTTP/1.1\r\norigin: http://b\r\n${UPGRADE}${KEY}\r\n`,
      /403/,
    ],
    ["upgrades a plain route", `GET /v1/me HTTP/1.1\r\n${UPGRADE}${KEY}\r\n`, /^HTTP\/1\.1 /],
    ["upgrades a page", `GET /openapi.json HTTP/1.1\r\n${UPGRADE}${KEY}\r\n`, /^HTTP\/1\.1 200/],
    ["upgrades what is not there", `GET /nothing HTTP/1.1\r\n${UPGRADE}${KEY}\r\n`, /^HTTP\/1\.1 404/],
    [
      "upgrades with a body that does not come",
      `POST /v1/jobs HTTP/1.1\r\n${UPGRADE}content-type: application/json\r\ncontent-length: 9\r\n\r\n{`,
      /^(HTTP\/1\.1 4.*)?$/s,
    ],
    [
      "offers another protocol",
      "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n",
      /200/,
    ],
    ["wants a tunnel", "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n", /^$/],
    [
      "expects what is not given",
      "GET /healthz HTTP/1.1\r\nhost: a\r\nexpect: gold\r\nconnection: close\r\n\r\n",
      /417/,
    ],
  ])("and %s is let go", { tags: "attack/connections" }, async (_what, text, answer) => {
    const tried = [open, guarded].map(async (api) => {
      using clients = await holdConnections(portOf(api), { text, count: 5 });
      await eventually(() => expect(clients.at(api.connectionsByPort)).toEqual(["let go"]));
      expect(clients.heard(0)).toMatch(api === open ? answer : /^(HTTP\/1\.1 [24].*)?$/s);
    });
    await Promise.all(tried);
  });

  it("and does not read its answer is let go, upgraded or not", { tags: "attack/connections" }, async () => {
    for (const upgrade of ["host: a\r\n", `${UPGRADE}${KEY}`]) {
      const server = await serve((_request, response) => response.end(Buffer.alloc(32 * 1024 * 1024)), STALLING);
      using clients = await holdConnections(server.port, { text: `GET / HTTP/1.1\r\n${upgrade}\r\n`, reads: false });
      await once(server.server, "test:answered");
      await eventually(() => expect(clients.at(server.connections)).toEqual(["let go"]));
    }
  });

  it.each([
    ["its headers", "GET /healthz HTTP/1.1\r\nhost: a\r\n", "x: y\r\n"],
    ["its body", "POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\n", "{"],
    ["its chunks", "POST /v1/jobs HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n{\r\n"],
    ["empty lines before it asks", "", "\r\n"],
  ])("and sends %s drop by drop is let go", { tags: "attack/connections" }, async (_what, text, drop) => {
    using clients = await holdConnections(portOf(open), { text, count: 2 });
    // Never silent for as long as any limit.
    const drops = setInterval(() => clients.sockets.forEach((socket) => socket.write(drop)), 20);
    try {
      await eventually(() => expect(clients.at(open.connectionsByPort)).toEqual(["let go"]));
    } finally {
      clearInterval(drops);
    }
  });

  it.each([
    ["a length and chunks", "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["two lengths", "content-length: 4\r\ncontent-length: 5\r\n\r\n{}{}"],
    ["a length below nothing", "content-length: -1\r\n\r\n"],
    ["chunks by another name", "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"],
    ["a header over two lines", "x: a\r\n b\r\n\r\n"],
    ["line breaks that are none", "x: a\rGET /v1/me HTTP/1.1\r\n\r\n"],
    ["a thousand headers", `${"x: y\r\n".repeat(10_000)}\r\n`],
  ])("is refused with %s, and what follows is not heard", { tags: "attack/connections" }, async (_what, rest) => {
    const text = `POST /v1/jobs HTTP/1.1\r\nhost: a\r\n${rest}GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n`;
    using clients = await holdConnections(portOf(open), { text });
    await eventually(() => expect(clients.at(open.connectionsByPort)).toEqual(["let go"]));
    expect(clients.heard(0)).toMatch(/^HTTP\/1\.1 4/);
    expect(clients.heard(0)).not.toContain("200 OK");
  });

  it("and only waits for an answer keeps its connection", async () => {
    const quiet = Promise.withResolvers<undefined>();
    const { port, connections } = await serve((_request, response) => {
      response.writeHead(200, { connection: "close" }).flushHeaders();
      response.once("timeout", () => {
        response.end("after all");
        quiet.resolve(undefined);
      });
    }, STALLING);
    using clients = await holdConnections(port, { text: "GET / HTTP/1.1\r\nhost: a\r\n\r\n" });
    await quiet.promise;
    await eventually(() => expect(clients.heard(0)).toContain("after all"));
    await eventually(() => expect(clients.at(connections)).toEqual(["let go"]));
  });
});

it(
  "closes connections beyond the most an instance takes, and serves the others",
  { tags: "attack/connections" },
  async () => {
    const { port, server } = await serve((_request, response) => response.end("served"), { ...LIMITS, maxCount: 3 });
    using clients = await holdConnections(port, { count: 3, text: "GET / HTTP/1.1\r\nhost: a\r\n\r\n" });
    await eventually(() => expect(clients.heard(2)).toContain("served"));
    const dropped = once(server, "drop");
    using further = await holdConnections(port, { text: "GET / HTTP/1.1\r\nhost: a\r\n\r\n" });
    await dropped;
    await eventually(() => expect(further.sockets[0]?.readableEnded || further.sockets[0]?.destroyed).toBe(true));
    expect(further.heard(0)).toBe("");
  },
);

async function serve(app: RequestListener, limits: HttpServerOptions) {
  const server = createHttpServer((request, response) => {
    app(request, response);
    server.emit("test:answered");
  }, limits);
  const connections = watchConnections(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, connections, port: (server.address() as AddressInfo).port };
}
