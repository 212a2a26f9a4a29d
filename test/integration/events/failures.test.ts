/** Jobs and events when the broker, a worker or a response is lost. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectServiceBus, createEventPublisher } from "../../../runtime/azure/index.ts";
import type { PublishedEvent } from "../../../runtime/core/job/events.ts";
import { busTopology, DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { createJobEvents } from "../../../runtime/lifecycle/job-events.ts";
import { openSse } from "../../support/events/sse-client.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { hearFrom, publishTo } from "../../support/events/test-events.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { silentMetrics } from "../../support/silent.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";
import type { Logger } from "../../../runtime/core/logger.ts";

const WAIT = { timeout: 120_000 };
const tenant = freshTenant();
let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem();
  await system.publish(tenant, "test.zip", testPackage({ jobs: { Quick: `context.progress(1); return {};` } }));
});
afterAll(() => system[Symbol.asyncDispose]());

const job = (number: number) => ({
  jobId: `acme.0000000000aaaaaaaa.00.${String(number).padStart(18, "0")}`,
  ...{ jobName: "n", jobType: "T", ring: 1, executions: 0, runAt: undefined },
});

function recordingLog(): { readonly log: Logger; readonly lines: { message: string; fields: object }[] } {
  const lines: { message: string; fields: object }[] = [];
  const keep = (fields: object, message: string): void => void lines.push({ message, fields });
  const log: Logger = { info: keep, warn: keep, error: keep, child: () => log };
  return { log, lines };
}

describe("jobs", () => {
  it("jobs run and end when the broker accepts no events", async () => {
    const topology = { ...busTopology([DEFAULT_POOL]), topics: [] };
    await using bus = await startLocalServiceBus({ port: 0, adminPort: 0, topology }).then((started) => ({
      ...started,
      [Symbol.asyncDispose]: () => started.close(),
    }));
    await using worker = await system.startWorker({ slots: 2, eventBus: bus });
    const jobIds = await Promise.all(Array.from({ length: 10 }, () => system.submit(tenant, "Quick")));
    for (const jobId of jobIds) expect(await system.until(jobId)).toMatchObject({ state: "succeeded", executions: 1 });
    await expect.poll(() => worker.runningCount).toBe(0);
  });

  it("a job whose end is found again by a second message has one end event", async () => {
    const client = await openSse(`${system.api.url}/v1/events?tenantName=${tenant}`);
    await using worker = await system.startWorker();
    const jobId = await system.submit(tenant, "Quick");
    const ended = await system.until(jobId);
    // As after a crash between the row and the message: the row is terminal, and its message is delivered again.
    const { events, close } = publishTo(system.bus);
    for (let i = 0; i < 3; i++) events.completedRow(ended);
    const other = await system.submit(tenant, "Quick");
    await expect
      .poll(() => client.messages.some(({ event, id }) => event === "jobCompleted" && id!.startsWith(other)), WAIT)
      .toBe(true);
    const ends = client.messages.filter(({ event, id }) => event === "jobCompleted" && id!.startsWith(jobId));
    expect(ends.map(({ id }) => id)).toEqual([`${jobId}:${ended.claim!.id}:completed`]);
    expect(worker.runningCount).toBeLessThanOrEqual(1);
    await close();
    await client[Symbol.asyncDispose]();
  });
});

describe("events", () => {
  it("wait in order while the broker is down; beyond the limit the oldest are dropped, and the log counts them", async () => {
    await using proxy = await TcpProxy.to(system.bus.port);
    const through = system.bus.connectionString.replace(`:${system.bus.port}`, `:${proxy.port}`);
    const { log, lines } = recordingLog();
    const bus = connectServiceBus({ kind: "connection-string", serviceBus: through });
    const publisher = createEventPublisher({ bus, metrics: silentMetrics, log, waitingMaxCount: 20 });
    const events = createJobEvents({ publisher, level: "all", metrics: silentMetrics, now: () => new Date(), log });
    const heard: PublishedEvent[] = [];
    const source = hearFrom(system.bus);
    await source.listen(
      (event) => void heard.push(event),
      () => undefined,
    );
    const numbers = (): number[] =>
      heard.flatMap(({ event }) =>
        "jobId" in event && event.tenantName === "acme" ? [Number(event.jobId.slice(-6))] : [],
      );

    events.queued(job(1));
    await expect.poll(numbers, WAIT).toEqual([1]);
    proxy.blackhole(true);
    for (let number = 2; number <= 50; number++) events.queued(job(number));
    await expect.poll(() => lines.map(({ message }) => message).join(), WAIT).toContain("events are not accepted");
    proxy.blackhole(false);
    proxy.cut();
    await expect.poll(() => numbers().at(-1), WAIT).toBe(50);
    expect(numbers()).toEqual([1, ...Array.from({ length: 20 }, (_, i) => 31 + i)]);
    // A busy machine may lose the connection once more, which drops nothing.
    const dropped = () =>
      lines
        .filter(({ message }) => message === "events are accepted again")
        .reduce((sum, { fields }) => sum + (fields as { readonly dropped: number }).dropped, 0);
    await expect.poll(dropped, WAIT).toBe(29);
    await publisher.close();
    await source.close();
  });

  it("of disabled levels are not published", async () => {
    const heard: PublishedEvent[] = [];
    const source = hearFrom(system.bus);
    await source.listen(
      (event) => void heard.push(event),
      () => undefined,
    );
    const silent = publishTo(system.bus, "none");
    const terminal = publishTo(system.bus, "terminal");
    const ended = { ...job(90), state: "failed", claimId: "c", failure: undefined, artifactCount: 0 } as const;
    for (const { events } of [silent, terminal]) {
      events.queued(job(90));
      events.completed({ ...ended, endedAt: new Date() });
      events.retrying(job(90), undefined);
    }
    await expect.poll(() => heard.map(({ event }) => event.eventType), WAIT).toEqual(["jobCompleted"]);
    for (const { close } of [silent, terminal]) await close();
    await source.close();
  });
});
