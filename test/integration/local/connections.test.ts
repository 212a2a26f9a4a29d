// The local issuer and a worker's health end connections that prove nothing, and serve the others.
import { silentUnreadable } from "../../support/silent.ts";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { startIdentityServer } from "../../../runtime/local/identity/identity-server.ts";
import { serveHealth } from "../../../runtime/worker/machine/health.ts";
import { eventually } from "../../support/eventually.ts";
import { hasEnded, holdConnections, isReset } from "../../support/network/half-open-client.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

describe("the local issuer", () => {
  test("closes connections that send nothing, before TLS and after", { tags: "attack/connections" }, async () => {
    await using directory = await temporaryDirectory();
    const faults: unknown[] = [];
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
    expect(faults).toEqual([]);
  });
});

describe("a worker's health", () => {
  test.each([
    ["send nothing", ""],
    ["send half of their headers", "GET /health HTTP/1.1\r\nhost: a\r\n"],
    ["send half of a body", "POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\n{"],
    [
      "ask to close the connection and do not close their side",
      "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ],
    ["offer an upgrade", "GET /health HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n"],
  ])(
    "closes connections of clients that %s, and still answers others",
    { tags: "attack/connections" },
    async (_what, text) => {
      const limits = { maxCount: 6, headersTimeoutMs: 200, requestTimeoutMs: 200, lingerMs: 20 };
      const health = await serveHealth(
        0,
        { isWell: () => true, notReady: () => [], unreadable: silentUnreadable },
        limits,
      );
      onTestFinished(() => health.close());
      using clients = await holdConnections(health.port, { text, count: 5 });
      const answer = await fetch(`http://127.0.0.1:${health.port}/health`);
      expect(await answer.json()).toEqual({ ApplicationHealthState: "Healthy" });
      await Promise.all(clients.sockets.map((socket) => eventually(() => expect(hasEnded(socket)).toBe(true))));
      await Promise.all(clients.sockets.map(isReset));
    },
  );
});
