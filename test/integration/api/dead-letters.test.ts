import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Caller } from "../../../runtime/api/auth/caller.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { claimAndEnd, claimRow } from "../../support/stores/row-moves.ts";
import type { TestApi } from "../../support/api/test-api.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

/** A pool, and so three queues, per test. */
const POOLS = Array.from({ length: 10 }, (_, index) => `pool${index}`);
let system: ApiWithQueue;
let api: TestApi;
beforeAll(async () => {
  system = await startApiWithQueue(POOLS);
  api = system.api;
});
afterAll(() => system[Symbol.asyncDispose]());

let usedPools = 0;
const freshPool = (): string => POOLS[usedPools++] ?? "none left";

/** Submits jobs to a pool; each fails, and its message is set aside, as a worker does it. */
async function failedJobs(pool: string, tenantName: string, priorities: readonly string[]): Promise<string[]> {
  const { body: batch } = await api.post("/v1/batches", { tenantName, batchName: "Letters", pool });
  const jobIds: string[] = [];
  for (const [index, priority] of priorities.entries()) {
    const { body } = await api.post("/v1/jobs", {
      tenantName,
      batchId: batch.batchId,
      jobType: `Type${index}`,
      jobName: "job",
      jobProcessorPackageName: "echo.zip",
      publishLater: true,
      priority,
    });
    await claimAndEnd(api.jobs, body.jobId, "failed");
    await setAside(`jobs-${pool}-${priority}`, "JobFailed", "it broke");
    jobIds.push(body.jobId);
  }
  return jobIds;
}

async function setAside(queueName: string, reason: string, description: string): Promise<void> {
  const receiver = system.queue.receiver(queueName);
  const delivery = await receiveOne(receiver, 10_000);
  if (delivery === undefined) throw new Error("no message came");
  await delivery.deadLetter(reason, description);
  await receiver.close();
}

async function poison(queueName: string): Promise<void> {
  await system.post(queueName, { version: 99 });
  await setAside(queueName, "Malformed", "version 99");
}

const lettersOf = async (query: string, of: TestApi = api) => {
  const { status, body } = await of.get(`/v1/dead-letters?${query}`);
  expect(status).toBe(200);
  return body.items;
};

describe("listing dead letters", () => {
  it("lists the dead letters of a pool by priority, each with its job and its reason", async () => {
    const [pool, tenant] = [freshPool(), freshTenant()];
    const [low, high, normal] = await failedJobs(pool, tenant, ["low", "high", "normal"]);
    const items = await lettersOf(`pool=${pool}`);
    expect(items.map(({ jobId }) => jobId)).toEqual([high, normal, low]);
    expect(items[0]).toEqual({
      jobId: high,
      jobType: "Type1",
      messageId: `${high!}:1`,
      reason: "JobFailed",
      description: "it broke",
      queue: `jobs-${pool}-high`,
      sequenceNumber: expect.stringMatching(/^\d+$/) as unknown,
      enqueuedAt: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
    });
    expect(await lettersOf(`pool=${pool}&tenantName=${tenant}`)).toHaveLength(3);
    expect(await lettersOf(`pool=${pool}&tenantName=${freshTenant()}`)).toEqual([]);
  });

  it("returns each dead letter on exactly one page", async () => {
    const pool = freshPool();
    const jobIds = await failedJobs(pool, freshTenant(), ["high", "high", "normal", "low", "low"]);
    const seen: string[] = [];
    let token = "";
    for (let pages = 0; pages < 10; pages++) {
      const { body } = await api.get(`/v1/dead-letters?pool=${pool}&pageSize=2${token}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items.map(({ jobId }) => jobId));
      if (body.continuationToken === undefined) break;
      token = `&continuationToken=${body.continuationToken}`;
    }
    expect(seen).toEqual(jobIds);
  });

  it("lists messages that are not bells only on request and only to operators", async () => {
    const [pool, tenant] = [freshPool(), freshTenant()];
    const [jobId] = await failedJobs(pool, tenant, ["normal"]);
    await poison(`jobs-${pool}-normal`);
    expect((await lettersOf(`pool=${pool}`)).map((letter) => letter.jobId)).toEqual([jobId]);
    const [, poisoned] = await lettersOf(`pool=${pool}&poison=true`);
    expect(poisoned).toMatchObject({ reason: "Malformed", messageId: expect.stringMatching(/^poison-/) as unknown });
    expect(poisoned).not.toHaveProperty("jobId");

    const tenantOnly: Caller = {
      name: "acme",
      mayUse: (name) => name === tenant,
      mayOperate: () => false,
      tenants: () => [tenant],
    };
    const theirs = await system.another({ caller: tenantOnly });
    expect(await lettersOf(`pool=${pool}&poison=true`, theirs)).toMatchObject([{ jobId }]);
    const strangers: Caller = { name: "other", mayUse: () => false, mayOperate: () => false, tenants: () => [] };
    const others = await system.another({ caller: strangers });
    expect(await lettersOf(`pool=${pool}&poison=true`, others)).toEqual([]);
    for (const who of [theirs, others]) {
      const path = `/v1/dead-letters/${poisoned!.queue}/${poisoned!.sequenceNumber}`;
      expect(await who.delete(path)).toMatchObject({ status: 404, body: { error: { code: "DeadLetterNotFound" } } });
    }
  });

  it.each([
    "pool=No Pool",
    "pool=unknown",
    "pool=pool9&pageSize=0",
    "pool=pool9&poison=yes",
    "pool=pool9&continuationToken=forged",
    "pool=pool9&continuationToken=MTo5OjE",
  ])("refuses %s", async (query) => {
    const answer = await api.get(`/v1/dead-letters?${query}`);
    expect(answer).toMatchObject({ status: 400, body: { error: { code: "InvalidRequest" } } });
  });
});

describe("removing a dead letter", () => {
  it("removes exactly one dead letter among others", async () => {
    const pool = freshPool();
    const jobIds = await failedJobs(pool, freshTenant(), ["normal", "normal", "normal", "normal"]);
    await poison(`jobs-${pool}-normal`);
    const items = await lettersOf(`pool=${pool}&poison=true`);
    for (const { queue, sequenceNumber } of [items[2]!, items[4]!]) {
      expect((await api.delete(`/v1/dead-letters/${queue}/${sequenceNumber}`)).status).toBe(204);
    }
    const left = await lettersOf(`pool=${pool}&poison=true`);
    expect(left.map(({ jobId }) => jobId)).toEqual([jobIds[0], jobIds[1], jobIds[3]]);
    const again = await api.delete(`/v1/dead-letters/${items[2]!.queue}/${items[2]!.sequenceNumber}`);
    expect(again).toMatchObject({ status: 404, body: { error: { code: "DeadLetterNotFound" } } });
    // The others were given back: nobody has to wait for a lock to end.
    const next = await api.delete(`/v1/dead-letters/${items[0]!.queue}/${items[0]!.sequenceNumber}`);
    expect(next.status).toBe(204);
  });

  it("refuses to remove the dead letter of a job that runs again", async () => {
    const pool = freshPool();
    const [jobId] = await failedJobs(pool, freshTenant(), ["normal"]);
    const [letter] = await lettersOf(`pool=${pool}`);
    const path = `/v1/dead-letters/${letter!.queue}/${letter!.sequenceNumber}`;
    await api.post(`/v1/jobs/${jobId!}/requeue`);
    for (const state of ["queued", "running"]) {
      if (state === "running") await claimRow(api.jobs, jobId!);
      expect(await api.delete(path)).toMatchObject({ status: 409, body: { error: { code: "JobNotEnded" } } });
    }
    expect(await lettersOf(`pool=${pool}`)).toHaveLength(1);
  });

  it.each([
    "jobs-pool9-normal/0",
    "jobs-pool9-normal/x",
    "jobs-pool9-normal/-1",
    "jobs-pool9-urgent/1",
    "jobs-unknown-normal/1",
    "other-queue/1",
    "jobs-..%2f..-normal/1",
  ])("named %s is answered 404", async (name) => {
    const answer = await api.delete(`/v1/dead-letters/${name}`);
    expect(answer).toMatchObject({ status: 404, body: { error: { code: "DeadLetterNotFound" } } });
  });

  it("answers 404 for a dead letter that another request has locked, and leaves it", async () => {
    const pool = freshPool();
    await failedJobs(pool, freshTenant(), ["normal"]);
    const [letter] = await lettersOf(`pool=${pool}`);
    const [held] = await system.queue.takeDeadLetters(letter!.queue, 1);
    const answer = await api.delete(`/v1/dead-letters/${letter!.queue}/${letter!.sequenceNumber}`);
    expect(answer).toMatchObject({ status: 404, body: { error: { code: "DeadLetterNotFound" } } });
    await held?.abandon();
    expect(await lettersOf(`pool=${pool}`)).toHaveLength(1);
  });
});
