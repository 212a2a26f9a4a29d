import { describe, expect, it } from "vitest";
import { readSpans } from "../../../../runtime/local/telemetry/otlp-json.ts";
import { createRecentSpans } from "../../../../runtime/local/telemetry/recent-spans.ts";
import { type SpanToSend, spanIdOf, traceIdOf, tracesOf } from "../../../support/telemetry/otlp.ts";

const JOB = "demo.zybr0fe42axjqj5j73.00.01m7zghvyecdx3hp86";
const HOUR_MS = 3_600_000;
const ofJob = (jobId: string) => ({ attributes: { "jobyard.job.id": jobId } });

function spansIn(maxBytes = 1_000_000) {
  let now = 0;
  const store = createRecentSpans({ nowMs: () => now, keepMs: HOUR_MS, maxBytes });
  return {
    store,
    add: (...spans: readonly SpanToSend[]) => store.add(readSpans(tracesOf({ "service.name": "jobyard-api" }, spans))),
    setNow: (ms: number) => void (now = ms),
    names: (jobId = JOB) => store.ofJob(jobId).map(({ name }) => name),
  };
}

describe("the spans of the last hour", () => {
  it("shows a job's spans with those above and below, by start", () => {
    const { add, names } = spansIn();
    add({ id: "run", parent: "attempt", fromMs: 30 }, { id: "attempt", parent: "submit", fromMs: 20, ...ofJob(JOB) });
    add({ id: "submit", parent: "caller", fromMs: 10 }, { id: "caller", fromMs: 1 });
    expect(names()).toEqual(["caller", "submit", "attempt", "run"]);
  });

  it("leaves out other jobs of the same trace with all that is below them", () => {
    const { add, names } = spansIn();
    add(
      { id: "submit" },
      { id: "a", parent: "submit", ...ofJob(JOB) },
      { id: "b", parent: "submit", ...ofJob("other") },
    );
    add({ id: "b-run", parent: "b" }, { id: "a-run", parent: "a" }, { id: "elsewhe", trace: "another" });
    expect(names().toSorted()).toEqual(["a", "a-run", "submit"]);
    expect(names("unknown")).toEqual([]);
  });

  it("shows a step of an attempt that has not ended only if the trace has no other job", () => {
    const { add, names } = spansIn();
    add({ id: "submit" }, { id: "a", parent: "submit", ...ofJob(JOB) }, { id: "claim", parent: "running" });
    expect(names().toSorted()).toEqual(["a", "claim", "submit"]);
    add({ id: "b", parent: "submit", ...ofJob("other") });
    expect(names().toSorted()).toEqual(["a", "submit"]);
  });

  it("finds all traces of a job, such as those before and after a requeue", () => {
    const { store, add } = spansIn();
    add({ id: "first", trace: "one", ...ofJob(JOB) }, { id: "second", trace: "two", fromMs: 1, ...ofJob(JOB) });
    expect(store.ofJob(JOB).map(({ traceId }) => traceId)).toEqual([traceIdOf("one"), traceIdOf("two")]);
  });

  it("shows each span of a circle of parents once", () => {
    const { add, names } = spansIn();
    add({ id: "a", parent: "b", ...ofJob(JOB) }, { id: "b", parent: "a" });
    expect(names().toSorted()).toEqual(["a", "b"]);
  });

  it("keeps the parts of a span that people need", () => {
    const { store, add } = spansIn();
    add({ id: "a", parent: "p", fromMs: 1.5, toMs: 4, follows: "before", thrown: "No mail server", ...ofJob(JOB) });
    add({ id: "b", fromMs: 2, error: "Exit code 1", ...ofJob(JOB) });
    add({ id: "c", fromMs: 3, error: "", attributes: { "jobyard.job.id": JOB, "error.type": "JobFailed" } });
    expect(store.ofJob(JOB)).toEqual([
      {
        ...{ traceId: traceIdOf("trace"), spanId: spanIdOf("a"), parentSpanId: spanIdOf("p"), name: "a" },
        ...{ service: "jobyard-api", startMs: 1.5, durationMs: 2.5, error: "No mail server" },
        ...{ links: [spanIdOf("before")], attributes: { "jobyard.job.id": JOB } },
      },
      expect.objectContaining({ name: "b", error: "Exit code 1", links: [] }),
      expect.objectContaining({ name: "c", error: "JobFailed" }),
    ]);
  });

  it("forgets what is older than an hour", () => {
    const { store, add, names, setNow } = spansIn();
    add({ id: "old", ...ofJob(JOB) });
    setNow(HOUR_MS / 2);
    add({ id: "new", ...ofJob(JOB) });
    expect([names(), store.sinceMs]).toEqual([["old", "new"], 0]);
    setNow(HOUR_MS * 1.25);
    expect([names(), store.sinceMs]).toEqual([["new"], HOUR_MS / 4]);
    setNow(HOUR_MS * 3);
    expect([names(), store.bytes]).toEqual([[], 0]);
  });

  it("needs no more memory than allowed, and says since when it has all spans", () => {
    const maxBytes = 200_000;
    const { store, add, names, setNow } = spansIn(maxBytes);
    let most = 0;
    for (let i = 0; i < 2_000; i++) {
      setNow(i);
      add({ id: `s${i}`, attributes: { "jobyard.job.id": `job-${i}`, text: "x".repeat(2_000) } });
      most = Math.max(most, store.bytes);
    }
    expect(most).toBeLessThanOrEqual(maxBytes);
    expect(most).toBeGreaterThan(maxBytes / 2);
    expect([names("job-0"), names("job-1999")]).toEqual([[], ["s1999"]]);
    expect(names(`job-${store.sinceMs}`)).toEqual([`s${store.sinceMs}`]);
    expect(names(`job-${store.sinceMs - 1}`)).toEqual([]);
  });
});
