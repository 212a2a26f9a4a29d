/** The hub, tested with SignalR's own client. */
import { HttpTransportType, HubConnectionBuilder, HubConnectionState, LogLevel } from "@microsoft/signalr";
import { WebSocket } from "ws";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identifyAs, LOCAL_CALLER, type Identify } from "../../../runtime/api/auth/caller.ts";
import { UnauthenticatedError } from "../../../runtime/core/errors.ts";
import { EVENT_TYPES, type JobEvent, type SystemEvent } from "../../../runtime/core/job/events.ts";
import type { Logger } from "../../../runtime/core/logger.ts";
import type { TestApi } from "../../support/api/test-api.ts";
import { endsIn } from "../../support/events/followers.ts";
import { publishTo } from "../../support/events/test-events.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";

const tenant = freshTenant();
const WAIT = { timeout: 120_000 };
const TOKEN = "head.payload.signature";
const NO_JOB = `${tenant}.0000000000aaaaaaaa.00.0000000000aaaaaaaa`;

/** Every caller with the token is known and may use every tenant but one. */
const identify: Identify = (needs) => (request, response, next) => {
  if (needs !== "anonymous" && request.headers.authorization !== `Bearer ${TOKEN}`) {
    throw new UnauthenticatedError("No token.");
  }
  void identifyAs({ ...LOCAL_CALLER, mayUse: (name) => name !== "foreign" })(needs)(request, response, next);
};

const lines: string[] = [];
const keep = (fields: unknown, message: string): void => void lines.push(JSON.stringify(fields) + message);
const log: Logger = { info: keep, warn: keep, error: keep, child: () => log };

let system: TestSystem;
let worker: TestWorker;
let guarded: TestApi;

beforeAll(async () => {
  system = await startTestSystem();
  guarded = await system.anotherApi({ identify, log });
  await system.publish(
    tenant,
    "test.zip",
    testPackage({ jobs: { Quick: `context.progress(1); return {};` }, isolation: "reuse" }),
  );
  worker = await system.startWorker({ slots: 4 });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

interface ConnectOptions {
  readonly token?: string;
  readonly skipNegotiation?: boolean;
}

async function connect(api: TestApi, { token, skipNegotiation = false }: ConnectOptions = {}) {
  const connection = new HubConnectionBuilder()
    .withUrl(`${api.url}/hubs/jobs`, {
      ...(token !== undefined && { accessTokenFactory: () => token }),
      ...(skipNegotiation && { skipNegotiation, transport: HttpTransportType.WebSockets }),
    })
    .configureLogging(LogLevel.None)
    .build();
  const heard: SystemEvent[] = [];
  for (const type of EVENT_TYPES) connection.on(type, (event: SystemEvent) => void heard.push(event));
  await connection.start();
  return { connection, heard, [Symbol.asyncDispose]: () => connection.stop() };
}

const typesOf = (heard: readonly SystemEvent[], jobId: string): readonly string[] =>
  heard.flatMap((event) => ("jobId" in event && event.jobId === jobId ? [event.eventType] : []));

describe("SignalR's client", () => {
  it("clients at two instances receive one start, ordered progress and one end of every job", async () => {
    const { body } = await system.api.post("/v1/batches", { tenantName: tenant, batchName: "Batch" });
    const { batchId } = body;
    await using one = await connect(system.api);
    await using two = await connect(guarded, { token: TOKEN });
    for (const { connection } of [one, two]) expect(await connection.invoke("SubscribeToBatch", batchId)).toBeNull();
    const jobIds = await Promise.all(Array.from({ length: 60 }, () => system.submit(tenant, "Quick", { batchId })));
    // Followed twice, delivered once.
    await one.connection.invoke("SubscribeToJob", jobIds[0]);
    await system.api.post(`/v1/batches/${batchId}/close`);
    for (const { heard } of [one, two]) {
      await expect.poll(() => endsIn(heard), WAIT).toEqual({ jobs: jobIds.length, batches: 1 });
      for (const jobId of jobIds) {
        const types = typesOf(heard, jobId).filter((type) => type !== "jobQueued");
        expect(types).toEqual(["jobStarted", "jobProgressed", "jobCompleted"]);
        const sequences = (heard as JobEvent[])
          .filter((event) => event.jobId === jobId && event.eventType !== "jobQueued")
          .map(({ sequence }) => sequence);
        expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
      }
      expect(heard.filter(({ eventType }) => eventType === "batchCompleted")).toHaveLength(1);
    }
  });

  it("a client receives no events after it unsubscribes", async () => {
    await using client = await connect(system.api);
    const jobId = await system.submit(tenant, "Quick", { delayMs: 3_600_000 });
    const other = await system.submit(tenant, "Quick", { delayMs: 3_600_000 });
    for (const id of [jobId, other]) await client.connection.invoke("SubscribeToJob", id);
    await client.connection.invoke("Unsubscribe", jobId);
    for (const id of [jobId, other]) await system.api.post(`/v1/jobs/${id}/cancel`, {});
    await expect.poll(() => typesOf(client.heard, other), WAIT).toEqual(["jobCompleted"]);
    expect(typesOf(client.heard, jobId)).toEqual([]);
  });

  it("a wrong call gets an error, and the connection stays", async () => {
    await using client = await connect(guarded, { token: TOKEN });
    const { connection } = client;
    await expect(connection.invoke("SubscribeToJob", NO_JOB)).rejects.toThrow(/JobNotFound/);
    await expect(connection.invoke("SubscribeToBatch", "foreign.0000000000aaaaaaaa")).rejects.toThrow(/BatchNotFound/);
    await expect(connection.invoke("SubscribeToTenant", "foreign")).rejects.toThrow(/TenantNotFound/);
    await expect(connection.invoke("SubscribeToJob")).rejects.toThrow(/takes one id/);
    await expect(connection.invoke("toString", "x")).rejects.toThrow(/no such method/);
    await expect(
      new Promise((_resolve, reject) =>
        connection.stream("Any").subscribe({ next: reject, error: reject, complete: reject }),
      ),
    ).rejects.toThrow(/no streams/);
    await connection.invoke("SubscribeToTenant", tenant);
    expect(connection.state).toBe(HubConnectionState.Connected);
  });

  it("needs a token, in a header or in the address, and no log contains it", async () => {
    await expect(connect(guarded)).rejects.toThrow(/401/);
    await expect(connect(guarded, { skipNegotiation: true })).rejects.toThrow();
    await using client = await connect(guarded, { token: TOKEN, skipNegotiation: true });
    expect(client.connection.state).toBe(HubConnectionState.Connected);

    const url = `${guarded.url.replace("http", "ws")}/hubs/jobs?id=any&access_token=`;
    expect(await opened(`${url}${TOKEN}`)).toBe("open");
    expect(await opened(`${url}wrong`)).toBe(401);
    const response = await fetch(`${guarded.url}/hubs/jobs/negotiate?access_token=${TOKEN}`, { method: "POST" });
    expect(response.status).toBe(200);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join()).not.toContain(TOKEN);
    expect((await fetch(`${guarded.url}/v1/jobs/x?access_token=${TOKEN}`)).status).toBe(401);
  });

  it("is accepted from our own pages and from allowed origins only", async () => {
    const api = await system.anotherApi({ traffic: { allowedOrigins: ["https://app.example.com"] } });
    const url = `${api.url.replace("http", "ws")}/hubs/jobs`;
    expect(await opened(url, api.url)).toBe("open");
    expect(await opened(url, "https://app.example.com")).toBe("open");
    expect(await opened(url, "https://evil.example.com")).toBe(403);
  });

  it("a client reconnects when the instance stops, and receives heartbeats until then", async () => {
    const api = await system.anotherApi({ follow: { heartbeatMs: 20 } });
    const frames: string[] = [];
    const socket = new WebSocket(`${api.url.replace("http", "ws")}/hubs/jobs`);
    socket.on("message", (data: Buffer) => void frames.push(data.toString()));
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send(`{"protocol":"json",`);
    socket.send(`"version":1}\u001e{"type":6}\u001e`);
    await expect.poll(() => frames.filter((frame) => frame === `{"type":6}\u001e`).length).toBeGreaterThan(2);
    expect(frames[0]).toBe("{}\u001e");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await api[Symbol.asyncDispose]();
    await closed;
    expect(frames.at(-1)).toBe(`{"type":7,"allowReconnect":true}\u001e`);
  });

  it("a client of another protocol gets an error and is closed", async () => {
    for (const [sent, answer] of [
      [`{"protocol":"messagepack","version":1}\u001e`, /messagepack/],
      [`hello\u001e`, /handshake/],
      [`{"protocol":"json","version":1}\u001enonsense\u001e`, /not of SignalR/],
      [`{"protocol":"json","version":1}\u001e${"x".repeat(20_000)}`, /^$/],
    ] as const) {
      const socket = new WebSocket(`${system.api.url.replace("http", "ws")}/hubs/jobs`);
      const frames: string[] = [];
      socket.on("message", (data: Buffer) => void frames.push(data.toString()));
      socket.on("error", () => undefined);
      await new Promise((resolve) => socket.once("open", resolve));
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.send(sent);
      await closed;
      expect(frames.join("")).toMatch(answer);
    }
    await expect.poll(() => system.api.followerCount).toBe(0);
  });

  it("a client that does not read is disconnected, while another receives everything", async () => {
    const api = await system.anotherApi();
    const slow = await connect(api);
    await slow.connection.invoke("SubscribeToTenant", tenant);
    const raw = new WebSocket(`${api.url.replace("http", "ws")}/hubs/jobs`);
    await new Promise((resolve) => raw.once("open", resolve));
    const subscribe = { type: 1, target: "SubscribeToTenant", arguments: [tenant], invocationId: "1" };
    const subscribed = new Promise<void>((resolve) => {
      raw.on("message", (data: Buffer) => data.toString().includes(`"invocationId":"1"`) && resolve());
    });
    raw.send(`{"protocol":"json","version":1}\u001e${JSON.stringify(subscribe)}\u001e`);
    await subscribed;
    raw.pause();
    expect(api.followerCount).toBe(2);

    const { events, close } = publishTo(system.bus);
    const entry = { execution: 1, attempt: 1, workerId: "w", claimId: "c", startedAt: new Date() };
    const job = { jobId: NO_JOB, jobName: "n", jobType: "T", ring: 1, executions: 1 };
    let sent = 0;
    while (api.followerCount > 1 && sent < 5_000) {
      for (let i = 0; i < 50; i++) events.progressed(job, entry, { text: "x".repeat(20_000) }, ++sent);
      await expect.poll(() => slow.heard.length, WAIT).toBe(sent);
    }
    expect(api.followerCount).toBe(1);
    await close();
    await slow.connection.stop();
    raw.terminate();
  });
});

/** "open", or the status of the refusal. */
function opened(url: string, origin?: string): Promise<"open" | number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { ...(origin !== undefined && { origin }) });
    socket.once("open", () => {
      socket.terminate();
      resolve("open");
    });
    socket.once("unexpected-response", (request, response) => {
      request.destroy();
      resolve(response.statusCode);
    });
    socket.on("error", reject);
  });
}
