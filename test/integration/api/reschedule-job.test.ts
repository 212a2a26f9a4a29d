import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditEntryView } from "../../../runtime/core/http/audit-api.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { claimAndEnd, claimRow } from "../../support/stores/row-moves.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let system: ApiWithQueue;
beforeAll(async () => {
  system = await startApiWithQueue();
});
afterAll(() => system[Symbol.asyncDispose]());

const HOUR_MS = 3_600_000;
const inHours = (hours: number): string => new Date(Date.now() + hours * HOUR_MS).toISOString();

async function submit(fields: object = {}, tenant = freshTenant()): Promise<string> {
  return (await system.api.post("/v1/jobs", { ...jobRequestOf(tenant), ...fields })).body.jobId;
}
const reschedule = (jobId: string, body: object) => system.api.post(`/v1/jobs/${jobId}/reschedule`, body);

describe("rescheduling a job", () => {
  it.each([
    ["later", 3],
    ["earlier", 1],
  ])("%s gives it the time, the next ring and a bell for that time", async (_how, hours) => {
    const jobId = await submit({ runAt: inHours(2) });
    const runAt = inHours(hours);
    expect(await reschedule(jobId, { runAt })).toMatchObject({ status: 200, body: { jobId, state: "queued", runAt } });
    const row = (await system.api.jobs.get(jobId))!;
    expect(row.value).toMatchObject({ ring: 2, runAt: new Date(runAt) });
    // The bell of the time before still comes. A worker can claim with the new one, without a read.
    expect(await system.bellIdsOf(jobId)).toEqual([`${jobId}:1`, `${jobId}:2`]);
    const bell = (await system.bells()).find(({ messageId }) => messageId === `${jobId}:2`);
    expect(bell?.parsed).toMatchObject({ kind: "bell", bell: { ring: 2, etag: row.etag } });
  });

  it("to now lets it start at once", async () => {
    const jobId = await submit({ runAt: inHours(2) });
    const { body } = await reschedule(jobId, { delayMs: 0 });
    expect(Date.parse(body.runAt ?? "")).toBeLessThanOrEqual(Date.now());
    const receiver = system.queue.receiver("jobs-default-normal");
    let message = await receiveOne(receiver, 5_000);
    // Those of other tests may be before it.
    for (; message !== undefined && message.messageId !== `${jobId}:2`; message = await receiveOne(receiver, 5_000)) {
      await message.complete();
    }
    expect(message).toBeDefined();
    await message?.complete();
    await receiver.close();
  });

  it("moves the end of its time to live with it", async () => {
    const jobId = await submit({ runAt: inHours(2), timeToLiveMs: 60_000 });
    const runAt = inHours(5);
    await reschedule(jobId, { runAt });
    expect((await system.api.jobs.get(jobId))?.value.expiresAt?.getTime()).toBe(Date.parse(runAt) + 60_000);
  });

  it("is refused while it runs and when it has ended", async () => {
    const [running, ended] = [await submit(), await submit()];
    await claimRow(system.api.jobs, running);
    await claimAndEnd(system.api.jobs, ended, "failed");
    for (const jobId of [running, ended]) {
      const answer = await reschedule(jobId, { delayMs: 0 });
      expect(answer).toMatchObject({ status: 409, body: { error: { code: "JobNotQueued" } } });
    }
  });

  it.each([
    [{}, "runAt"],
    [{ runAt: "tomorrow" }, "runAt"],
    [{ runAt: inHours(1), delayMs: 0 }, "delayMs"],
    [{ delayMs: -1 }, "delayMs"],
    [{ runAt: inHours(24 * 400) }, "runAt"],
  ])("by %j is refused with the name of the field", async (body, target) => {
    const jobId = await submit({ runAt: inHours(2) });
    const answer = await reschedule(jobId, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ code: "InvalidRequest", details: [{ target }] });
    expect((await system.api.jobs.get(jobId))?.value.ring).toBe(1);
  });

  it("is in the audit with both times, and in the list of delayed jobs with the new one", async () => {
    const tenant = freshTenant();
    const [before, after] = [inHours(2), inHours(4)];
    const jobId = await submit({ runAt: before }, tenant);
    await reschedule(jobId, { runAt: after });
    const { body: audit } = await system.api.get(`/v1/tenants/${tenant}/audit`);
    const entries = audit.items as unknown as readonly AuditEntryView[];
    expect(entries.find(({ operation }) => operation === "rescheduleJob")).toMatchObject({
      ...{ outcome: "done", before: { runAt: before }, after: { runAt: after } },
    });
    const { body: delayed } = await system.api.get(`/v1/tenants/${tenant}/jobs?delayed=true`);
    expect(delayed.items).toMatchObject([{ jobId, runAt: after }]);
  });
});
