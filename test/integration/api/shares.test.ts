/** No caller takes what is for all: streams, connections to the hub and its calls, followed logs, running requests. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FOLLOWED_LOGS_PER_CALLER_MAX_COUNT, REQUESTS_AT_ONCE_MAX_COUNT } from "../../../runtime/core/limits.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { eventually } from "../../support/eventually.ts";
import { holdConnections } from "../../support/network/half-open-client.ts";
import { callFrame, openHub, PING_FRAME, refusedHub } from "../../support/events/hub-client.ts";
import { headersOf, namedCallers, type NamedCallers } from "../../support/api/named-callers.ts";
import { openSse, type SseClient } from "../../support/events/sse-client.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import type { TestApi, TestApiOptions } from "../../support/api/test-api.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let system: ApiWithQueue;
let callers: NamedCallers;
const tenant = freshTenant();
let jobId: string;
beforeAll(async () => {
  system = await startApiWithQueue();
  callers = namedCallers(system.api.stores.tenants);
  jobId = (await system.api.post("/v1/jobs", jobRequestOf(tenant, { delayMs: 3_600_000 }))).body.jobId;
});
afterAll(() => system[Symbol.asyncDispose]());

const start = (options: TestApiOptions = {}): Promise<TestApi> =>
  system.another({ identify: callers.identify, ...options });

async function twoCallers(): Promise<readonly [string, string]> {
  const ids = [randomUUID(), randomUUID()] as const;
  for (const id of ids) await callers.grant(id, tenant);
  return ids;
}

const ask = async (api: TestApi, path: string, caller: string): Promise<Response> =>
  fetch(`${api.url}${path}`, { headers: headersOf(caller) });
const EVENTS = `/v1/events?tenantName=${tenant}`;
const LIST = `/v1/batches?tenantName=${tenant}`;

async function expectRefused(response: Response, words: RegExp): Promise<void> {
  expect(response.status).toBe(429);
  expect(response.headers.get("retry-after")).toBe("15");
  expect(await response.json()).toMatchObject({ error: { code: "TooManyRequests", message: words } });
}

describe("followers of events", () => {
  it(
    "of one caller are so many, streams and connections to the hub together; others have their own",
    { tags: "attack/connections" },
    async () => {
      const api = await start({ follow: { maxPerCaller: 3 } });
      const [greedy, other] = await twoCallers();
      const streams: SseClient[] = [];
      for (let i = 0; i < 2; i++) streams.push(await openSse(`${api.url}${EVENTS}`, headersOf(greedy)));
      using hub = await openHub(api.url, headersOf(greedy));

      await expectRefused(await ask(api, EVENTS, greedy), expect.stringMatching(/You have 3 followers/) as RegExp);
      expect(await refusedHub(api.url, headersOf(greedy))).toMatchObject({ status: 429, retryAfter: "15" });
      const theirs = await openSse(`${api.url}${EVENTS}`, headersOf(other));
      expect(theirs.status).toBe(200);

      hub.socket.terminate();
      await eventually(() => expect(api.followerCount).toBe(3));
      const again = await openSse(`${api.url}${EVENTS}`, headersOf(greedy));
      expect(again.status).toBe(200);
      for (const stream of [...streams, theirs, again]) await stream[Symbol.asyncDispose]();
      await eventually(() => expect(api.followerCount).toBe(0));
    },
  );

  it(
    "with tickets count for the caller who got them, wherever they come from",
    { tags: "attack/connections" },
    async () => {
      const api = await start({ follow: { maxPerCaller: 2 } });
      const [greedy] = await twoCallers();
      const headers = { ...headersOf(greedy), "content-type": "application/json" };
      const body = JSON.stringify({ tenantName: tenant });
      const answer = await fetch(`${api.url}/v1/events/tickets`, { method: "POST", headers, body });
      const { ticket } = (await answer.json()) as { ticket: string };
      const url = `${api.url}/v1/events?ticket=${ticket}`;
      await using one = await openSse(url);
      await using two = await openSse(url);
      expect([one.status, two.status]).toEqual([200, 200]);
      await expectRefused(await fetch(url), expect.stringMatching(/You have 2 followers/) as RegExp);
      await expectRefused(await ask(api, EVENTS, greedy), expect.stringMatching(/You have 2/) as RegExp);
    },
  );

  it("refused requests and unknown subjects take no place", { tags: "attack/connections" }, async () => {
    const api = await start({ follow: { maxPerCaller: 1 } });
    const [caller] = await twoCallers();
    for (let i = 0; i < 3; i++) {
      expect((await ask(api, "/v1/events?tenantName=foreign", caller)).status).toBe(404);
      expect((await ask(api, "/hubs/jobs", caller)).status).toBe(400);
      const upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 99\r\n";
      const text = `GET /hubs/jobs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${caller}\r\n${upgrade}\r\n`;
      using wrong = await holdConnections(Number(new URL(api.url).port), { text });
      await eventually(() => expect(wrong.heard(0)).toMatch(/^HTTP\/1\.1 4/));
    }
    await eventually(() => expect(api.followerCount).toBe(0));
    await using stream = await openSse(`${api.url}${EVENTS}`, headersOf(caller));
    expect(stream.status).toBe(200);
  });
});

it(
  "followed logs of one caller are so many; others have their own, and ended ones make room",
  { tags: "attack/connections" },
  async () => {
    const api = await start();
    const [greedy, other] = await twoCallers();
    const follow = (caller: string, leaving: AbortController): Promise<Response> =>
      fetch(`${api.url}/v1/jobs/${jobId}/log?follow=true`, { headers: headersOf(caller), signal: leaving.signal });
    const leaving = new AbortController();
    for (let i = 0; i < FOLLOWED_LOGS_PER_CALLER_MAX_COUNT; i++) {
      expect((await follow(greedy, leaving)).status).toBe(200);
    }
    const last = new AbortController();
    await expectRefused(await follow(greedy, last), expect.stringMatching(/followed logs/) as RegExp);
    expect((await follow(other, leaving)).status).toBe(200);
    // What is read at once, without following, needs no place.
    expect((await ask(api, `/v1/jobs/${jobId}/log`, greedy)).status).toBe(404);
    leaving.abort();
    await eventually(async () => expect((await follow(greedy, last)).status).toBe(200));
    last.abort();
  },
);

it(
  "running requests of one caller are so many, however slowly they are sent",
  { tags: "attack/connections" },
  async () => {
    const api = await start();
    const [greedy, other] = await twoCallers();
    const text =
      `POST /v1/jobs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${greedy}\r\n` +
      `content-type: application/json\r\ncontent-length: 9\r\n\r\n{`;
    const port = Number(new URL(api.url).port);
    // Some more than there are places: a busy machine loses a connection now and then.
    const slow = await holdConnections(port, { text, count: REQUESTS_AT_ONCE_MAX_COUNT + 20 });
    await eventually(async () => {
      await expectRefused(await ask(api, LIST, greedy), expect.stringMatching(/running requests/) as RegExp);
    });
    expect((await ask(api, LIST, other)).status).toBe(200);
    slow[Symbol.dispose]();
    await eventually(async () => expect((await ask(api, LIST, greedy)).status).toBe(200));
  },
);

describe("messages to the hub", () => {
  it("counts as requests, call by call, over however many connections", { tags: "attack/connections" }, async () => {
    const api = await start({ traffic: { requestsPerMinute: 10 } });
    const [greedy, other] = await twoCallers();
    using one = await openHub(api.url, headersOf(greedy));
    using two = await openHub(api.url, headersOf(greedy));
    const answers: (string | undefined)[] = [];
    for (let i = 0; i < 5; i++) {
      for (const hub of [one, two]) if (answers.at(-1) === undefined) answers.push(await hub.call("Unsubscribe", "x"));
    }
    // Two of the ten were the connections.
    expect(answers.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => undefined));
    expect(answers[8]).toMatch(/^TooManyRequests: You have sent too many requests. Retry in \d+ s\.$/);
    const refused = await ask(api, LIST, greedy);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await ask(api, LIST, other)).status).toBe(200);
  });

  it.each([
    ["pings", PING_FRAME],
    ["pieces of messages", "x"],
    ["streams, which there are none of", `{"type":4,"invocationId":"1","target":"t","arguments":[]}\u001e`],
    ["nothing at all", ""],
  ])(
    "counts as requests when it is %s, beyond those a quiet client sends",
    { tags: "attack/connections" },
    async (_what, frame) => {
      const api = await start({ traffic: { requestsPerMinute: 5 } });
      const [greedy, other] = await twoCallers();
      using hub = await openHub(api.url, headersOf(greedy));
      for (let i = 0; i < 40; i++) hub.socket.send(frame);
      await eventually(async () => expect((await ask(api, LIST, greedy)).status).toBe(429));
      expect((await ask(api, LIST, other)).status).toBe(200);
    },
  );

  it("is not read while a call waits", { tags: "attack/connections" }, async () => {
    const gate = Promise.withResolvers<undefined>();
    let reads = 0;
    const wrapJobs = (jobs: JobStore): JobStore => ({
      ...jobs,
      async get(id) {
        reads++;
        await gate.promise;
        return jobs.get(id);
      },
    });
    const api = await start({ wrapJobs });
    const [caller] = await twoCallers();
    using hub = await openHub(api.url, headersOf(caller));
    const first = hub.call("SubscribeToJob", jobId);
    await eventually(() => expect(reads).toBe(1));
    // More than both sides' buffers hold: what is not read stays with the client.
    const padding = "x".repeat(15_000);
    for (let i = 0; i < 2_000; i++) hub.socket.send(callFrame("SubscribeToJob", [jobId, padding]));
    const last = hub.call("Unsubscribe", jobId);
    await eventually(() => expect(hub.socket.bufferedAmount).toBeGreaterThan(0));
    expect(reads).toBe(1);
    expect(api.followerCount).toBe(1);
    gate.resolve(undefined);
    expect(await first).toBeUndefined();
    expect(await last).toBeUndefined();
    expect(hub.socket.bufferedAmount).toBe(0);
  });
});
