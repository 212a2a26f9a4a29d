/** What goes on after a request was judged ends with its caller's rights: streams, the hub, followed logs, tickets, lines. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GRANTS_KEPT_MS } from "../../../runtime/api/auth/grants-cache.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { FOLLOWER_HEARTBEAT_MS } from "../../../runtime/core/limits.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { eventually } from "../../support/eventually.ts";
import { openHub, type HubClient } from "../../support/events/hub-client.ts";
import { headersOf, namedCallers, TOKENS_END_MS, type NamedCallers } from "../../support/api/named-callers.ts";
import { openSse, type SseClient } from "../../support/events/sse-client.ts";
import { jobRequestOf, openSubmitStream } from "../../support/api/submit-requests.ts";
import type { TestApi } from "../../support/api/test-api.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const [tenant, kept] = [freshTenant(), freshTenant()];
let system: ApiWithQueue;
let api: TestApi;
let callers: NamedCallers;
let jobId: string;
let batchId: string;
beforeAll(async () => {
  system = await startApiWithQueue();
  callers = namedCallers(system.api.stores.tenants);
  api = await system.another({ identify: callers.identify, follow: { heartbeatMs: 10 } });
  ({ jobId, batchId } = (await system.api.post("/v1/jobs", jobRequestOf(tenant, { delayMs: 3_600_000 }))).body as {
    jobId: string;
    batchId: string;
  });
});
afterAll(() => system[Symbol.asyncDispose]());

beforeEach(() => {
  callers.clock.tokensMs = 0;
});

/** Known everywhere for long, and may use both tenants. */
async function newCaller(): Promise<string> {
  const id = randomUUID();
  for (const name of [tenant, kept]) await callers.grant(id, name);
  return id;
}

/** So long, at most, a grant that was taken away counts. */
const passGrantsTime = (): void => void (callers.clock.grantsMs += GRANTS_KEPT_MS);
const beatsIn = (stream: SseClient): number => stream.text().split(": \n\n").length;

async function ticketFor(caller: string, body: object): Promise<string> {
  const headers = { ...headersOf(caller), "content-type": "application/json" };
  const answer = await fetch(`${api.url}/v1/events/tickets`, { method: "POST", headers, body: JSON.stringify(body) });
  return ((await answer.json()) as { ticket: string }).ticket;
}

async function followLog(caller: string): Promise<{ readonly ended: Promise<string> }> {
  const response = await fetch(`${api.url}/v1/jobs/${jobId}/log?follow=true`, { headers: headersOf(caller) });
  expect(response.status).toBe(200);
  return { ended: response.text() };
}

describe.each([
  ["a grant that is taken away elsewhere", (caller: string) => callers.revoke(caller, tenant), passGrantsTime],
  ["a token that ends", () => Promise.resolve(), () => void (callers.clock.tokensMs = TOKENS_END_MS)],
])("%s", { tags: "attack/tokens" }, (_what, take, pass) => {
  let caller: string;
  beforeEach(async () => {
    caller = await newCaller();
  });

  it.each([
    ["tenant", () => `tenantName=${tenant}`],
    ["batch", () => `batchId=${batchId}`],
    ["job", () => `jobId=${jobId}`],
  ])("ends a stream of a %s", async (_kind, query) => {
    const stream = await openSse(`${api.url}/v1/events?${query()}`, headersOf(caller));
    const byTicket = await openSse(
      `${api.url}/v1/events?ticket=${await ticketFor(caller, Object.fromEntries([query().split("=")]) as object)}`,
    );
    expect([stream.status, byTicket.status]).toEqual([200, 200]);
    await take(caller);
    pass();
    await stream.ended;
    await byTicket.ended;
    await eventually(() => expect(api.followerCount).toBe(0));
  });

  it("ends a connection to the hub, which may come again", async () => {
    using hub: HubClient = await openHub(api.url, headersOf(caller));
    for (const [target, id] of Object.entries({ SubscribeToTenant: kept, SubscribeToJob: jobId })) {
      expect(await hub.call(target, id)).toBeUndefined();
    }
    await take(caller);
    pass();
    await hub.closed;
    expect(hub.frames.at(-1)).toBe('{"type":7,"allowReconnect":true}');
  });

  it("ends a log that is followed", async () => {
    const { ended } = await followLog(caller);
    await take(caller);
    pass();
    expect(await ended).toBe("");
  });

  it("a removed grant ends the stream that a ticket opened", async () => {
    const ticket = await ticketFor(caller, { jobId });
    await take(caller);
    pass();
    expect([401, 404]).toContain((await fetch(`${api.url}/v1/events?ticket=${ticket}`)).status);
  });

  it("ends the lines of a submit that is still being sent", async () => {
    const stream = openSubmitStream(api.url, "", headersOf(caller));
    await stream.send([jobRequestOf(tenant)]);
    const first = await stream.response;
    expect(first.statusCode).toBe(200);
    await take(caller);
    pass();
    await stream.send([jobRequestOf(tenant)]);
    const lines = await stream.finish();
    expect(lines[0]).toHaveProperty("jobId");
    expect(lines.at(-1)).toMatchObject({
      error: { code: expect.stringMatching(/Unauthenticated|Forbidden|NotFound|InvalidRequest/) as unknown },
    });
    expect(lines.filter((line) => "jobId" in line)).toHaveLength(1);
  });
});

describe("a grant that is taken away", () => {
  it("a removed grant keeps a hub connection without its subscriptions open, and refuses new ones", async () => {
    const caller = await newCaller();
    using hub = await openHub(api.url, headersOf(caller));
    expect(await hub.call("SubscribeToTenant", kept)).toBeUndefined();
    await callers.revoke(caller, tenant);
    passGrantsTime();
    expect(await hub.call("SubscribeToJob", jobId)).toMatch(/^JobNotFound/);
    expect(await hub.call("SubscribeToBatch", batchId)).toMatch(/^BatchNotFound/);
    expect(await hub.call("SubscribeToTenant", tenant)).toMatch(/^TenantNotFound/);
    expect(hub.socket.readyState).toBe(hub.socket.OPEN);
  });

  it("a removed grant ends streams within the time that it takes for requests", async () => {
    const caller = await newCaller();
    const stream = await openSse(`${api.url}/v1/events?tenantName=${tenant}`, headersOf(caller));
    await callers.revoke(caller, tenant);
    const beats = beatsIn(stream);
    await eventually(() => expect(beatsIn(stream)).toBeGreaterThan(beats + 2));
    callers.clock.grantsMs += GRANTS_KEPT_MS - FOLLOWER_HEARTBEAT_MS;
    await stream.ended;
  });

  it("streams go on while grants cannot be read, until the token expires", async () => {
    const caller = await newCaller();
    const stream = await openSse(`${api.url}/v1/events?tenantName=${tenant}`, headersOf(caller));
    callers.fault.error = new UnavailableError("StorageUnavailable", "Away.");
    passGrantsTime();
    const beats = beatsIn(stream);
    await eventually(() => expect(beatsIn(stream)).toBeGreaterThan(beats + 2));
    callers.clock.tokensMs = TOKENS_END_MS;
    await stream.ended;
    callers.fault.error = undefined;
  });
});

it(
  "a token that ends is no more leniently judged by a call to the hub than by a sign of life",
  { tags: "attack/tokens" },
  async () => {
    const quiet = await system.another({ identify: callers.identify });
    const caller = await newCaller();
    using hub = await openHub(quiet.url, headersOf(caller));
    callers.clock.tokensMs = TOKENS_END_MS;
    expect(await hub.call("SubscribeToTenant", tenant)).toMatch(/^Unauthenticated/);
    await hub.closed;
  },
);

it("a ticket counts no longer than the token it was given for", { tags: "attack/tokens" }, async () => {
  const caller = await newCaller();
  const ticket = await ticketFor(caller, { tenantName: tenant });
  const again = await openSse(`${api.url}/v1/events?ticket=${ticket}`);
  expect(again.status).toBe(200);
  await again[Symbol.asyncDispose]();
  callers.clock.tokensMs = TOKENS_END_MS;
  expect((await fetch(`${api.url}/v1/events?ticket=${ticket}`)).status).toBe(401);
});
