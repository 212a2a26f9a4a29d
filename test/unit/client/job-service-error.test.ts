import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer } from "node:net";
import { generate } from "selfsigned";
import { describe, expect, it } from "vitest";
import { JobServiceClient, type Fetch } from "../../../runtime/client/index.ts";
import { listening } from "../../support/network/listening.ts";

/** A client with short delays, and its number of tries. */
function counting(url: string, answer: Fetch = (address, init) => fetch(address, init)) {
  const tried = { calls: 0 };
  const client = new JobServiceClient(url, {
    retry: { firstDelayMs: 1, maxDelayMs: 1, maxAttempts: 3 },
    fetch: (address, init) => {
      tried.calls++;
      return answer(address, init);
    },
  });
  return { client, tried };
}

const failureOf = (client: JobServiceClient): Promise<unknown> =>
  client.getAuthFacts().then(
    () => "no failure",
    (error: unknown) => error,
  );

const failing = (code: string, message = "deep down"): Fetch => {
  const cause = Object.assign(new Error(message), { code });
  return () => Promise.reject(new TypeError("fetch failed", { cause }));
};

describe("a failed request", () => {
  it("has a reason and a message, and is repeated only if that can help", async () => {
    for (const [code, reason, calls, text] of [
      ["ENOTFOUND", "unknown-host", 1, "The host jobs.example.com does not exist (ENOTFOUND)."],
      ["EAI_AGAIN", "broken", 3, "No response from https://jobs.example.com: deep down"],
      ["ECONNREFUSED", "refused", 3, "Nothing listens at https://jobs.example.com (ECONNREFUSED)."],
      ["ECONNRESET", "broken", 3, "No response from https://jobs.example.com: deep down"],
      ["UND_ERR_CONNECT_TIMEOUT", "silent", 3, "No response from https://jobs.example.com: deep down"],
      [
        "SELF_SIGNED_CERT_IN_CHAIN",
        "certificate",
        1,
        "with the certificate of its authority (SELF_SIGNED_CERT_IN_CHAIN).",
      ],
      ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "certificate", 1, "is not trusted."],
      ["CERT_HAS_EXPIRED", "certificate", 1, "The certificate of https://jobs.example.com has expired"],
      ["CERT_NOT_YET_VALID", "certificate", 1, "Check the clock of this machine"],
      ["ERR_TLS_CERT_ALTNAME_INVALID", "certificate", 1, "is for another host name (ERR_TLS_CERT_ALTNAME_INVALID)."],
      ["ERR_SSL_WRONG_VERSION_NUMBER", "protocol", 1, "Check whether the address must start with http://."],
      ["EPROTO", "protocol", 1, "is not valid TLS"],
      ["HPE_INVALID_CONSTANT", "protocol", 1, "(HPE_INVALID_CONSTANT)"],
    ] as const) {
      const { client, tried } = counting("https://jobs.example.com", failing(code));
      expect(await failureOf(client)).toMatchObject({
        code: "NetworkFailed",
        reason,
        message: expect.stringContaining(text) as string,
        retryable: calls > 1,
      });
      expect([code, tried.calls]).toEqual([code, calls]);
    }
  });

  it("of `call` is sent once, as it is given, and has the service's own error", async () => {
    const sent: unknown[] = [];
    const { client, tried } = counting("https://jobs.example.com", (url, { method, headers, body } = {}) => {
      sent.push([url, method, headers, body]);
      const error = { code: "StorageUnavailable", message: "Storage is away.", requestId: "r1" };
      return Promise.resolve(Response.json({ error }, { status: 503 }));
    });
    const headers = { "content-type": "application/x-ndjson" };
    const request = {
      method: "POST",
      path: "/v1/of-a-fork",
      query: { a: "b c" },
      headers,
      body: () => ({ body: "{}" }),
    };
    await expect(client.call({ ...request, method: "POST" })).rejects.toMatchObject({ code: "StorageUnavailable" });
    expect(sent).toEqual([["https://jobs.example.com/v1/of-a-fork?a=b+c", "POST", headers, "{}"]]);
    expect(tried.calls).toBe(1);
  });

  it("counts as an outage if a known host name is not found", async () => {
    const answers: Fetch[] = [() => Promise.resolve(Response.json({})), failing("ENOTFOUND"), failing("ENOTFOUND")];
    const next: Fetch = (url, init) =>
      (answers.shift() ?? (() => Promise.resolve(Response.json({ name: "Ada" }))))(url, init);
    const { client } = counting("https://jobs.example.com", next);
    await client.monitoring.getMe();
    expect(await client.monitoring.getMe()).toEqual({ name: "Ada" });
  });

  it("has the right reason for real errors of certificates, TLS and HTTP", async () => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "127.0.0.1" }]);
    await using secure = await listening(createHttpsServer({ key, cert }));
    await using plain = await listening(createHttpServer());
    await using other = await listening(createServer((socket) => socket.end("220 mail.example.com ESMTP\r\n")));
    const reasons: unknown[] = [];
    for (const url of [
      `https://127.0.0.1:${secure.port}`,
      `https://127.0.0.1:${plain.port}`,
      `http://127.0.0.1:${other.port}`,
    ]) {
      const { client, tried } = counting(url);
      const { reason, message } = (await failureOf(client)) as { reason?: string; message: string };
      reasons.push([reason, tried.calls]);
      expect(message).toContain(url);
    }
    expect(reasons).toEqual([
      ["certificate", 1],
      ["protocol", 1],
      ["protocol", 1],
    ]);
  });

  it("is repeated when a connection breaks", async () => {
    const cuts = [
      "HTTP/1.1 200 OK\r\ncontent-le",
      "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
    ];
    const reasons: unknown[] = [];
    for (const cut of cuts) {
      await using server = await listening(createServer((socket) => socket.once("data", () => socket.end(cut))));
      const { client, tried } = counting(`http://127.0.0.1:${server.port}`);
      const { reason } = (await failureOf(client)) as { reason?: string };
      reasons.push([reason, tried.calls > 1]);
    }
    expect(reasons).toEqual(cuts.map(() => ["broken", true]));
  });

  it("ends after the given time, even if tries are left", async () => {
    let calls = 0;
    const client = new JobServiceClient("http://127.0.0.1:9", {
      answerWithinMs: 20,
      retry: { firstDelayMs: 1, maxDelayMs: 1, maxAttempts: 1_000_000, giveUpAfterMs: 20 },
      fetch: (_url, { signal } = {}) => {
        calls++;
        return new Promise((_resolve, reject) =>
          signal?.addEventListener("abort", () => reject(signal.reason as Error)),
        );
      },
    });
    expect(await failureOf(client)).toMatchObject({
      reason: "silent",
      message: expect.stringContaining("within 0.0") as string,
    });
    expect(calls).toBeLessThan(100);
  });

  it("is not repeated by an outer call when the tries are used up", async () => {
    const { client, tried } = counting("https://jobs.example.com", failing("ECONNRESET"));
    const withToken = new JobServiceClient("https://jobs.example.com", {
      retry: { firstDelayMs: 1, maxDelayMs: 1, maxAttempts: 3 },
      credential: {
        getToken: async () => ({ token: await client.getAuthFacts().then(String), expiresOnTimestamp: 0 }),
      },
      fetch: () =>
        Promise.resolve(
          Response.json({
            kind: "entra",
            authority: "https://login.microsoftonline.com",
            tenantId: "00000000-0000-4000-8000-000000000001",
            clientId: "00000000-0000-4000-8000-000000000002",
            applicationScope: "api://00000000-0000-4000-8000-000000000002/.default",
            userScope: "api://00000000-0000-4000-8000-000000000002/access_as_user",
          }),
        ),
    });
    await expect(withToken.monitoring.getMe()).rejects.toMatchObject({ code: "NetworkFailed" });
    expect(tried.calls).toBe(3);
  });
});
