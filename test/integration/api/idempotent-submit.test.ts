import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { defaultBatchId, createIdSource } from "../../../runtime/core/job/ids.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import type { KeyStore } from "../../../runtime/core/ports/key-store.ts";
import type { Caller } from "../../../runtime/api/auth/caller.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { claimAndEnd } from "../../support/stores/row-moves.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import type { Answer, TestApi } from "../../support/api/test-api.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { systemClock } from "../../../runtime/core/clock.ts";

let world: ApiWithQueue;
beforeAll(async () => {
  world = await startApiWithQueue();
});
afterAll(() => world[Symbol.asyncDispose]());

const JSON_TYPE = { "content-type": "application/json" };
const withKey = (key: string) => ({ ...JSON_TYPE, "idempotency-key": key });

const totalIn = async (batchId: string) => (await world.api.get(`/v1/batches/${batchId}`)).body.counts?.total;
const isReplay = ({ headers }: Answer): boolean => headers.get("idempotency-replayed") === "true";

describe("a job with an id of its submitter", () => {
  it("is submitted once, and repeats are answered with it", async () => {
    const job = jobRequestOf(freshTenant(), { clientJobId: "order-7" });
    const first = await world.api.post("/v1/jobs", job);
    const again = await world.api.post("/v1/jobs", job);
    expect([first.status, isReplay(first)]).toEqual([201, false]);
    expect([again.status, isReplay(again)]).toEqual([200, true]);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get("location")).toBe(`/v1/jobs/${first.body.jobId}`);
    expect(await totalIn(first.body.batchId)).toBe(1);
    expect(await world.bellIdsOf(first.body.jobId)).toEqual([`${first.body.jobId}:1`]);
  });

  it("is found by it, within its tenant", async () => {
    const tenant = freshTenant();
    const { body } = await world.api.post("/v1/jobs", jobRequestOf(tenant, { clientJobId: "a.b_c~d-1" }));
    const found = await world.api.get(`/v1/tenants/${tenant}/jobs/a.b_c~d-1`);
    expect(found.body).toMatchObject({ jobId: body.jobId, clientJobId: "a.b_c~d-1" });
    for (const path of [`${tenant}/jobs/a.b_c~d-2`, `${freshTenant()}/jobs/a.b_c~d-1`, "No%20tenant/jobs/x"]) {
      expect(await world.api.get(`/v1/tenants/${path}`)).toMatchObject({
        status: 404,
        body: { error: { code: "JobNotFound" } },
      });
    }
  });

  it("a client job id refuses another body, and is free for other tenants", async () => {
    const tenant = freshTenant();
    const first = await world.api.post("/v1/jobs", jobRequestOf(tenant, { clientJobId: "x" }));
    const other = await world.api.post("/v1/jobs", jobRequestOf(tenant, { clientJobId: "x", parameters: 2 }));
    expect(other).toMatchObject({ status: 409, body: { error: { code: "JobIdTaken" } } });
    const elsewhere = await world.api.post("/v1/jobs", jobRequestOf(freshTenant(), { clientJobId: "x" }));
    expect(elsewhere.status).toBe(201);
    expect(elsewhere.body.jobId).not.toBe(first.body.jobId);
  });

  it("stays the same job when it has ended, and is not rung again", async () => {
    const job = jobRequestOf(freshTenant(), { clientJobId: "done" });
    const { body } = await world.api.post("/v1/jobs", job);
    await claimAndEnd(world.api.jobs, body.jobId, "succeeded");
    const before = await world.bellIdsOf(body.jobId);
    expect(await world.api.post("/v1/jobs", job)).toMatchObject({ status: 200, body: { jobId: body.jobId } });
    expect(await world.bellIdsOf(body.jobId)).toEqual(before);
  });

  it.each([
    ["empty", ""],
    ["too long", "x".repeat(129)],
    ["a path", "../other"],
    ["dots", ".."],
    ["with a space", "a b"],
  ])("cannot be %s", async (_what, clientJobId) => {
    const answer = await world.api.post("/v1/jobs", jobRequestOf(freshTenant(), { clientJobId }));
    expect(answer).toMatchObject({ status: 400, body: { error: { target: "clientJobId" } } });
  });
});

describe("an Idempotency-Key", () => {
  it("makes twenty repeats at the same time one job", async () => {
    const job = jobRequestOf(freshTenant(), { parameters: { large: "x".repeat(20_000) } });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => world.api.post("/v1/jobs", job, withKey("at once"))),
    );
    expect(new Set(answers.map(({ body }) => body.jobId)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(1);
    expect(answers.every(({ status }) => status === 200 || status === 201)).toBe(true);
    const [{ body } = answers[0]!] = answers;
    expect(await totalIn(body.batchId)).toBe(1);
    expect(await world.bellIdsOf(body.jobId)).toEqual([`${body.jobId}:1`]);
  });

  it("recognises a repeated request by its meaning, not by its text", async () => {
    const tenant = freshTenant();
    const hour = 3_600_000;
    const at = new Date(Math.ceil(Date.now() / hour) * hour + 24 * hour);
    const first = jobRequestOf(tenant, { parameters: { a: 1, b: [{ c: 2, d: 3 }] }, runAt: at.toISOString() });
    const elsewhere = new Date(at.getTime() + hour).toISOString().replace("Z", "+01:00");
    const again = { ...jobRequestOf(tenant, { parameters: { b: [{ d: 3, c: 2 }], a: 1 } }), runAt: elsewhere };
    const answers = [];
    for (const job of [first, again]) answers.push(await world.api.post("/v1/jobs", job, withKey("k")));
    expect(answers.map(({ status }) => status)).toEqual([201, 200]);
  });

  it("belongs to one request: another body, batch or kind of request is refused", async () => {
    const tenant = freshTenant();
    const job = jobRequestOf(tenant);
    await world.api.post("/v1/jobs", job, withKey("k"));
    const { body: batch } = await world.api.post("/v1/batches", { tenantName: tenant, batchName: "B" });
    const others = [
      world.api.post("/v1/jobs", { ...job, priority: "high" }, withKey("k")),
      world.api.post("/v1/jobs", { ...job, batchId: batch.batchId }, withKey("k")),
      world.api.post("/v1/batches", { tenantName: tenant, batchName: "B" }, withKey("k")),
    ];
    for (const answer of await Promise.all(others)) {
      expect(answer).toMatchObject({ status: 409, body: { error: { code: "IdempotencyKeyReused" } } });
    }
  });

  it("is one tenant's own", async () => {
    const [one, other] = [freshTenant(), freshTenant()];
    const first = await world.api.post("/v1/jobs", jobRequestOf(one), withKey("k"));
    const second = await world.api.post("/v1/jobs", jobRequestOf(other), withKey("k"));
    expect([first.status, second.status]).toEqual([201, 201]);
  });

  it("creates one batch", async () => {
    const body = { tenantName: freshTenant(), batchName: "Once", large: true };
    const first = await world.api.post("/v1/batches", body, withKey("b"));
    const again = await world.api.post("/v1/batches", body, withKey("b"));
    expect([first.status, again.status, isReplay(again)]).toEqual([201, 200, true]);
    expect(again.body.batchId).toBe(first.body.batchId);
    expect((await world.api.get(`/v1/batches?tenantName=${body.tenantName}`)).body.items).toHaveLength(1);
  });

  it("repeats a bulk submit job by job, and completes one that was cut", async () => {
    const tenant = freshTenant();
    const jobs = Array.from({ length: 250 }, (_, i) => jobRequestOf(tenant, { parameters: i }));
    const part = await world.api.post("/v1/jobs/bulk", { jobs: jobs.slice(0, 130) }, withKey("bulk"));
    const whole = await world.api.post("/v1/jobs/bulk", { jobs }, withKey("bulk"));
    expect(whole.body.results.slice(0, 130)).toEqual(part.body.results.map((one) => ({ ...one, replayed: true })));
    expect(whole.body.results.slice(130).every((one) => !("replayed" in one))).toBe(true);
    const ids = whole.body.results.map(({ jobId }) => jobId);
    expect(new Set(ids).size).toBe(250);
    expect(await totalIn((await world.api.get(`/v1/jobs/${ids[0]!}`)).body.batchId)).toBe(250);
  });

  it("gives two jobs of one bulk with the same id the same job", async () => {
    const tenant = freshTenant();
    const job = jobRequestOf(tenant, { clientJobId: "twice" });
    const { body } = await world.api.post("/v1/jobs/bulk", { jobs: [job, job, { ...job, parameters: 0 }] });
    expect(body.results[1]!.jobId).toBe(body.results[0]!.jobId);
    expect(body.results[2]).toMatchObject({ error: { code: "JobIdTaken" } });
    expect(await totalIn((await world.api.get(`/v1/jobs/${body.results[0]!.jobId}`)).body.batchId)).toBe(1);
  });

  it.each([
    ["too long", "x".repeat(256)],
    ["empty", ""],
    ["not ASCII", "gr\u00fc\u00df"],
  ])("cannot be %s", async (_what, key) => {
    const answer = await world.api.post("/v1/jobs", jobRequestOf(freshTenant()), withKey(key));
    expect(answer).toMatchObject({ status: 400, body: { error: { target: "idempotency-key" } } });
  });
});

describe("a repeat after the batch was closed", () => {
  it("answers the job that is there, and takes no new one", async () => {
    const tenant = freshTenant();
    const { body: batch } = await world.api.post("/v1/batches", { tenantName: tenant, batchName: "B" });
    const job = jobRequestOf(tenant, { batchId: batch.batchId });
    const first = await world.api.post("/v1/jobs", job, withKey("k"));
    await world.api.post(`/v1/batches/${batch.batchId}/close`);
    expect(await world.api.post("/v1/jobs", job, withKey("k"))).toMatchObject({
      status: 200,
      body: { jobId: first.body.jobId },
    });
    const late = await world.api.post("/v1/jobs", job, withKey("late"));
    expect(late).toMatchObject({ status: 409, body: { error: { code: "BatchClosed" } } });
    const other = await world.api.post("/v1/jobs", { ...job, parameters: 2 }, withKey("k"));
    expect(other).toMatchObject({ status: 409, body: { error: { code: "IdempotencyKeyReused" } } });
  });

  it("is refused when the job is not there", async () => {
    const tenant = freshTenant();
    const broken = await brokenApi({ insert: () => "before" });
    const { body: batch } = await world.api.post("/v1/batches", { tenantName: tenant, batchName: "B" });
    const job = jobRequestOf(tenant, { batchId: batch.batchId });
    expect((await broken.post("/v1/jobs", job, withKey("k"))).status).toBe(503);
    await world.api.post(`/v1/batches/${batch.batchId}/close`);
    const again = await world.api.post("/v1/jobs", job, withKey("k"));
    expect(again).toMatchObject({ status: 409, body: { error: { code: "BatchClosed" } } });
  });
});

/** Whether a step dies before or after it has done what it does. */
type Death = "before" | "after" | undefined;

const dead = () => new UnavailableError("StorageUnavailable", "away");

async function dying<T>(death: Death, step: () => Promise<T>): Promise<T> {
  if (death === "before") throw dead();
  const result = await step();
  if (death === "after") throw dead();
  return result;
}

const brokenApi = ({ reserve = () => undefined, insert = () => undefined }: Record<string, () => Death>) =>
  world.another({
    wrapKeys: (inner: KeyStore): KeyStore => ({
      ...inner,
      reserve: (...args) => dying(reserve(), () => inner.reserve(...args)),
    }),
    wrapJobs: (inner: JobStore): JobStore => ({
      ...inner,
      insert: (job) => dying(insert(), () => inner.insert(job)),
    }),
  });

describe("a submit that dies between two steps", () => {
  it.each([
    ["before its key is there", { reserve: () => "before" as const }],
    ["when its key is there", { reserve: () => "after" as const }],
    ["before its row is there", { insert: () => "before" as const }],
    ["when its row is there", { insert: () => "after" as const }],
  ])("%s is completed by its repeat", async (_when, deaths) => {
    const broken: TestApi = await brokenApi(deaths);
    for (const fields of [{ clientJobId: "c" }, {}]) {
      const job = jobRequestOf(freshTenant(), { ...fields, parameters: "x".repeat(20_000) });
      const cut = await broken.post("/v1/jobs", job, withKey("k"));
      expect(cut.status).toBe(503);
      const first = await world.api.post("/v1/jobs", job, withKey("k"));
      const again = await world.api.post("/v1/jobs", job, withKey("k"));
      expect([200, 201]).toContain(first.status);
      expect(again).toMatchObject({ status: 200, body: { jobId: first.body.jobId } });
      expect(await totalIn(first.body.batchId)).toBe(1);
      expect(await world.bellIdsOf(first.body.jobId)).toEqual([`${first.body.jobId}:1`]);
      expect((await world.api.get(`/v1/jobs/${first.body.jobId}`)).body.parameters).toBe(job.parameters);
    }
  });

  it("a repeat on the next day uses the batch of the first day", async () => {
    const tenant = freshTenant();
    const yesterday = defaultBatchId(tenant, Date.now() - 24 * 60 * 60_000);
    const ids = createIdSource({ now: systemClock.now, random32: () => 7 });
    const jobId = ids.jobId(yesterday, 16);
    const job = jobRequestOf(tenant);
    let named: readonly { readonly requestHash: string }[] = [];
    // The key as yesterday's submit left it: for the same request, which is learned from one that dies.
    const spy = await world.another({
      wrapKeys: (inner) => ({
        ...inner,
        reserve: (_tenant, wishes) => {
          named = wishes;
          return Promise.reject(dead());
        },
      }),
    });
    await spy.post("/v1/jobs", job, withKey("k"));
    const { requestHash } = named[0]!;
    await world.api.batches.create({
      ...(await world.api.batches.get(await dailyOf(tenant)))!.value,
      batchId: yesterday,
      batchName: "Yesterday",
    });
    const createdAt = new Date();
    await world.api.keys.reserve(
      tenant,
      [{ kind: "idempotency-key", key: "k", id: jobId, requestHash, createdAt }],
      new Date(0),
    );
    const { status, body } = await world.api.post("/v1/jobs", job, withKey("k"));
    expect({ status, body }).toEqual({ status: 201, body: { jobId, batchId: yesterday } });
    expect(await totalIn(yesterday)).toBe(1);
  });
});

async function dailyOf(tenantName: string): Promise<string> {
  return (await world.api.post("/v1/jobs", jobRequestOf(tenantName))).body.batchId;
}

describe("a batch without a tenant", () => {
  const callerFor = (tenants: Caller["tenants"]): Caller => ({
    name: "ann",
    mayUse: (tenant) => tenants() === "all" || tenants().includes(tenant),
    mayOperate: () => false,
    tenants,
  });

  it("is for the only one its creator acts for", async () => {
    const tenant = freshTenant();
    const api = await world.another({ caller: callerFor(() => [tenant]) });
    const { status, body } = await api.post("/v1/batches", { batchName: "Mine" });
    expect([status, body.tenantName]).toEqual([201, tenant]);
  });

  it.each([["several", [freshTenant(), freshTenant()]] as const, ["none", []] as const, ["all", "all"] as const])(
    "is refused by the field's name when that is %s",
    async (_what, tenants) => {
      const api = await world.another({ caller: callerFor(() => tenants) });
      const answer = await api.post("/v1/batches", { batchName: "Whose?" });
      expect(answer).toMatchObject({ status: 400, body: { error: { target: "tenantName" } } });
    },
  );
});
