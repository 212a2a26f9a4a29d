import { describe, expect, it } from "vitest";
import type { JobView } from "../../../runtime/client/index.ts";
import { groupFailures, noveltyOf } from "../../../web/data/failure-groups.ts";
import { eventsOf } from "../../../web/pages/job/job-events.ts";

const at = (minute: number): string => new Date(Date.UTC(2030, 0, 1, 8, minute)).toISOString();
const MINUTE_MS = 60_000;

interface Failed {
  readonly code?: string;
  readonly jobType?: string;
  readonly stack?: string;
  readonly minute?: number;
  readonly hash?: string;
}

const failed = ({ code = "JobFailed", jobType = "Sum", stack = OWN, minute = 0, hash = "aaaa" }: Failed): JobView =>
  ({
    jobType,
    submittedAt: at(0),
    packageHash: hash,
    failure: { code, message: "no", attempt: 1, failedAt: at(minute), retryable: false, stack },
  }) as unknown as JobView;

const OWN = "at sum (src/sums.ts:8:11)\nat run (src/job.ts:1:1)";

describe("kinds of failures", () => {
  it("jobs of one code, type and own frame are one kind, the largest first", () => {
    const groups = groupFailures([
      failed({ minute: 1, hash: "bbbb" }),
      failed({ minute: 3 }),
      failed({ stack: `at async lib (node_modules/x/i.js:1:1)\nat JSON.parse (<anonymous>)\n${OWN}` }),
      failed({ stack: "at other (src/sums.ts:9:1)", minute: 9 }),
      failed({ code: "JobTimeout", minute: 5 }),
      failed({ jobType: "Other", minute: 7 }),
    ]);
    expect(groups.map(({ code, jobType, frame, jobs }) => [code, jobType, frame, jobs.length])).toEqual([
      ["JobFailed", "Sum", "sum (src/sums.ts:8:11)", 3],
      ["JobFailed", "Sum", "other (src/sums.ts:9:1)", 1],
      ["JobFailed", "Other", "sum (src/sums.ts:8:11)", 1],
      ["JobTimeout", "Sum", "sum (src/sums.ts:8:11)", 1],
    ]);
    expect(groups[0]).toMatchObject({ firstAt: at(0), lastAt: at(3), versions: ["aaaa", "bbbb"] });
    expect(groups[0]?.latest.failure?.failedAt).toBe(at(3));
  });

  it("without a frame of its own the first one counts, and without a stack there is none", () => {
    const frames = groupFailures([failed({ stack: "at lib (node_modules/x/i.js:1:1)" }), failed({ stack: "" })]);
    expect(frames.map(({ frame }) => frame)).toEqual(["lib (node_modules/x/i.js:1:1)", undefined]);
    expect(groupFailures([])).toEqual([]);
  });

  it("a kind is new when no earlier job failed so, and back after a pause as long as the page looks back", () => {
    const [now] = groupFailures([failed({ minute: 30 }), failed({ minute: 40 })]);
    const earlier = groupFailures([failed({ minute: 5 }), failed({ minute: 20 }), failed({ code: "JobTimeout" })]);
    expect(noveltyOf(now!, [], MINUTE_MS)).toBe("new");
    expect(noveltyOf(now!, groupFailures([failed({ code: "JobTimeout" })]), MINUTE_MS)).toBe("new");
    expect(noveltyOf(now!, earlier, 10 * MINUTE_MS)).toBe("back");
    expect(noveltyOf(now!, earlier, 11 * MINUTE_MS)).toBeUndefined();
  });
});

describe("events of a job", () => {
  const job = {
    ...{ state: "failed", submittedAt: at(0), submittedBy: "ada", endedAt: at(9) },
    failure: { message: "no total" },
    history: [
      {
        execution: 1,
        attempt: 1,
        workerId: "w-1",
        startedAt: at(1),
        endedAt: at(2),
        outcome: "failed",
        code: "JobFailed",
      },
      { execution: 2, attempt: 2, workerId: "w-1", startedAt: at(3) },
      {
        execution: 3,
        attempt: 2,
        workerId: "w-2",
        startedAt: at(8),
        endedAt: at(9),
        outcome: "failed",
        code: "JobFailed",
      },
    ],
  } as unknown as JobView;
  const told = (one: JobView) =>
    eventsOf(one).map((event) => `${event.at.slice(14, 16)} ${event.word} ${event.detail}`.trim());

  it("starts, their ends and a worker that was lost are told in order, the failure at the last end only", () => {
    expect(told(job)).toEqual([
      "00 submitted by ada",
      "01 started start 1, attempt 1, on w-1",
      "02 failed JobFailed",
      "03 started start 2, attempt 2, on w-1",
      "08 interrupted w-1 was lost",
      "08 started start 3, attempt 2, on w-2",
      "09 failed JobFailed: no total",
    ]);
  });

  it("a job that ended before its first start has an end too", () => {
    const { failure: _, ...others } = job;
    expect(told({ ...others, state: "canceled", history: [] })).toEqual([
      "00 submitted by ada",
      "09 canceled before its first start",
    ]);
  });
});
