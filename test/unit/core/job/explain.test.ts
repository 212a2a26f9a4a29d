import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readFileSync } from "node:fs";
import { cancelOf } from "../../../../runtime/core/job/cancel-requeue.ts";
import { explain, type ExplainedJob } from "../../../../runtime/core/job/explain.ts";
import { endingOf } from "../../../../runtime/core/job/protocol.ts";
import { isTerminal, JOB_STATES } from "../../../../runtime/core/job/states.ts";
import { MAX_INTERRUPTIONS } from "../../../../runtime/core/limits.ts";

const jobs: fc.Arbitrary<ExplainedJob> = fc.record({
  state: fc.constantFrom(...JOB_STATES),
  attempts: fc.nat(20),
  interruptions: fc.nat(MAX_INTERRUPTIONS + 1),
  cancelWanted: fc.boolean(),
  runAt: fc.option(fc.nat(2_000), { nil: undefined }),
  workerId: fc.option(fc.constant("worker-1"), { nil: undefined }),
  waitsFor: fc.option(
    fc.constantFrom(
      "paused: tenant acme",
      "limit: concurrency, key 7",
      "limit: rate, key 7, times are taken until 2030",
    ),
    { nil: undefined },
  ),
  failure: fc.option(
    fc.record({
      code: fc.constantFrom("JobFailed", "WorkerLost", "JobExpired", "JobTimedOut"),
      attempt: fc.integer({ min: 1, max: 20 }),
      retryable: fc.boolean(),
    }),
    { nil: undefined },
  ),
});

const outcome = (job: ExplainedJob, event: RegExp): string =>
  explain(job, 1_000).next.find((next) => event.test(next.event))?.outcome ?? "";

describe("the explanation of a job", () => {
  it("has a reason, a rule of the protocol and next events for every job there can be", () => {
    const protocol = readFileSync("docs/protocol.md", "utf8");
    fc.assert(
      fc.property(jobs, (job) => {
        const { why, rule, next } = explain(job, 1_000);
        expect(why).toMatch(/^[A-Z].*\.$/);
        expect(next.length).toBeGreaterThanOrEqual(3);
        for (const name of [rule, ...next.map((one) => one.rule)]) {
          const definition = name.startsWith("R") ? `### ${name} ` : `\n| ${name.slice("step ".length).padEnd(4)} |`;
          expect(protocol, name).toContain(definition);
        }
      }),
    );
  });

  it("says of a running job what the worker's decision says", () => {
    fc.assert(
      fc.property(jobs, (given) => {
        const job = { ...given, state: "running" } as const;
        const { cancelWanted, attempts, interruptions } = job;
        const drained = endingOf({
          result: { kind: "interrupted" },
          cancelWanted,
          attempts,
          interruptions,
          maxAttempts: 1,
        });
        expect(outcome(job, /drained/)).toMatch(new RegExp(`^${drained.to}`));
        const died = cancelWanted ? "canceled" : interruptions + 1 > MAX_INTERRUPTIONS ? "failed" : "running";
        expect(outcome(job, /dies/)).toMatch(new RegExp(`^${died}`));
        expect(outcome(job, /ends well/)).toBe("succeeded");
        if (cancelWanted) expect(outcome(job, /fails/)).toBe("canceled");
        else expect(outcome(job, /fails/)).toMatch(/^queued.*else failed$/);
      }),
    );
  });

  it("says of a cancel and a requeue what the API does", () => {
    fc.assert(
      fc.property(jobs, (job) => {
        const { action } = cancelOf(job, new Date());
        expect(outcome(job, /is canceled/).startsWith("refused")).toBe(action === "too-late");
        if (isTerminal(job.state)) expect(outcome(job, /requeued/)).toBe("queued");
        else expect(outcome(job, /requeued/)).toBe("");
      }),
    );
  });

  it("tells a job that waits for its time from one that waits for a slot", () => {
    const job = {
      state: "queued",
      attempts: 0,
      interruptions: 0,
      cancelWanted: false,
      waitsFor: undefined,
      workerId: undefined,
    } as const;
    expect(explain({ ...job, runAt: 2_000, failure: undefined }, 1_000).why).toContain("when its time comes");
    expect(explain({ ...job, runAt: 500, failure: undefined }, 1_000).why).toContain("free slot");
  });
});
