/** Server-Sent Events of real APIs: access, gaps, slow clients and reconnects. */
import { createConnection } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOCAL_CALLER } from "../../../runtime/api/auth/caller.ts";
import { EVENT_VERSION, type JobProgressed } from "../../../runtime/core/job/events.ts";
import { createTickets } from "../../../runtime/api/events/tickets.ts";
import { endsIn } from "../../support/events/followers.ts";
import { openSse } from "../../support/events/sse-client.ts";
import { publishTo } from "../../support/events/test-events.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";
import type { TestApi } from "../../support/api/test-api.ts";

const tenant = freshTenant();
const QUICK = testPackage({ jobs: { Quick: `context.progress(1); return {};` }, isolation: "reuse" });
let system: TestSystem;
let worker: TestWorker;
let second: TestApi;

beforeAll(async () => {
  system = await startTestSystem();
  second = await system.anotherApi();
  await system.publish(tenant, "test.zip", QUICK);
  worker = await system.startWorker({ slots: 4 });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const createBatch = async (): Promise<string> =>
  (await system.api.post("/v1/batches", { tenantName: tenant, batchName: "Batch" })).body.batchId;

const WAIT = { timeout: 120_000 };
/** Of a job: queued, which may come at any time, started, progressed and completed. */
const STORY = 4;

describe("following a batch at two instances", () => {
  it("every client receives one start, ordered progress and one end of every job", async () => {
    const batchId = await createBatch();
    const clients = await Promise.all(
      [system.api, second, system.api, second].map(({ url }) => openSse(`${url}/v1/events?batchId=${batchId}`)),
    );
    const jobIds = await Promise.all(Array.from({ length: 60 }, () => system.submit(tenant, "Quick", { batchId })));
    await system.api.post(`/v1/batches/${batchId}/close`);
    for (const client of clients) {
      expect(client.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
      const ends = () => endsIn(client.messages.map(({ data }) => data));
      await expect.poll(ends, WAIT).toEqual({ jobs: jobIds.length, batches: 1 });
      for (const jobId of jobIds) {
        const events = client.messages.filter(({ data }) => "jobId" in data && data.jobId === jobId);
        const types = events.map(({ event }) => event).filter((type) => type !== "jobQueued");
        expect(types).toEqual(["jobStarted", "jobProgressed", "jobCompleted"]);
      }
      expect(new Set(client.messages.map(({ id }) => id)).size).toBe(client.messages.length);
      await client[Symbol.asyncDispose]();
    }
    await expect.poll(() => system.api.followerCount + second.followerCount).toBe(0);
  });

  it("a stream continues after the client's last event, also at another instance, and sends missed when it cannot", async () => {
    const own = freshTenant();
    await system.publish(own, "test.zip", QUICK);
    const first = await openSse(`${system.api.url}/v1/events?tenantName=${own}`);
    const watch = await openSse(`${second.url}/v1/events?tenantName=${own}`);
    const one = await system.submit(own, "Quick");
    await system.until(one);
    for (const client of [first, watch]) await expect.poll(() => client.messages.length, WAIT).toBe(STORY);
    const last = first.messages.at(-1)!.id!;
    await first[Symbol.asyncDispose]();

    const two = await system.submit(own, "Quick");
    await expect.poll(() => watch.messages.length, WAIT).toBe(2 * STORY);
    const headers = { "last-event-id": last };
    const again = await openSse(`${second.url}/v1/events?tenantName=${own}`, headers);
    await expect.poll(() => again.messages.length, WAIT).toBe(STORY);
    expect(new Set(again.messages.map(({ data }) => "jobId" in data && data.jobId))).toEqual(new Set([two]));

    const late = await openSse(`${second.url}/v1/events?tenantName=${own}`, { "last-event-id": "long-gone" });
    await expect.poll(() => late.messages.map(({ event }) => event)).toEqual(["missed"]);
    for (const client of [watch, again, late]) await client[Symbol.asyncDispose]();
  });
});

describe("a client", () => {
  it("a caller of another tenant gets 404 for job, batch and tenant", async () => {
    const stranger = await system.anotherApi({ caller: { ...LOCAL_CALLER, mayUse: () => false } });
    const batchId = await createBatch();
    const jobId = await system.submit(tenant, "Quick", { batchId });
    for (const [query, code] of [
      [`jobId=${jobId}`, "JobNotFound"],
      [`batchId=${batchId}`, "BatchNotFound"],
      [`tenantName=${tenant}`, "TenantNotFound"],
    ]) {
      const followed = await stranger.get(`/v1/events?${query}`);
      expect([followed.status, followed.body.error.code]).toEqual([404, code]);
      const [name = "", value = ""] = query!.split("=");
      const ticket = await stranger.post("/v1/events/tickets", { [name]: value });
      expect([ticket.status, ticket.body.error.code]).toEqual([404, code]);
    }
    expect((await system.api.get(`/v1/events?jobId=${jobId}&batchId=${batchId}`)).status).toBe(400);
    expect((await system.api.get("/v1/events")).status).toBe(400);
    await system.until(jobId);
  });

  it("a ticket opens a stream of its subject at any instance, for a minute", async () => {
    const jobId = await system.submit(tenant, "Quick", { delayMs: 60_000 });
    const { status, body } = await system.api.post("/v1/events/tickets", { jobId });
    expect(status).toBe(201);
    const { ticket } = body as unknown as { ticket: string };
    const stream = await openSse(`${second.url}/v1/events?ticket=${ticket}`);
    await system.api.post(`/v1/jobs/${jobId}/cancel`, {});
    await expect.poll(() => stream.messages.map(({ event }) => event), WAIT).toEqual(["jobCompleted"]);
    await stream[Symbol.asyncDispose]();

    const refused = async (text: string) => (await second.get(`/v1/events?ticket=${text}`)).status;
    expect(await refused(`${ticket.slice(0, -4)}AAAA`)).toBe(401);
    expect(await refused("nonsense")).toBe(401);
    const subject = { kind: "job", id: jobId } as const;
    const ticketOf = async (key: string, now: Date) =>
      (
        await createTickets({ key: () => Promise.resolve(Buffer.from(key)), now: () => now }).issue({
          subject,
        })
      ).ticket;
    expect(await refused(await ticketOf("another key", new Date()))).toBe(401);
    expect(await refused(await ticketOf("test", new Date(Date.now() - 61_000)))).toBe(401);
  });

  it("a client that does not read is disconnected, while another receives everything", async () => {
    const api = await system.anotherApi();
    const { hostname, port } = new URL(api.url);
    const slow = createConnection({ host: hostname, port: Number(port) });
    slow.write(`GET /v1/events?tenantName=${tenant} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
    await new Promise((resolve) => slow.once("data", resolve));
    slow.pause();
    const keen = await openSse(`${api.url}/v1/events?tenantName=${tenant}`);
    await expect.poll(() => api.followerCount).toBe(2);

    const { events, close } = publishTo(system.bus);
    const job = { jobId: `${tenant}.0000000000aaaaaaaa.00.0000000000aaaaaaaa`, jobName: "n".repeat(200), jobType: "T" };
    const entry = { execution: 1, attempt: 1, workerId: "w", claimId: "c", startedAt: new Date() };
    let sent = 0;
    while (api.followerCount > 1 && sent < 30_000) {
      for (let i = 0; i < 50; i++) {
        events.progressed({ ...job, ring: 1, executions: 1 }, entry, { text: "x".repeat(20_000) }, ++sent);
      }
      await expect.poll(() => keen.messages.length, WAIT).toBe(sent);
    }
    expect(api.followerCount).toBe(1);
    const heard = keen.messages.map(({ data }) => (data as JobProgressed).sequence);
    expect(heard).toEqual(heard.toSorted((a, b) => a - b));
    expect(keen.messages[0]!.data.version).toBe(EVENT_VERSION);
    await close();
    await keen[Symbol.asyncDispose]();
    slow.destroy();
  });

  it("a stream has heartbeats, and ends with the instance", async () => {
    const api = await system.anotherApi({ follow: { heartbeatMs: 20 } });
    const client = await openSse(`${api.url}/v1/events?tenantName=${tenant}`);
    await expect.poll(() => client.text().split(": \n\n").length).toBeGreaterThan(3);
    await api[Symbol.asyncDispose]();
    await client.ended;
  });

  it("a client beyond the limit of the instance gets 429", async () => {
    const api = await system.anotherApi({ follow: { maxCount: 1 } });
    const client = await openSse(`${api.url}/v1/events?tenantName=${tenant}`);
    expect((await api.get(`/v1/events?tenantName=${tenant}`)).status).toBe(429);
    await client[Symbol.asyncDispose]();
  });
});
