import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { QUESTIONS, startReceiver, type ReceiverOptions } from "../../../../runtime/local/telemetry/receiver.ts";
import { metricsOf, tracesOf } from "../../../support/telemetry/otlp.ts";

const JOB = "demo.zybr0fe42axjqj5j73.00.01m7zghvyecdx3hp86";
const START_MS = Date.parse("2030-01-31T08:00:00Z");
const spans = tracesOf({ "service.name": "billing" }, [{ id: "run", attributes: { "jobyard.job.id": JOB } }]);

async function receiver(limits: ReceiverOptions["limits"] = {}) {
  let now = START_MS;
  const failures: unknown[] = [];
  const running = await startReceiver({
    now: () => new Date(now),
    onFailure: (error) => failures.push(error),
    limits,
  });
  const { endpoint, readKey } = running;
  const key = { authorization: `Bearer ${readKey}` };
  return {
    endpoint,
    failures,
    pass: (ms: number) => void (now += ms),
    send: (path: string, body: unknown, headers: Record<string, string> = {}) =>
      fetch(`${endpoint}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: body instanceof Uint8Array || typeof body === "string" ? body : JSON.stringify(body),
      }),
    ask: (path: string, headers: Record<string, string> = key) => fetch(`${endpoint}${path}`, { headers }),
    [Symbol.asyncDispose]: () => running.close(),
  };
}

describe("the receiver of telemetry", () => {
  it("takes spans, and shows them to who has the key", async () => {
    await using server = await receiver();
    const answer = await server.send("/v1/traces", spans);
    expect([answer.status, await answer.json()]).toEqual([200, {}]);
    const path = `${QUESTIONS.trace}?job=${JOB}`;
    expect(await (await server.ask(path)).json()).toMatchObject({
      jobId: JOB,
      since: "2030-01-31T08:00:00.000Z",
      spans: [{ name: "run", service: "billing" }],
    });
    for (const headers of [{}, { authorization: "Bearer wrong" }]) {
      expect((await server.ask(path, headers)).status).toBe(401);
    }
  });

  it("takes what is compressed, and logs, which it does not keep", async () => {
    await using server = await receiver();
    const zipped = new Uint8Array(gzipSync(JSON.stringify(spans)));
    expect((await server.send("/v1/traces", zipped, { "content-encoding": "gzip" })).status).toBe(200);
    expect((await server.send("/v1/logs", { resourceLogs: [] })).status).toBe(200);
    const { spans: kept } = (await (await server.ask(`${QUESTIONS.trace}?job=${JOB}`)).json()) as { spans: object[] };
    expect(kept.length).toBe(1);
  });

  it("divides the time since its start, or the minutes asked for, in at most so many marks", async () => {
    await using server = await receiver();
    const ended = { name: "jobyard.job.ended", kind: "counter", startMs: START_MS, attributes: { type: "A" } } as const;
    await server.send("/v1/metrics", metricsOf({ "service.name": "jobyard-worker" }, [{ ...ended, value: 3 }]));
    const looked = async (query: string) => {
      const { markSeconds, jobTypes } = (await (await server.ask(`${QUESTIONS.stats}?${query}`)).json()) as {
        readonly markSeconds: number;
        readonly jobTypes: readonly { readonly measures: Record<string, { readonly marks: number[] }> }[];
      };
      return [markSeconds, jobTypes[0]?.measures["ended"]?.marks];
    };
    expect(await looked("marks=6")).toEqual([10, [0, 0, 0, 0, 0, 3]]);
    server.pass(100_000);
    expect(await looked("marks=6")).toEqual([20, [3, 0, 0, 0, 0, 0]]);
    expect(await looked("marks=4&minutes=60")).toEqual([900, [0, 0, 0, 3]]);
    expect((await server.ask(`${QUESTIONS.stats}?marks=600`)).status).toBe(400);
  });

  it.each([
    [
      "a page of a browser",
      { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
      "/v1/traces",
      spans,
      403,
    ],
    ["a page of this machine", { origin: "http://127.0.0.1:3000" }, "/v1/traces", spans, 403],
    ["another format", { "content-type": "application/x-protobuf" }, "/v1/traces", "x", 415],
    ["what is not JSON", {}, "/v1/traces", "{", 400],
    ["what is not gzip", { "content-encoding": "gzip" }, "/v1/traces", "{}", 400],
    ["what is not OTLP", {}, "/v1/traces", { resourceSpans: [{ scopeSpans: [{ spans: [{}] }] }] }, 400],
    ["another path", {}, "/v1/profiles", {}, 404],
  ])("refuses %s", async (_what, headers, path, body, status) => {
    await using server = await receiver();
    expect((await server.send(path, body, headers)).status).toBe(status);
    expect(server.failures).toEqual([]);
  });

  it("refuses what is called by another name than this machine's", async () => {
    await using server = await receiver();
    const { port } = new URL(server.endpoint);
    const status = await new Promise((resolve, reject) => {
      const headers = { host: "evil.example" };
      request({ host: "127.0.0.1", port, path: QUESTIONS.stats, headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .once("error", reject)
        .end();
    });
    expect(status).toBe(421);
  });

  it("reads no more than its limit, also of what is compressed", async () => {
    await using server = await receiver({ bodyMaxBytes: 1_000 });
    const large = `{"resourceSpans":[]${" ".repeat(2_000)}}`;
    expect((await server.send("/v1/traces", large)).status).toBe(413);
    const zipped = new Uint8Array(gzipSync(large));
    expect(zipped.length).toBeLessThan(1_000);
    expect((await server.send("/v1/traces", zipped, { "content-encoding": "gzip" })).status).toBe(413);
    expect((await server.send("/v1/traces", { resourceSpans: [] })).status).toBe(200);
  });
});
