/** The API against callers who ask too often, too slowly, too much, or from where they must not. */
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createHttpServer, type HttpServerOptions } from "../../../runtime/api/http/http-server.ts";
import { UnauthenticatedError } from "../../../runtime/core/errors.ts";
import { HEADERS_MAX_BYTES, REFUSED_TOKENS_PER_MINUTE } from "../../../runtime/core/limits.ts";
import type { Logger } from "../../../runtime/core/logger.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { openSse, type SseClient } from "../../support/events/sse-client.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let system: ApiWithQueue;
beforeAll(async () => {
  system = await startApiWithQueue();
});
afterAll(() => system[Symbol.asyncDispose]());

const anyList = (): string => `/v1/batches?tenantName=${freshTenant()}`;

describe("limits of how often", () => {
  it("answers 429 with the seconds to wait to a caller beyond its limit, and in the shape of all errors", async () => {
    const api = await system.another({ traffic: { requestsPerMinute: 2 } });
    const statuses = [await api.get(anyList()), await api.get(anyList())].map(({ status }) => status);
    const third = await api.get(anyList());
    expect(statuses).toEqual([200, 200]);
    expect(third).toMatchObject({ status: 429, body: { error: { code: "TooManyRequests" } } });
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  it("counts an unknown path and a wrong method too", async () => {
    const api = await system.another({ traffic: { requestsPerMinute: 2 } });
    const statuses = [await api.get("/v1/nothing"), await api.delete("/v1/batches"), await api.get("/v1/nothing")];
    expect(statuses.map(({ status }) => status)).toEqual([404, 405, 429]);
  });

  it(
    "stops listening to an address whose tokens are refused again and again",
    { tags: "attack/connections" },
    async () => {
      const api = await system.another({
        identify: () => () => {
          throw new UnauthenticatedError("No.");
        },
      });
      for (let i = 0; i < REFUSED_TOKENS_PER_MINUTE; i++) expect((await api.get(anyList())).status).toBe(401);
      expect((await api.get(anyList())).status).toBe(429);
    },
  );

  it("long streams and early disconnects do not count as refused tokens", async () => {
    const api = await system.another({ follow: { maxPerCaller: 10_000 } });
    const [half, most] = [REFUSED_TOKENS_PER_MINUTE / 2, REFUSED_TOKENS_PER_MINUTE + 10];
    const tenant = freshTenant();
    const streams: SseClient[] = [];
    const sockets: WebSocket[] = [];
    for (let i = 0; i < most; i++) {
      streams.push(await openSse(`${api.url}/v1/events?tenantName=${tenant}`));
      const socket = new WebSocket(`${api.url.replace("http", "ws")}/hubs/jobs`);
      await once(socket, "open");
      sockets.push(socket);
      if (i === half) for (const stream of streams.splice(0)) await stream[Symbol.asyncDispose]();
    }
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await api.get(anyList())).status).toBe(200);
    for (const socket of sockets) socket.terminate();
    for (const stream of streams) await stream[Symbol.asyncDispose]();
  });

  it("leaves load balancers alone", async () => {
    const api = await system.another({ traffic: { requestsPerMinute: 1 } });
    for (let i = 0; i < 5; i++) expect((await api.get("/healthz")).status).toBe(200);
  });
});

describe("health", () => {
  it("says which part is not ready and since when, and nothing else", async () => {
    let ready = true;
    const since = new Date("2026-03-01T08:00:00Z");
    const readiness = () => Promise.resolve(ready ? [] : [{ part: "broker", since }]);
    const api = await system.another({ readiness });
    expect(await api.get("/readyz")).toMatchObject({ status: 200, body: { status: "ok" } });
    ready = false;
    expect(await api.get("/readyz")).toMatchObject({ status: 503 });
    expect((await api.get("/readyz")).body).toEqual({
      status: "unavailable",
      notReady: [{ part: "broker", since: "2026-03-01T08:00:00.000Z" }],
    });
    expect((await api.get("/healthz")).status).toBe(200);
  });
});

it("serves its metrics as Prometheus asks for them, and nobody may keep them", async () => {
  const api = await system.another({ metricsText: () => Promise.resolve("up 1\n") });
  const answer = await fetch(`${api.url}/metrics`);
  expect([answer.status, await answer.text()]).toEqual([200, "up 1\n"]);
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(answer.headers.get("cache-control")).toBe("private, no-cache");
});

describe("browsers", () => {
  const ORIGIN = "https://app.example.com";
  const ask = (url: string, origin: string): Promise<Response> =>
    fetch(`${url}/v1/jobs`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
    });

  it("accepts pages of configured origins only", { tags: "attack/hosts" }, async () => {
    const { url } = await system.another({ traffic: { allowedOrigins: [ORIGIN] } });
    const known = await ask(url, ORIGIN);
    expect(known.status).toBe(204);
    expect(known.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(known.headers.get("access-control-allow-headers")).toBe("authorization");
    expect((await ask(url, "https://evil.example.com")).headers.get("access-control-allow-origin")).toBeNull();
    expect((await ask(system.api.url, ORIGIN)).headers.get("access-control-allow-origin")).toBeNull();
  });

  it("keeps answers from being sniffed, framed and cached for others", async () => {
    const { headers } = await system.api.get(anyList());
    expect(Object.fromEntries(headers)).toMatchObject({
      "x-content-type-options": "nosniff",
      "content-security-policy": expect.stringContaining("frame-ancestors 'none'") as string,
      "cache-control": "private, no-cache",
      "strict-transport-security": expect.stringMatching(/max-age=\d+/) as string,
    });
    expect(headers.get("x-powered-by")).toBeNull();
  });
});

describe("the log", () => {
  it("has a line for each request, without its query and headers", async () => {
    const lines: object[] = [];
    const info = (line: object): void => {
      if ("route" in line && line.route === "/v1/batches") lines.push(line);
    };
    const quiet = (): void => undefined;
    const log: Logger = { info, warn: quiet, error: quiet, child: () => log };
    const api = await system.another({ log });
    await fetch(`${api.url}/v1/batches?tenantName=t&secret=hunter2`, { headers: { authorization: "Bearer hunter2" } });
    await expect.poll(() => lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ method: "GET", route: "/v1/batches", status: 400, caller: "local" });
    expect(JSON.stringify(lines)).not.toContain("hunter2");
  });
});

describe("a request that never becomes one", { tags: "attack/connections" }, () => {
  const serve = async (options: HttpServerOptions = {}, app: RequestListener = drain): Promise<Socket> => {
    const server = createHttpServer(app, options);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  };
  /** An app that answers when it has the whole body. */
  const drain: RequestListener = (request, response) => {
    request.resume().on("end", () => response.end("done"));
  };
  const answerOf = async (socket: Socket): Promise<string> => {
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  };

  it("is refused when its headers are too large", async () => {
    const socket = await serve();
    socket.write(`GET / HTTP/1.1\r\nhost: a\r\nx: ${"a".repeat(HEADERS_MAX_BYTES)}\r\n\r\n`);
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 431 .*HeadersTooLarge/s);
  });

  it("is refused when it is not HTTP", async () => {
    const socket = await serve();
    socket.write("\u0016\u0003\u0001 hello\r\n\r\n");
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 400 .*InvalidRequest/s);
  });

  it("is refused when its headers do not come", async () => {
    const socket = await serve({ headersTimeoutMs: 50 });
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n");
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 408 .*RequestTimeout/s);
  });

  it("is refused when its body does not come", async () => {
    const socket = await serve({ headersTimeoutMs: 50, requestTimeoutMs: 50 });
    socket.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{");
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 408 .*RequestTimeout/s);
  });
});
