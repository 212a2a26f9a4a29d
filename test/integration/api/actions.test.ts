import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { startActionDuty } from "../../../runtime/api/actions/action-duty.ts";
import { type ActionStepDeps, createActionStep, SETTLES_MS } from "../../../runtime/api/actions/run-step.ts";
import { createFindJobs } from "../../../runtime/api/find/find-jobs.ts";
import { InvariantError, UnavailableError } from "../../../runtime/core/errors.ts";
import type { ActionView } from "../../../runtime/core/http/action-api.ts";
import type { OutgoingBell } from "../../../runtime/core/ports/job-queue.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { createJobIndexer, indexedJobs } from "../../../runtime/lifecycle/job-indexer.ts";
import { createBellOutbox } from "../../../runtime/api/submit/bell-outbox.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { eventually } from "../../support/eventually.ts";
import { silentEvents, silentLog } from "../../support/silent.ts";
import { claimAndEnd, claimRow } from "../../support/stores/row-moves.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const sent: string[] = [];
const queue = {
  send(_queue: string, bells: readonly OutgoingBell[]) {
    sent.push(...bells.map(({ bell }) => bell.jobId));
    return Promise.resolve();
  },
} as unknown as JobQueue;
const api = await startTestApi(queue);
afterAll(() => api[Symbol.asyncDispose]());

/** Of one more instance, later than the start of every action. */
function instance(options: Partial<ActionStepDeps> = {}) {
  const { index, actions, batches, workers } = api;
  const now = (): Date => new Date(Date.now() + SETTLES_MS);
  const indexer = createJobIndexer({ index, jobs: api.jobs, lingerMs: 0, monotonicNow: () => 0, log: silentLog });
  const jobs = indexedJobs(api.jobs, indexer);
  const completion = createBatchCompletion({ jobs, batches, events: silentEvents, now });
  return createActionStep({
    ...{ actions, jobs, workers, completion, events: silentEvents, now, log: silentLog },
    outbox: createBellOutbox({ queue, log: silentLog }),
    findJobs: createFindJobs({ index, jobs, indexer, now }),
    placeUnique: () => Promise.resolve(true),
    ...options,
  });
}
const step = instance();

let tenant = freshTenant();
beforeEach(() => {
  tenant = freshTenant();
  sent.length = 0;
});

async function submit(count: number, fields: object = {}): Promise<readonly string[]> {
  const jobs = Array.from({ length: count }, () => ({ ...jobRequestOf(tenant), ...fields }));
  return (await api.post("/v1/jobs/bulk", { jobs })).body.results.map(({ jobId }) => jobId);
}
const start = (body: object) => api.post(`/v1/tenants/${tenant}/actions`, body);
const pathOf = (actionId: string): string => `/v1/tenants/${tenant}/actions/${actionId}`;
const view = async (actionId: string) => (await api.get(pathOf(actionId))).body as unknown as ActionView;
async function started(body: object): Promise<string> {
  const answer = await start(body);
  expect([answer.status, answer.body.error]).toEqual([202, undefined]);
  return (answer.body as unknown as ActionView).actionId;
}
async function carriedOut(body: object, by = step): Promise<ActionView> {
  const actionId = await started(body);
  while (await by(actionId));
  return view(actionId);
}
const stateOf = async (jobId: string) => (await api.jobs.get(jobId))?.value.state;
const statesOf = async (ids: readonly string[]) => [...new Set(await Promise.all(ids.map(stateOf)))];

describe("actions on many jobs", () => {
  it("end as failed when a step fails for another reason than an outage, and go on after an outage", async () => {
    await submit(2, { tags: ["wave"] });
    const actionId = await started({ kind: "cancel", filter: { tag: "wave" } });
    const away = instance({ findJobs: () => Promise.reject(new UnavailableError("StorageUnavailable", "away")) });
    await expect(away(actionId)).rejects.toThrow("away");
    expect(await view(actionId)).toMatchObject({ state: "running" });
    const broken = instance({ findJobs: () => Promise.reject(new InvariantError("It can never work.")) });
    expect(await broken(actionId)).toBe(true);
    expect(await view(actionId)).toMatchObject({ state: "failed", counts: { matched: 0 } });
    expect((await view(actionId)).endedAt).toBeDefined();
    expect(await step(actionId)).toBe(false);
    expect(await api.actions.running()).not.toContain(actionId);
  });

  it("cancels what is queued and running, of this tenant and tag, submitted before", async () => {
    const meant = await submit(230, { tags: ["wave"] });
    const others = await submit(3);
    await claimRow(api.jobs, meant[0]!);
    await claimAndEnd(api.jobs, meant[1]!, "succeeded");
    const actionId = await started({ kind: "cancel", filter: { tag: "wave" } });
    const later = await submit(2, { tags: ["wave"] });
    while (await step(actionId));
    expect(await view(actionId)).toMatchObject({
      ...{ state: "done", kind: "cancel", counts: { matched: 229, done: 229, refused: 0, failed: 0 } },
      startedBy: expect.any(String) as string,
    });
    expect(await stateOf(meant[1]!)).toBe("succeeded");
    expect((await api.jobs.get(meant[0]!))?.value).toMatchObject({ state: "running", cancelWanted: true });
    expect(await statesOf(meant.slice(2))).toEqual(["canceled"]);
    expect(await statesOf([...others, ...later])).toEqual(["queued"]);
    expect(await step(actionId)).toBe(false);
    expect(await api.actions.running()).not.toContain(actionId);
  });

  it("a dry run counts and changes nothing", async () => {
    const jobs = await submit(3, { jobType: "Counted" });
    const done = await carriedOut({ kind: "cancel", filter: { jobType: "Counted" }, dryRun: true });
    expect(done).toMatchObject({ state: "done", dryRun: true, counts: { matched: 3, done: 0 } });
    expect(await statesOf(jobs)).toEqual(["queued"]);
  });

  it("means jobs in several states, and no others", async () => {
    const [queued, failed, canceled] = (await submit(3)) as [string, string, string];
    await claimAndEnd(api.jobs, failed, "failed");
    await api.post(`/v1/jobs/${canceled}/cancel`);
    await api.index.write([
      { jobId: failed, facts: { jobType: "Echo" }, from: "queued", to: "failed", runAt: undefined },
    ]);
    const tagging = { kind: "tag", filter: { state: ["failed", "canceled"] }, tags: ["seen"] };
    const done = await carriedOut(tagging);
    expect(done).toMatchObject({ filter: { state: ["failed", "canceled"] }, counts: { matched: 2, done: 2 } });
    const tagsOf = async (jobId: string) => (await api.jobs.get(jobId))?.value.tags;
    expect(await Promise.all([queued, failed, canceled].map(tagsOf))).toEqual([undefined, ["seen"], ["seen"]]);
    expect((await start({ kind: "requeue", filter: { state: ["failed", "running"] } })).body.error.message).toContain(
      "filter.state",
    );
  });

  it("means jobs of a package and with a text, and no others", async () => {
    const fields = { jobProcessorPackageName: "reports.zip", jobName: "Invoice 4711" };
    const [other, named, both] = [
      ...(await submit(1, { jobProcessorPackageName: "reports.zip" })),
      ...(await submit(1, { jobName: "Invoice 4711" })),
      ...(await submit(1, fields)),
    ] as [string, string, string];
    const filter = { jobProcessorPackageName: "reports.zip", text: "invoice" };
    expect(await carriedOut({ kind: "cancel", filter })).toMatchObject({ filter, counts: { matched: 1, done: 1 } });
    expect(await Promise.all([other, named, both].map(stateOf))).toEqual(["queued", "queued", "canceled"]);
  });

  it("a delayed job that gets a tag is listed as delayed still", async () => {
    const [delayed] = await submit(1, { delayMs: 3_600_000 });
    await carriedOut({ kind: "tag", filter: { delayed: true }, tags: ["late"] });
    await eventually(async () => {
      const { body } = await api.get(`/v1/tenants/${tenant}/jobs?delayed=true&tag=late`);
      expect(body.items.map(({ jobId }) => jobId)).toEqual([delayed]);
    });
  });

  it("requeues what has failed, once each, with a bell", async () => {
    const jobs = await submit(4);
    for (const jobId of jobs.slice(0, 3)) await claimAndEnd(api.jobs, jobId, "failed");
    await api.index.write(
      jobs.slice(0, 3).map((jobId) => ({
        ...{ jobId, facts: { jobType: "Echo" }, from: "queued", to: "failed", runAt: undefined },
      })),
    );
    sent.length = 0;
    const actionId = await started({ kind: "requeue", filter: { state: "failed" } });
    while (await step(actionId));
    expect(await view(actionId)).toMatchObject({ state: "done", counts: { matched: 3, done: 3 } });
    expect(await statesOf(jobs)).toEqual(["queued"]);
    await eventually(() => expect(sent.toSorted()).toEqual(jobs.slice(0, 3).toSorted()));
  });

  it("reschedules what is delayed, and leaves other queued and running jobs alone", async () => {
    const delayed = await submit(3, { delayMs: 3_600_000 });
    const [due, running] = (await submit(2)) as [string, string];
    await claimRow(api.jobs, running);
    sent.length = 0;
    const done = await carriedOut({ kind: "reschedule", filter: { delayed: true }, delayMs: 60_000 });
    expect(done).toMatchObject({ state: "done", counts: { matched: 3, done: 3, refused: 0 } });
    const runAt = new Date(done.runAt ?? "");
    expect(runAt.getTime() - Date.parse(done.startedAt)).toBe(60_000);
    for (const jobId of delayed) expect((await api.jobs.get(jobId))?.value).toMatchObject({ ring: 2, runAt });
    for (const jobId of [due, running]) expect((await api.jobs.get(jobId))?.value.ring).toBe(1);
    expect(sent.toSorted()).toEqual(delayed.toSorted());
  });

  it("tags and untags jobs in any state; a job whose tags would be too many is refused", async () => {
    const [queued, running, ended, full] = [
      ...(await submit(3, { tags: ["a"] })),
      ...(await submit(1, { tags: ["a", ...Array.from({ length: 9 }, (_, index) => `t${index}`)] })),
    ] as [string, string, string, string];
    await claimRow(api.jobs, running);
    await claimAndEnd(api.jobs, ended, "failed");
    const counts = { matched: 4, done: 3, refused: 1, failed: 0 };
    expect(await carriedOut({ kind: "tag", filter: { tag: "a" }, tags: ["b", "b"] })).toMatchObject({ counts });
    const tagged = async (tag: string) =>
      (await api.get(`/v1/tenants/${tenant}/jobs?tag=${tag}`)).body.items.map(({ jobId }) => jobId).toSorted();
    expect(await eventually(() => tagged("b"))).toEqual([queued, running, ended].toSorted());
    expect(await carriedOut({ kind: "untag", filter: { tag: "b" }, tags: ["a", "b"] })).toMatchObject({
      state: "done",
    });
    expect(await tagged("b")).toEqual([]);
    expect(await tagged("a")).toEqual([full]);
    expect((await api.jobs.get(ended))?.value).toMatchObject({ state: "failed", tags: undefined });
  });

  it("goes on after a crash at any step, by another instance, and passes over no job", async () => {
    const jobs = await submit(250, { tags: ["crash"] });
    const actionId = await started({ kind: "cancel", filter: { tag: "crash" } });
    // It dies after the jobs were changed, and before that was recorded.
    const dying = instance({
      actions: { ...api.actions, update: () => Promise.reject(new UnavailableError("StorageUnavailable", "dead")) },
    });
    await step(actionId);
    await expect(dying(actionId)).rejects.toThrow("dead");
    while (await step(actionId));
    const { state, counts } = await view(actionId);
    expect(state).toBe("done");
    expect(counts.done).toBeGreaterThanOrEqual(150);
    expect(await statesOf(jobs)).toEqual(["canceled"]);
  });

  it("a job that fails does not stop the others, and is counted", async () => {
    const jobs = await submit(3, { tags: ["ill"] });
    const ill = instance({
      jobs: {
        ...api.jobs,
        update: (update) =>
          update.jobId === jobs[0]
            ? Promise.reject(new UnavailableError("StorageUnavailable", "ill"))
            : api.jobs.update(update),
      },
    });
    const done = await carriedOut({ kind: "cancel", filter: { tag: "ill" } }, ill);
    expect(done).toMatchObject({ state: "done", counts: { matched: 3, done: 2, failed: 1 } });
  });

  it("can be canceled: it ends before its next step, and keeps the counts of the last", async () => {
    const jobs = await submit(150, { tags: ["stop"] });
    const actionId = await started({ kind: "cancel", filter: { tag: "stop" } });
    await step(actionId);
    const answer = await api.post(`${pathOf(actionId)}/cancel`);
    expect([answer.status, answer.body.cancelWanted]).toEqual([200, true]);
    while (await step(actionId));
    expect(await view(actionId)).toMatchObject({ state: "canceled", counts: { matched: 100, done: 100 } });
    expect((await Promise.all(jobs.map(stateOf))).filter((state) => state === "queued")).toHaveLength(50);
    expect((await api.post(`${pathOf(actionId)}/cancel`)).body.state).toBe("canceled");
  });

  it("waits until the index has what was submitted before its start", async () => {
    const early = instance({ now: () => new Date() });
    const actionId = await started({ kind: "cancel", filter: { tag: "soon" } });
    expect(await early(actionId)).toBe(false);
    expect(await view(actionId)).toMatchObject({ state: "running" });
  });

  it("requests that make no sense are refused by name", async () => {
    for (const [body, target] of [
      [{ kind: "cancel", filter: {} }, "filter"],
      [{ kind: "cancel", filter: { state: "failed" } }, "filter.state"],
      [{ kind: "requeue", filter: { state: "running" } }, "filter.state"],
      [{ kind: "requeue", filter: { delayed: true } }, "filter.state"],
      [{ kind: "cancel", filter: { delayed: true, state: "running" } }, "filter.delayed"],
      [{ kind: "tag", filter: { jobType: "Echo" } }, "tags"],
      [{ kind: "tag", filter: { jobType: "Echo" }, tags: [] }, "tags"],
      [{ kind: "tag", filter: { jobType: "Echo" }, tags: ["a/b"] }, "tags[0]"],
      [{ kind: "cancel", filter: { jobType: "Echo" }, tags: ["a"] }, "tags"],
      [{ kind: "delete", filter: { jobType: "Echo" } }, "kind"],
      [{ kind: "cancel", filter: { colour: "red" } }, "colour"],
    ] as const) {
      const { status, body: answer } = await start(body);
      expect([body, status, JSON.stringify(answer.error).includes(target)]).toEqual([body, 400, true]);
    }
  });

  it("the instance that has the duty carries actions out, in turn; another one leaves them alone", async () => {
    await submit(120, { tags: ["one"] });
    await submit(1, { tags: ["two"] });
    const ids = [
      await started({ kind: "cancel", filter: { tag: "one" } }),
      await started({ kind: "cancel", filter: { tag: "two" } }),
    ];
    const steps: string[] = [];
    const runStep = (actionId: string): Promise<boolean> => {
      steps.push(actionId);
      return step(actionId);
    };
    const running = async () => (await api.actions.running()).filter((actionId) => ids.includes(actionId));
    const works = [{ name: "actionId", running, runStep }];
    const common = { works, log: silentLog, everyMs: 5, pauseMs: 0 };
    const release = () => Promise.resolve();
    const idle = startActionDuty({ ...common, lease: { hold: () => Promise.resolve(false), release } });
    await idle.stop();
    expect(steps).toEqual([]);
    const duty = startActionDuty({ ...common, lease: { hold: () => Promise.resolve(true), release } });
    for (const actionId of ids) await eventually(async () => expect((await view(actionId)).state).toBe("done"));
    await duty.stop();
    expect(steps.slice(0, 3)).toEqual([ids[0], ids[1], ids[0]]);
  });
});
