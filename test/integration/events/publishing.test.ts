/** The events that workers and API publish about jobs, as an outside program receives them. */
import { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseEvent, type SystemEvent } from "../../../runtime/core/job/events.ts";
import { EVENTS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import { connectAdmin } from "../../../runtime/local/bus/test/support/start-bus.ts";
import { endsIn } from "../../support/events/followers.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";

const tenant = freshTenant();
let system: TestSystem;
let worker: TestWorker;
let client: ServiceBusClient;

beforeAll(async () => {
  system = await startTestSystem();
  const zip = testPackage({
    isolation: "reuse",
    jobs: {
      Steps: `
        for (let i = 1; i <= 20; i++) context.progress(i / 20);
        return { output: "done" };`,
      FailsOnce: `
        const marker = path.join(path.dirname(path.dirname(context.workingPath)), "failed-" + job.jobId);
        if (!fs.existsSync(marker)) { fs.writeFileSync(marker, ""); throw new Error("first time"); }`,
    },
  });
  await system.publish(tenant, "test.zip", zip);
  worker = await system.startWorker({ slots: 4 });
  client = new ServiceBusClient(system.bus.connectionString);
});
afterAll(async () => {
  await client.close();
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

interface Heard {
  readonly event: SystemEvent;
  readonly id: string;
  readonly properties: Record<string, unknown>;
}

/** An outside service's subscription, with its own filter. */
async function listen(name: string, filter: string): Promise<{ heard: Heard[]; stop: () => Promise<void> }> {
  const admin = connectAdmin(system.bus.adminConnectionString!);
  await admin.createSubscription(EVENTS_TOPIC, name, {
    defaultRuleOptions: { name: "mine", filter: { sqlExpression: filter } },
  });
  const heard: Heard[] = [];
  const receiver = client.createReceiver(EVENTS_TOPIC, name, { receiveMode: "receiveAndDelete" });
  receiver.subscribe({
    processMessage: (message) => {
      const parsed = parseEvent(message.body);
      if (!parsed.ok) throw new Error(parsed.reason);
      const properties = message.applicationProperties ?? {};
      heard.push({ event: parsed.event, id: String(message.messageId), properties });
      return Promise.resolve();
    },
    processError: ({ error }) => Promise.reject(error),
  });
  return { heard, stop: () => receiver.close() };
}

const typesOf = (heard: readonly Heard[], jobId: string) =>
  heard.filter(({ event }) => "jobId" in event && event.jobId === jobId).map(({ event }) => event.eventType);

describe("an outside subscriber with a filter", () => {
  it("receives one start, ordered progress and one end of each of 50 jobs, and one end of their batch", async () => {
    const batchId = (await system.api.post("/v1/batches", { tenantName: tenant, batchName: "Fifty" })).body.batchId;
    const { heard, stop } = await listen("outside", `BatchId = '${batchId}'`);
    const jobIds = await Promise.all(Array.from({ length: 50 }, () => system.submit(tenant, "Steps", { batchId })));
    await system.submit(tenant, "Steps");
    await system.api.post(`/v1/batches/${batchId}/close`);
    const ends = () => endsIn(heard.map(({ event }) => event));
    await expect.poll(ends, { timeout: 120_000 }).toEqual({ jobs: jobIds.length, batches: 1 });

    for (const jobId of jobIds) {
      const types = typesOf(heard, jobId);
      expect(types.filter((type) => type === "jobQueued")).toHaveLength(1);
      expect(types.filter((type) => type === "jobStarted")).toHaveLength(1);
      expect(types.filter((type) => type === "jobCompleted")).toHaveLength(1);
      // The API's event may come at any time.
      expect(types.filter((type) => type !== "jobQueued").at(-1)).toBe("jobCompleted");
      const fractions = heard.flatMap(({ event }) =>
        event.eventType === "jobProgressed" && event.jobId === jobId ? [event.progress.fraction!] : [],
      );
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
      // Always the last report, but not all of them.
      expect(fractions.at(-1)).toBe(1);
      expect(fractions.length).toBeLessThanOrEqual(4);
      const sequences = heard.flatMap(({ event }) =>
        "jobId" in event && event.jobId === jobId && event.eventType !== "jobQueued" ? [event.sequence] : [],
      );
      expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => a - b));
    }
    expect(heard.filter(({ event }) => event.eventType === "batchCompleted")).toHaveLength(1);
    expect(new Set(heard.map(({ event }) => event.batchId))).toEqual(new Set([batchId]));
    expect(heard.find(({ event }) => event.eventType === "batchCompleted")).toMatchObject({
      id: `${batchId}:1:completed`,
      properties: { EventType: "batchCompleted", TenantName: tenant, BatchId: batchId, Status: "closed" },
      event: { batchName: "Fifty", generation: 1, sequence: 1 },
    });
    const end = heard.find(({ event }) => event.eventType === "jobCompleted")!;
    expect(end.properties).toMatchObject({ JobName: "Steps", JobType: "Steps", Status: "succeeded" });
    await stop();
  });

  it("receives events of a retry, a requeue and cancels in increasing order", async () => {
    const { heard, stop } = await listen("commands", `TenantName = '${tenant}'`);
    const jobId = await system.submit(tenant, "FailsOnce", { retry: { maxAttempts: 2, initialDelayMs: 10 } });
    await system.until(jobId);
    await system.api.post(`/v1/jobs/${jobId}/requeue`, {});
    const delayed = await system.submit(tenant, "Steps", { delayMs: 3_600_000 });
    await system.api.post(`/v1/jobs/${delayed}/cancel`, {});
    await expect
      .poll(() => typesOf(heard, jobId), { timeout: 120_000 })
      .toEqual([
        ...["jobQueued", "jobStarted", "jobRetrying", "jobStarted", "jobCompleted"],
        ...["jobQueued", "jobStarted", "jobCompleted"],
      ]);
    const ofJob = heard.flatMap(({ event }) => ("jobId" in event && event.jobId === jobId ? [event] : []));
    expect(ofJob.map(({ sequence }) => sequence)).toEqual(
      [...new Set(ofJob.map(({ sequence }) => sequence))].toSorted((a, b) => a - b),
    );
    expect(ofJob[2]).toMatchObject({ because: "failure", failure: { code: "JobFailed", attempt: 1 }, execution: 1 });
    await expect.poll(() => typesOf(heard, delayed)).toEqual(["jobQueued", "jobCompleted"]);
    expect(heard.find(({ id }) => id === `${delayed}:ring-1:completed`)?.event).toMatchObject({ status: "canceled" });
    await stop();
  });
});
