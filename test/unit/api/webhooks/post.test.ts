import diagnostics from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPost, type PostDeps } from "../../../../runtime/api/webhooks/post.ts";
import type { ResolvedAddress } from "../../../../runtime/api/webhooks/receiver-address.ts";
import { startReceiver, type WebhookReceiver } from "../../../support/webhooks/webhook-receiver.ts";

/** Public, and given to nobody: no connection to it is ever made. */
const NOWHERE: ResolvedAddress = { address: "2d00::1", family: 6 };
const HERE: ResolvedAddress = { address: "127.0.0.1", family: 4 };

let http: WebhookReceiver;
let https: WebhookReceiver;
beforeAll(async () => {
  http = await startReceiver();
  https = await startReceiver("https");
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  await https[Symbol.asyncDispose]();
});

const unasked = (): never => {
  throw new Error("No name server is asked for an address.");
};
const post = (url: string, deps: Partial<PostDeps> = {}) =>
  createPost({ resolve: unasked, allowLoopback: true, timeoutMs: 5_000, ...deps })(
    url,
    { "webhook-id": "msg_1" },
    "{}",
  );

/** Resolves a name to one answer after the other. */
function names(...answers: readonly (readonly ResolvedAddress[])[]) {
  const asked: string[] = [];
  return {
    asked,
    resolve: (hostname: string) => {
      asked.push(hostname);
      return Promise.resolve(answers[Math.min(asked.length, answers.length) - 1] ?? []);
    },
  };
}

describe("a receiver", () => {
  it("a receiver gets the body unchanged, with its signature", async () => {
    http.answer = (response) => response.writeHead(200).end("thanks");
    expect(await post(http.url)).toEqual({ answerCode: 200, answer: "thanks" });
    expect(http.received.at(-1)).toMatchObject({
      path: "/hook",
      body: "{}",
      headers: {
        "webhook-id": "msg_1",
        "content-type": "application/json",
        "content-length": "2",
        connection: "close",
      },
    });
  });

  it("a receiver with a wrong certificate is refused", async () => {
    https.answer = 204;
    expect(await post(https.url, { ca: https.ca })).toEqual({ answerCode: 204 });
    const before = https.received.length;
    const stranger = await post(https.url);
    expect(stranger.answerCode).toBeUndefined();
    expect(stranger.error).toMatch(/certificate/);
    // Of a trusted authority, and another host's.
    const impostor = await post(https.url.replace("127.0.0.1", "127.0.0.2"), { ca: https.ca });
    expect(impostor.error).toBeDefined();
    expect(https.received).toHaveLength(before);
  });

  it.each([301, 302, 303, 307, 308])(
    "is not followed when it redirects with %i",
    { tags: "attack/addresses" },
    async (status) => {
      const before = https.connectionCount;
      http.answer = (response) => response.writeHead(status, { location: https.url }).end();
      expect(await post(http.url, { ca: https.ca })).toEqual({
        answerCode: status,
        error: "The receiver redirects. Redirects are not followed.",
      });
      expect(https.connectionCount).toBe(before);
    },
  );

  it.each([400, 404, 410, 429, 500, 503])("that answers %i has not taken it", async (status) => {
    http.answer = status;
    expect(await post(http.url)).toEqual({ answerCode: status, error: `The receiver answered ${status}.` });
  });

  it("that never answers is given up in time", async () => {
    http.answer = () => undefined;
    expect(await post(http.url, { timeoutMs: 100 })).toEqual({ error: "There was no answer within 100 ms." });
  });

  it("that sends header after header and no answer is given up in time", async () => {
    http.answer = (response) => {
      const timer = setInterval(() => response.writeProcessing(), 10);
      response.on("close", () => clearInterval(timer));
    };
    expect(await post(http.url, { timeoutMs: 100 })).toEqual({ error: "There was no answer within 100 ms." });
  });

  it("is heard by its status when its text does not end", async () => {
    http.answer = (response) => void response.writeHead(200).write("slow");
    expect(await post(http.url)).toEqual({ answerCode: 200, answer: "slow" });
  });

  it("is read no further than a begin of its text, and cut off then", async () => {
    let sent = 0;
    const closed = Promise.withResolvers<undefined>();
    http.answer = (response) => {
      response.writeHead(500);
      const pour = (): void => {
        while (!response.destroyed && response.write("x".repeat(64 * 1024))) sent += 64 * 1024;
      };
      response.on("drain", pour);
      response.on("close", () => closed.resolve(undefined));
      pour();
    };
    const { answer, answerCode } = await post(http.url);
    expect({ answerCode, length: answer?.length }).toEqual({ answerCode: 500, length: 1_024 });
    await closed.promise;
    expect(sent).toBeLessThan(32 * 1024 * 1024);
  });

  it("writes nothing on terminals", async () => {
    http.answer = (response) => response.writeHead(500).end("\u001b[2Jno\r\n\u0007way\u009b");
    expect((await post(http.url)).answer).toBe("[2Jno way");
  });

  it("that breaks the connection, or is not there, is a result too", async () => {
    http.answer = (response) => response.destroy();
    expect((await post(http.url)).error).toMatch(/hang up|reset/i);
    const gone = await startReceiver();
    await gone[Symbol.asyncDispose]();
    expect((await post(gone.url)).error).toMatch(/ECONNREFUSED/);
  });
});

describe("a name", () => {
  const url = "https://hooks.example.com/hook";

  it.each([
    ["loopback", [HERE]],
    ["metadata", [{ address: "169.254.169.254", family: 4 as const }]],
    ["a private network beside a public address", [NOWHERE, { address: "10.0.0.1", family: 4 as const }]],
    ["IPv4 inside of IPv6", [{ address: "::ffff:10.0.0.1", family: 6 as const }]],
    ["what is no address", [{ address: "localhost", family: 4 as const }]],
  ])("that resolves to %s is not called", { tags: "attack/addresses" }, async (_, addresses) => {
    const { resolve, asked } = names(addresses);
    const attempts = await connectionsDuring(async () => {
      for (const allowLoopback of [false, true]) {
        expect(await post(url, { resolve, allowLoopback })).toEqual({
          error: "hooks.example.com resolves to an address that is not public.",
        });
      }
    });
    expect(asked).toHaveLength(2);
    expect(attempts).toEqual([]);
  });

  it(
    "that resolves to another address a moment later is called at the one that was judged, and asked for once",
    { tags: "attack/addresses" },
    async () => {
      const { resolve, asked } = names([NOWHERE], [HERE]);
      const attempts = await connectionsDuring(async () => {
        const { answerCode, error } = await post(url, { resolve, timeoutMs: 500 });
        expect(answerCode).toBeUndefined();
        expect(error).toBeDefined();
      });
      expect(asked).toEqual(["hooks.example.com"]);
      expect(new Set(attempts)).toEqual(new Set([NOWHERE.address]));
    },
  );

  it("a name is resolved again with every try", async () => {
    const { resolve, asked } = names([NOWHERE], [HERE]);
    await post(url, { resolve, timeoutMs: 500 });
    expect((await post(url, { resolve })).error).toMatch(/not public/);
    expect(asked).toHaveLength(2);
  });

  it("without an address, or without an answer, is a result too", async () => {
    expect((await post(url, { resolve: names([]).resolve })).error).toBe("hooks.example.com has no address.");
    const never = () => new Promise<never>(() => undefined);
    expect((await post(url, { resolve: never, timeoutMs: 100 })).error).toBe("There was no answer within 100 ms.");
    const away = () => Promise.reject(new Error("queryA ENOTFOUND"));
    expect((await post(url, { resolve: away })).error).toBe("queryA ENOTFOUND");
  });
});

describe("an address that was stored", () => {
  it.each(["http://127.0.0.1:1", "https://127.0.0.1", "https://[::1]", "https://10.0.0.1", "http://hooks.example.com"])(
    "is judged again with every try: %s",
    { tags: "attack/addresses" },
    async (url) => {
      const attempts = await connectionsDuring(async () => {
        expect((await post(url, { allowLoopback: false })).error).toMatch(/^The address must/);
      });
      expect(attempts).toEqual([]);
    },
  );

  it("of this machine by name is this machine, whatever a name server says", { tags: "attack/addresses" }, async () => {
    http.answer = 204;
    const { resolve, asked } = names([NOWHERE]);
    expect(await post(http.url.replace("127.0.0.1", "localhost"), { resolve })).toEqual({ answerCode: 204 });
    expect(asked).toEqual([]);
  });
});

const HTTPS_PORT = 443;

/** Every address whose HTTPS port this process tries to connect to meanwhile. */
async function connectionsDuring(work: () => Promise<void>): Promise<readonly string[]> {
  const attempts: string[] = [];
  const watch = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    // Other connections of this process may be there from an earlier test.
    const note = (ip: string, port: number | undefined): void => {
      if (port === HTTPS_PORT) attempts.push(ip);
    };
    socket.on("connectionAttempt", note);
    socket.on("connect", () => note(socket.remoteAddress ?? "", socket.remotePort));
  };
  diagnostics.subscribe("net.client.socket", watch);
  try {
    await work();
    return attempts;
  } finally {
    diagnostics.unsubscribe("net.client.socket", watch);
  }
}
