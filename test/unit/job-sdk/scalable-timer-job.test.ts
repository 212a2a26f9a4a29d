import { describe, expect, expectTypeOf, it } from "vitest";
import {
  type Job,
  type JobContext,
  type JobDefinition,
  type TimerContext,
  isJobDefinition,
  isNonRetryable,
  scalableTimerJob,
} from "../../../runtime/job-sdk/index.ts";
import { timerFactsOf } from "../../../runtime/job-sdk/scalable-timer-job.ts";

const at = (time: string): Date => new Date(`2030-01-31T${time}Z`);

const job: Job = {
  jobId: "demo.b1.00.j1",
  batchId: "demo.b1",
  tenantName: "demo",
  jobName: "nightly",
  jobType: "nightly",
  parameters: { trigger: "schedule", scheduledAt: "2030-01-31T02:30:00Z", missedCount: 0 },
  attempt: 1,
  interruption: 0,
  claimId: "claim",
  workerId: "worker-1",
  fence: 7,
};

const context: JobContext = {
  packagePath: "/package",
  workingPath: "/work",
  outputPath: "/output",
  progress: () => undefined,
  log: () => undefined,
  signal: new AbortController().signal,
  settings: {},
  credential: { getToken: () => Promise.reject(new Error("No identity.")) },
  services: { factor: 10 },
};

describe("scalableTimerJob", () => {
  it("returns a job definition, with or without a name", () => {
    const options = { cron: "0 30 2 * * *", retry: { maxAttempts: 2 }, timeoutMs: 5_000 };
    const named = scalableTimerJob({ ...options, name: "nightly" }, () => undefined);
    expect([isJobDefinition(named), Object.isFrozen(named)]).toEqual([true, true]);
    expect(named).toMatchObject({ jobType: "nightly", retry: { maxAttempts: 2 }, timeoutMs: 5_000 });
    expect(scalableTimerJob(options, () => undefined).jobType).toBeUndefined();
    expectTypeOf(named).toEqualTypeOf<JobDefinition>();
  });

  it("passes the job's context and the timer's facts to its function", async () => {
    let given: TimerContext<{ factor: number }> | undefined;
    const definition = scalableTimerJob({ cron: "0 30 2 * * *" }, (ctx: TimerContext<{ factor: number }>) => {
      given = ctx;
      return { output: ctx.services.factor * ctx.timer.fence };
    });
    await expect(definition.run(job, context)).resolves.toEqual({ output: 70 });
    const { jobId, batchId, tenantName, attempt, interruption, claimId, workerId } = job;
    expect(given).toEqual({
      ...context,
      ...{ jobId, batchId, tenantName, attempt, interruption, claimId, workerId },
      timer: {
        ...{ name: "nightly", trigger: "schedule", scheduledAt: at("02:30:00"), missedCount: 0, fence: 7 },
        isPastDue: false,
      },
    });
  });

  it("allows a run to return nothing", async () => {
    await expect(scalableTimerJob({ cron: "00:10:00" }, async () => {}).run(job, context)).resolves.toBeUndefined();
  });
});

describe("timerFactsOf", () => {
  const facts = (parameters: unknown, now = at("02:30:01"), graceSeconds?: number) =>
    timerFactsOf({ jobType: "nightly", parameters, fence: undefined }, now, graceSeconds);

  it.each([[undefined], [null]])("treats a job with the parameters %j as a manual run now", (parameters) => {
    expect(facts(parameters)).toEqual({
      ...{ name: "nightly", trigger: "manual", scheduledAt: at("02:30:01"), isPastDue: false },
      ...{ missedCount: 0, fence: 0 },
    });
  });

  it.each([[{}], [{ year: 2030 }], [7], ["text"], [[]]])(
    "treats the parameters %j as those of a manual run now",
    (parameters) => {
      expect(facts(parameters)).toMatchObject({ trigger: "manual", scheduledAt: at("02:30:01"), parameters });
    },
  );

  it("has the parameters that a caller gave to its run, also none and null, and no other run has any", () => {
    const run = { trigger: "manual", scheduledAt: "2030-01-31T02:30:00.000Z", missedCount: 0 };
    for (const parameters of [{ trigger: "schedule" }, [], "", 0, null]) {
      expect(facts({ ...run, parameters })).toMatchObject({ trigger: "manual", parameters });
    }
    expect(facts(run)).not.toHaveProperty("parameters");
  });

  it("reads how many ticks a run replaces", () => {
    const parameters = {
      ...{ trigger: "schedule", scheduledAt: "2030-01-31T02:30:00.000Z", missedCount: 2 },
      ...{ firstMissedAt: "2030-01-31T02:10:00Z", lastMissedAt: "2030-01-31T02:20:00Z" },
    };
    expect(facts(parameters)).toMatchObject({
      missedCount: 2,
      firstMissedAt: at("02:10:00"),
      lastMissedAt: at("02:20:00"),
    });
  });

  it("is past due after the grace period, only for scheduled runs", () => {
    const due = (trigger: string, now: string, graceSeconds?: number) =>
      facts({ trigger, scheduledAt: "2030-01-31T02:30:00Z", missedCount: 0 }, at(now), graceSeconds).isPastDue;
    expect([due("schedule", "02:31:00"), due("schedule", "02:31:00.001")]).toEqual([false, true]);
    expect([due("schedule", "02:30:05", 5), due("schedule", "02:30:06", 5)]).toEqual([false, true]);
    expect([due("manual", "04:00:00"), due("deploy", "04:00:00")]).toEqual([false, false]);
  });

  const valid = { trigger: "manual", scheduledAt: "2030-01-31T02:30:00Z", missedCount: 0 };
  it.each([
    [{ ...valid, trigger: "cron" }, "trigger: expected"],
    [{ ...valid, scheduledAt: "soon" }, "scheduledAt: expected an instant"],
    [{ ...valid, scheduledAt: undefined }, "scheduledAt: expected an instant"],
    [{ ...valid, missedCount: 1.5 }, "missedCount: expected a whole number"],
    [{ ...valid, lastMissedAt: 1 }, "lastMissedAt: expected an instant"],
  ])("refuses the parameters %j without a retry", (parameters, message) => {
    try {
      facts(parameters);
      expect.unreachable();
    } catch (error) {
      expect(isNonRetryable(error)).toBe(true);
      expect((error as Error).message).toContain(`are not what a run is told: ${message}`);
    }
  });
});
