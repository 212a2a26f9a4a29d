import { describe, expect, it } from "vitest";
import type { JobEvents } from "../../../runtime/client/index.ts";
import { TIMER_DIGITS, timerBatchId } from "../../../runtime/core/job/ids.ts";
import { createEndings } from "../../../runtime/local/demo/show-jobs.ts";
import type { Report } from "../../../runtime/local/demo/report.ts";

type Ended = JobEvents["jobCompleted"];
const BATCH = "demo.zybqd9n00nrs3ek8mx";

function screen() {
  const lines: string[] = [];
  const windows: (() => void)[] = [];
  const add = (mark: string) => (text: string) => void lines.push(`${mark} ${text}`);
  const report = { step: add("ok"), notice: add("!") } as unknown as Report;
  const onEnd = createEndings(report, (then) => windows.push(then));
  const ended = (jobName: string, status: Ended["status"], batchId = BATCH): void =>
    onEnd({
      ...{ version: 1, sequence: 1, at: "2026-11-29T12:00:00.000Z", tenantName: "demo", eventType: "jobCompleted" },
      ...{ batchId, jobId: `${batchId}.00.x`, jobName, jobType: "Type", status, execution: 1, artifactCount: 0 },
      ...(status === "failed" && {
        failure: { ...{ code: "JobFailed", message: "No paper.", attempt: 1, retryable: false }, failedAt: "" },
      }),
    });
  return { lines, ended, closeWindow: () => windows.pop()?.() };
}

describe("while it runs, npm start shows", () => {
  it("each ended job, and the reason and the log command of a failed one", () => {
    const { lines, ended } = screen();
    ended("a", "succeeded");
    ended("b", "failed");
    expect(lines).toEqual([
      expect.stringMatching(/^ok \d\d:\d\d:\d\d Type a succeeded$/),
      expect.stringMatching(/^! .* Type b failed: JobFailed: No paper\.\nSee: npx --no jobyard logs demo\./),
    ]);
  });

  it("a timer's run only when its result differs from the last", () => {
    const { lines, ended } = screen();
    const batch = timerBatchId("demo", "0".repeat(TIMER_DIGITS));
    for (const status of ["succeeded", "succeeded", "failed", "failed", "succeeded"] as const) {
      ended("nightly", status, batch);
    }
    expect(
      lines.map((line) =>
        line
          .split(" ")
          .slice(0, 5)
          .join(" ")
          .replace(/\d\d:\d\d:\d\d/, "at"),
      ),
    ).toEqual(["ok at timer nightly succeeded;", "! at timer nightly failed:", "ok at timer nightly succeeded;"]);
  });

  it("some of very many, and the number of others", () => {
    const { lines, ended, closeWindow } = screen();
    for (let i = 0; i < 500; i++) ended(`n${i}`, i % 100 === 99 ? "failed" : "succeeded");
    closeWindow();
    expect(lines.length).toBe(11);
    expect(lines.at(-1)).toBe("! More jobs have ended: 485 succeeded, 5 failed");
    ended("later", "succeeded");
    closeWindow();
    expect(lines.length).toBe(12);
  });
});
