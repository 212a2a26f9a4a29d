import { describe, expect, it } from "vitest";
import { intentsOf } from "../../chaos/engine/commands.ts";
import { measure, percentile } from "../../chaos/engine/measures.ts";
import { faultsOf } from "../../chaos/engine/network-faults.ts";
import type { JobRow } from "../../chaos/engine/recorded-rows.ts";
import type { History, JobChange } from "../../chaos/engine/replay.ts";
import { scheduleOf } from "../../chaos/engine/schedule.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const row = (fields: Partial<JobRow>): JobRow => ({
  ...{ state: "queued", ring: 1, attempts: 0, interruptions: 0, executions: 0, claimId: "", claimWorker: "" },
  ...{ cancelWanted: false, reopen: false, runAt: undefined, etag: "" },
  ...{ tenantName: "t", jobType: "Quick", pool: "default", priority: "normal", concurrencyKey: "" },
  ...fields,
});

/** Successive rows of one job, with the times they were written. */
function historyOf(jobId: string, ...rows: readonly (readonly [at: number, row: JobRow])[]): JobChange[] {
  return rows.map(([at, after], index) => ({
    ...{ at, order: index, jobId, partition: "p", after, before: rows[index - 1]?.[1], starts: [] },
    write: { kind: "merge", ifMatch: "" },
  }));
}

const history = (changes: readonly JobChange[]): History => ({
  transactions: [],
  changes,
  batchChanges: [],
  rows: new Map(),
  batches: new Map(),
  counters: new Map(),
});

const runningOn = (worker: string, claimId: string, interruptions = 0): JobRow =>
  row({ state: "running", claimWorker: worker, claimId, interruptions });

describe("the measures of a run", () => {
  const lost = historyOf(
    "lost",
    [0, row({})],
    [1_000, runningOn("worker-1", "a")],
    [7_500, runningOn("worker-2", "b", 1)],
    [8_000, row({ state: "succeeded", interruptions: 1 })],
  );
  const elsewhere = historyOf(
    "elsewhere",
    [0, row({})],
    [900, runningOn("worker-2", "c")],
    [1_500, row({ state: "failed" })],
  );

  it("the measures count starts, and starts after an interruption", () => {
    expect(measure(history([...lost, ...elsewhere]), [])).toMatchObject({ executions: 3, redeliveries: 1 });
  });

  it("the measures show how long the jobs of a lost worker had no worker", () => {
    const losses = [{ at: 2_000, workerId: "worker-1" }];
    expect(measure(history([...lost, ...elsewhere]), losses)).toMatchObject({
      recoverySecondsP50: 5.5,
      recoverySecondsP99: 5.5,
    });
  });

  it("the measures have no recovery time if the lost worker had no job", () => {
    const losses = [{ at: 2_000, workerId: "worker-2" }];
    expect(measure(history([...lost, ...elsewhere]), losses).recoverySecondsP50).toBeUndefined();
  });

  it("a percentile is the smallest value that this share of the values does not exceed", () => {
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(2);
    expect(percentile([1, 2, 3, 4], 0.99)).toBe(4);
    expect(percentile([], 0.5)).toBeUndefined();
  });
});

describe("the schedule of a run", () => {
  const options = { killCount: 20, workers: ["worker-1", "worker-2"], lockMs: 5_000, withPauses: true };

  it("the schedule of a run depends only on its seed", () => {
    expect(scheduleOf(seededRandom(7), options)).toEqual(scheduleOf(seededRandom(7), options));
    expect(scheduleOf(seededRandom(8), options)).not.toEqual(scheduleOf(seededRandom(7), options));
  });

  it("the schedule of a run has the requested kills, pauses shorter and longer than a lock, and leaves storage alone", () => {
    const schedule = scheduleOf(seededRandom(1), options);
    const pauses = schedule.flatMap(({ injury }) => (injury.kind === "pause" ? [injury.pauseMs] : []));
    expect(schedule.filter(({ injury }) => injury.kind === "kill")).toHaveLength(20);
    expect(pauses.filter((ms) => ms > options.lockMs)).toHaveLength(5);
    expect(pauses.filter((ms) => ms < options.lockMs)).toHaveLength(5);
    expect(schedule.some(({ program }) => program === "storage")).toBe(false);
    expect(schedule.map(({ afterShare }) => afterShare)).toEqual(
      schedule.map(({ afterShare }) => afterShare).sort((a, b) => a - b),
    );
  });
});

describe("the network faults of a run", () => {
  const options = { faultCount: 20, workers: ["worker-1", "worker-2"], lockMs: 5_000 };

  it("the network faults of a run depend only on its seed", () => {
    expect(faultsOf(seededRandom(7), options)).toEqual(faultsOf(seededRandom(7), options));
    expect(faultsOf(seededRandom(8), options)).not.toEqual(faultsOf(seededRandom(7), options));
  });

  it("the network faults of a run have every kind on every link, sorted by time", () => {
    const faults = faultsOf(seededRandom(1), options);
    const met = new Set(faults.map(({ service, fault }) => `${fault.kind} ${service}`));
    expect([...met].toSorted()).toEqual(
      ["blackhole", "cut", "late", "slow", "stall"].flatMap((kind) => [`${kind} bus`, `${kind} storage`]),
    );
    expect(new Set(faults.map(({ program }) => program))).toEqual(new Set(["api", "worker-1", "worker-2"]));
    const shares = faults.map(({ afterShare }) => afterShare);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  });
});

describe("the intents of callers", () => {
  it("the intents of callers depend only on the seed", () => {
    expect(intentsOf(seededRandom(7), 200)).toEqual(intentsOf(seededRandom(7), 200));
    expect(intentsOf(seededRandom(8), 200)).not.toEqual(intentsOf(seededRandom(7), 200));
  });

  it("the intents of callers have every kind, for jobs in every state", () => {
    const intents = intentsOf(seededRandom(1), 200).map(({ intent }) => intent);
    expect(new Set(intents.map(({ kind }) => kind))).toEqual(
      new Set(["cancel", "requeue", "requeue-many", "requeue-batch", "reschedule"]),
    );
    const aims = intents.flatMap((intent) => ("aim" in intent ? [intent.aim] : []));
    expect(new Set(aims)).toEqual(new Set(["queued", "delayed", "running", "succeeded", "failed", "canceled"]));
  });
});
