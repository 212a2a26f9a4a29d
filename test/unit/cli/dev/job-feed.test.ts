import { describe, expect, it } from "vitest";
import type { JobServiceClient, JobView } from "../../../../runtime/client/index.ts";
import type { DevEvent } from "../../../../runtime/cli/dev/dev-event.ts";
import { followJobs } from "../../../../runtime/cli/dev/job-feed.ts";
import { eventually } from "../../../support/eventually.ts";

const viewOf = (jobId: string, changes: Partial<JobView> = {}): JobView =>
  ({
    jobId,
    batchId: "demo.b",
    jobProcessorPackageName: "greet.zip",
    submittedAt: "2030-01-31T08:00:00Z",
    ...changes,
  }) as JobView;

/** A client whose events, rows and logs come from the test. */
async function lab() {
  const listeners = new Map<string, (event: never) => void>();
  const views = new Map<string, JobView>();
  /** What an attempt has written by now; followed only as far as `followed`. */
  const log = { whole: "", followed: "" };
  const told: DevEvent[] = [];
  const problems: unknown[] = [];
  const client = {
    monitoring: {
      getJob: (jobId: string) => Promise.resolve(views.get(jobId) ?? viewOf(jobId)),
      getLog: () => Promise.resolve(log.whole),
      // eslint-disable-next-line @typescript-eslint/require-await -- as the client's, which awaits
      async *followLog(): AsyncGenerator<string> {
        if (log.followed !== "") yield log.followed;
      },
    },
    notifications: {
      on(name: string, listener: (event: never) => void) {
        listeners.set(name, listener);
        return () => listeners.delete(name);
      },
      subscribeToTenant: () => Promise.resolve(),
      disconnect: () => undefined,
    },
  } as unknown as JobServiceClient;
  const feed = await followJobs({
    client,
    tenantName: "demo",
    folderOf: (name) => (name === "greet.zip" ? "/work/greet" : undefined),
    hasType: (type) => type === "Greet",
    tell: (event) => told.push(event),
    onProblem: (error) => problems.push(error),
  });
  return {
    feed,
    views,
    log,
    told,
    problems,
    happen: (eventType: string, jobId = "j1", fields: object = {}) =>
      listeners.get(eventType)?.({
        eventType,
        jobId,
        jobType: "Greet",
        jobName: "Ada",
        execution: 1,
        ...fields,
      } as never),
    shown: () =>
      told.map((event) =>
        event.eventType === "jobLog" ? event.text : event.eventType === "job" ? event.event.eventType : event.eventType,
      ),
  };
}

describe("the feed of jobs", () => {
  it("tells the whole log of an attempt before its end, and no line twice", async () => {
    const { log, happen, shown, told, views } = await lab();
    log.followed = "2030 log one\n2030 err tw";
    log.whole = "2030 log one\n2030 err two\n2030 out three";
    views.set("j1", viewOf("j1", { output: 1 }));
    happen("jobStarted");
    happen("jobCompleted", "j1", { status: "succeeded" });
    await eventually(() => expect(shown()).toEqual(["jobStarted", "one", "two", "three", "jobCompleted"]));
    expect(told.flatMap((event) => (event.eventType === "jobLog" ? [event.source] : []))).toEqual([
      "log",
      "err",
      "out",
    ]);
    expect(told.at(-1)).toMatchObject({ job: { output: 1 } });
  });

  it("leaves out jobs of other types and of other packages", async () => {
    const { happen, shown, views } = await lab();
    views.set("other", viewOf("other", { jobProcessorPackageName: "other.zip" }));
    happen("jobStarted", "other");
    happen("jobStarted", "type", { jobType: "Other" });
    happen("jobStarted", "j1");
    await eventually(() => expect(shown()).toEqual(["jobStarted"]));
  });

  it("knows the job that was submitted last, and prefers it to a run of a timer", async () => {
    const { feed, happen, shown, views } = await lab();
    expect(feed.latest).toBeUndefined();
    views.set("tick", viewOf("tick", { batchId: "demo.timer.x" }));
    happen("jobQueued", "tick");
    views.set("new", viewOf("new", { submittedAt: "2030-01-31T09:00:00Z" }));
    views.set("old", viewOf("old"));
    happen("jobQueued", "new");
    happen("jobQueued", "old");
    await eventually(() => expect(shown()).toHaveLength(3));
    expect(feed.latest?.jobId).toBe("new");
  });

  it("tells many jobs at a time by their ends only", async () => {
    const { happen, shown } = await lab();
    for (let index = 0; index < 12; index++) happen("jobStarted", `j${index}`);
    await eventually(() => expect(shown()).toEqual(Array.from({ length: 8 }, () => "jobStarted")));
    for (let index = 0; index < 12; index++) happen("jobCompleted", `j${index}`, { status: "succeeded" });
    await eventually(() => expect(shown().filter((type) => type === "jobCompleted")).toHaveLength(12));
    expect(shown().filter((type) => type === "jobStarted")).toHaveLength(8);
  });
});
