import { describe, expect, it } from "vitest";
import { asJson, asText, type DevEvent, type JobHappened } from "../../../../runtime/cli/dev/dev-event.ts";
import { devHints, inspectHints } from "../../../../runtime/cli/dev/hints.ts";
import type { JobView } from "../../../../runtime/client/index.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";

const plain = { paint: (_style: unknown, text: string) => text, columns: 80, cwd: "/work" };
const text = (event: DevEvent, changes: Partial<typeof plain> = {}) => asText(event, { ...plain, ...changes });

const about = {
  version: 1,
  sequence: 1,
  at: "2030-01-31T08:00:00.000Z",
  tenantName: "demo",
  batchId: "demo.b",
} as const;
const job = { ...about, jobId: "demo.b.0.j", jobType: "Greet", jobName: "Ada" } as const;
const happened = (event: JobHappened["event"], view?: Partial<JobView>): JobHappened => ({
  eventType: "job",
  event,
  folder: "/work/greet",
  isOneOfMany: false,
  ...(view && { job: view as JobView }),
});

describe("what dev tells of a package", () => {
  const sha256 = "3f9a01c2d4e5";

  it("is how long it took from the save, and the version as other commands show it", () => {
    const event: DevEvent = {
      eventType: "packagePublished",
      ...{ packageName: "greet.zip", sha256, jobTypes: ["Greet"], warnings: ["src/a.ts:1:1: careful"] },
      ...{ watchMs: 100, packMs: 300, publishMs: 200 },
    };
    expect(text(event)).toBe("✓ greet.zip published in 0.6 s, version 3f9a01c2\n  Warning: src/a.ts:1:1: careful");
    expect(asJson(event)).toBe(event);
  });

  it("is the line of an error, and which version goes on to run", async () => {
    await using source = await sourcePackage({ "src/a.ts": "const a = 1;\nconst b = ;\n" });
    const problem = {
      message: "Expression expected.",
      place: { file: `${source.path}/src/a.ts`, line: 2, column: 11 },
    };
    const event: DevEvent = { eventType: "packageFailed", folder: "/work/greet", problems: [problem], sha256 };
    expect(text(event, { cwd: source.path })).toBe(
      [
        "✗ greet was not published. Jobs go on to run version 3f9a01c2.",
        "  src/a.ts:2:11",
        "  Expression expected.",
        "  1 │ const a = 1;",
        "> 2 │ const b = ;",
        "    │           ^",
        "  3 │",
      ].join("\n"),
    );
    expect(text({ ...event, problems: [{ message: "no" }], sha256: undefined })).toBe(
      "✗ greet was not published. Nothing of it runs yet.\n  no",
    );
  });

  it("is its type errors, a few of many, and their end", () => {
    const place = (line: number) => ({ file: "/work/greet/a.ts", line, column: 1 });
    const errors = [1, 2, 3, 4, 5, 6, 7].map((line) => ({ message: `TS1: wrong ${line}`, place: place(line) }));
    const shown = text({ eventType: "typesChecked", folder: "/work/greet", errors });
    expect(shown?.split("\n").slice(0, 3)).toEqual([
      "! greet has 7 type errors. Types alone do not hold up a version.",
      "  greet/a.ts:1:1",
      "  TS1: wrong 1",
    ]);
    expect(shown?.split("\n").at(-1)).toBe("  … and 2 more");
    expect(text({ eventType: "typesChecked", folder: "/work/greet", errors: [] })).toBe(
      "✓ greet has no type errors any more",
    );
  });

  it("breaks long messages at words", () => {
    const message = Array.from({ length: 30 }, () => "word").join(" ");
    const shown = text({ eventType: "packageFailed", folder: "/g", problems: [{ message }], sha256: undefined });
    expect(Math.max(...(shown ?? "").split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

describe("what dev tells of a job", () => {
  const started = {
    ...job,
    eventType: "jobStarted",
    status: "running",
    attempt: 1,
    execution: 1,
    workerId: "w",
  } as const;
  const completed = { ...job, eventType: "jobCompleted", execution: 1, artifactCount: 0 } as const;
  const times = { startedAt: "2030-01-31T08:00:00.000Z", endedAt: "2030-01-31T08:00:01.500Z" };

  it("is its start, progress, and end with output", () => {
    expect(text(happened(started))).toBe("▶ Greet Ada demo.b.0.j");
    expect(text(happened({ ...started, attempt: 2, jobName: "Greet" }))).toBe("▶ Greet, attempt 2 demo.b.0.j");
    const progress = { fraction: 0.4, text: "half way" };
    expect(text(happened({ ...started, eventType: "jobProgressed", progress }))).toBe("  40% half way");
    const succeeded = happened({ ...completed, status: "succeeded" }, { ...times, output: { a: 1 } });
    expect(text(succeeded)).toBe('✓ Greet Ada succeeded in 1.50 s  {"a":1}');
    expect(asJson(succeeded)).toEqual({ ...completed, status: "succeeded", output: { a: 1 } });
  });

  it("is queued only if it has to wait", () => {
    const queued = { ...job, eventType: "jobQueued", status: "queued" } as const;
    expect(text(happened(queued))).toBeUndefined();
    expect(text(happened({ ...queued, runAt: times.endedAt }))).toMatch(/waits until 2030/);
  });

  it("is the failure with its frames, and the line that threw", async () => {
    await using source = await sourcePackage({ "src/sums.ts": "a\nb\nthrow new Error();\n" });
    const failure = {
      ...{ code: "JobFailed", message: "boom", attempt: 1, failedAt: about.at, retryable: true },
      stack: "at sum (src/sums.ts:3:7)\nat x (node_modules/y/index.js)",
    };
    const event = { ...happened({ ...completed, status: "failed" }, { ...times, failure }), folder: source.path };
    expect(text(event, { cwd: `${source.path}/..` })?.split("\n")).toEqual([
      "✗ Greet Ada failed in 1.50 s",
      "  JobFailed: boom",
      `    at sum (${source.path.split("/").at(-1) ?? ""}/src/sums.ts:3:7)`,
      "    at x (node_modules/y/index.js)",
      "  1 │ a",
      "  2 │ b",
      "> 3 │ throw new Error();",
      "    │       ^",
      "  4 │",
    ]);
    expect(asJson(event)).toMatchObject({ eventType: "jobCompleted", failure });
  });

  it("is why it runs again", () => {
    const retrying = { ...job, eventType: "jobRetrying", status: "queued", execution: 1 } as const;
    expect(text(happened({ ...retrying, because: "interruption" }))).toBe("↩ Greet Ada was interrupted and runs again");
    const failure = { code: "JobFailed", message: "no", attempt: 1, failedAt: about.at, retryable: true };
    expect(text(happened({ ...retrying, because: "failure", failure }))).toBe(
      "↩ Greet Ada failed and runs again\n  JobFailed: no",
    );
  });

  it("is its log, with its name only beside others, and without what its end repeats", () => {
    const line = { eventType: "jobLog", jobId: "j", jobType: "Greet", jobName: "Ada", folder: "/g" } as const;
    expect(text({ ...line, isOneOfMany: false, source: "out", text: "hello" })).toBe("  │ hello");
    expect(text({ ...line, isOneOfMany: true, source: "out", text: "hello" })).toBe("  │ Greet Ada hello");
    expect(text({ ...line, isOneOfMany: false, source: "sys", text: "JobFailed: boom" })).toBeUndefined();
    expect(text({ ...line, isOneOfMany: false, source: "sys", text: "Interrupted: gone" })).toBe(
      "  │ Interrupted: gone",
    );
  });
});

describe("the hints of dev", () => {
  const running = { apiUrl: "http://127.0.0.1:7070", issuer: { authority: "a", caFile: "/home/me/.jobyard/ca.pem" } };

  it("fit 80 columns", () => {
    const published = [{ packageName: "greet.zip", sha256: "", jobTypes: ["Nightly", "Greet"], timers: ["Nightly"] }];
    const folders = [{ directory: "/work/greet", name: "greet" }];
    const lines = [...devHints({ folders, published, running }), ...inspectHints(9229), ...inspectHints(65_535)];
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.join("\n")).toContain("--type Greet --package greet.zip");
  });

  it("name no job if none could be published", () => {
    expect(devHints({ folders: [], published: [], running })).toHaveLength(1);
  });
});
