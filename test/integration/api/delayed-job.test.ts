import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { START_AHEAD_MAX_MS, TIME_TO_LIVE_MAX_MS, TIME_TO_LIVE_MIN_MS } from "../../../runtime/core/limits.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

let system: ApiWithQueue;
beforeAll(async () => {
  system = await startApiWithQueue();
});
afterAll(() => system[Symbol.asyncDispose]());

const HOUR_MS = 3_600_000;
const TTL_MS = 600_000;

const submit = (fields: object) =>
  system.api.post("/v1/jobs", {
    tenantName: freshTenant(),
    jobType: "Echo",
    jobName: "job",
    jobProcessorPackageName: "echo.zip",
    publishLater: true,
    ...fields,
  });

const submitted = async (fields: object) => {
  const { status, body } = await submit(fields);
  expect(status).toBe(201);
  return (await system.api.get(`/v1/jobs/${body.jobId}`)).body;
};

describe("a delayed job", () => {
  it("is delivered when its time has come, not before", async () => {
    const { jobId, runAt } = await submitted({ delayMs: 1_500 });
    const receiver = system.queue.receiver("jobs-default-normal");
    const delivery = await receiveOne(receiver, 60_000);
    expect(delivery?.messageId).toBe(`${jobId}:1`);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(runAt!));
    await delivery?.complete();
    await receiver.close();
  });

  it("shows the instant it was given, whatever its offset", async () => {
    const at = new Date(Date.now() + HOUR_MS);
    at.setMilliseconds(0);
    const inVienna = new Date(at.getTime() + HOUR_MS).toISOString().replace("Z", "+01:00");
    expect(await submitted({ runAt: inVienna })).toMatchObject({ state: "queued", runAt: at.toISOString() });
  });

  it("counts its delay from when it was accepted", async () => {
    const { runAt, submittedAt } = await submitted({ delayMs: HOUR_MS });
    expect(Math.abs(Date.parse(runAt!) - Date.parse(submittedAt) - HOUR_MS)).toBeLessThan(60_000);
  });

  it.each([{ delayMs: 0 }, { runAt: "2020-01-01T00:00:00Z" }])("of %j starts at once", async (fields) => {
    expect(await submitted(fields)).not.toHaveProperty("runAt");
  });

  it("lives in the queue as long as it may wait, counted from when it may start", async () => {
    const now = await submitted({ timeToLiveMs: TTL_MS });
    expect(Math.abs(Date.parse(now.expiresAt!) - Date.parse(now.submittedAt) - TTL_MS)).toBeLessThan(60_000);
    const later = await submitted({ timeToLiveMs: TTL_MS, delayMs: HOUR_MS });
    expect(Date.parse(later.expiresAt!) - Date.parse(later.runAt!)).toBe(TTL_MS);
    const past = await submitted({ timeToLiveMs: TTL_MS, runAt: "2020-01-01T00:00:00Z" });
    expect(Math.abs(Date.parse(past.expiresAt!) - Date.parse(past.submittedAt) - TTL_MS)).toBeLessThan(60_000);
    const [bell] = (await system.bells()).filter(({ messageId }) => messageId === `${now.jobId}:1`);
    expect(bell?.parsed).toMatchObject({ kind: "bell", bell: { start: { expiresAt: now.expiresAt } } });
  });

  it.each([
    ["both times", { runAt: "2030-01-01T00:00:00Z", delayMs: 1 }, "delayMs"],
    ["a negative delay", { delayMs: -1 }, "delayMs"],
    ["a delay over the limit", { delayMs: START_AHEAD_MAX_MS + 1 }, "delayMs"],
    ["an instant over the limit", { runAt: new Date(Date.now() + START_AHEAD_MAX_MS + HOUR_MS) }, "runAt"],
    ["an instant without an offset", { runAt: "2030-01-01T00:00:00" }, "runAt"],
    ["a day that does not exist", { runAt: "2030-02-30T00:00:00Z" }, "runAt"],
    ["a number for an instant", { runAt: 1_900_000_000_000 }, "runAt"],
    ["too short a life", { timeToLiveMs: TIME_TO_LIVE_MIN_MS - 1 }, "timeToLiveMs"],
    ["too long a life", { timeToLiveMs: TIME_TO_LIVE_MAX_MS + 1 }, "timeToLiveMs"],
  ])("with %s is refused by the field's name", async (_what, fields, target) => {
    const { status, body } = await submit(fields);
    expect({ status, code: body.error.code, target: body.error.target }).toEqual({
      status: 400,
      code: "InvalidRequest",
      target,
    });
  });

  it("is judged alone among many", async () => {
    const tenantName = freshTenant();
    const base = {
      tenantName,
      jobType: "Echo",
      jobName: "job",
      jobProcessorPackageName: "echo.zip",
      publishLater: true,
    };
    const jobs = [
      { ...base, delayMs: HOUR_MS },
      { ...base, delayMs: 1, runAt: "2030-01-01T00:00:00Z" },
      { ...base, runAt: "2999-01-01T00:00:00Z" },
    ];
    const { body } = await system.api.post("/v1/jobs/bulk", { jobs });
    expect(body.results).toMatchObject([
      { jobId: expect.any(String) as unknown },
      { error: { code: "InvalidRequest", message: expect.stringContaining("jobs[1].delayMs") as unknown } },
      { error: { code: "InvalidRequest", message: expect.stringContaining("runAt") as unknown } },
    ]);
  });
});
