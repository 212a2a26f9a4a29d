/** The rules of the checker for batches: one completion per generation, without running jobs, and reopened before any start. */
import { describe, expect, it } from "vitest";
import {
  doubleCompletions,
  illegalBatchChanges,
  lostBatches,
  needlessReopenings,
} from "../../chaos/engine/check-batches.ts";
import { staleWrites } from "../../chaos/engine/check-jobs.ts";
import { type History, replay } from "../../chaos/engine/replay.ts";
import type { RowWrite, WireRecord } from "../../chaos/engine/storage-wire.ts";

const BATCH = "chaos.b";
const JOB = "chaos.b.00.1";

type Cells = Readonly<Record<string, unknown>>;

/** Writes of a batch's row and of its job's row in turn, each on the version before unless it says otherwise. */
function historyOf(
  ...steps: readonly (readonly [table: "batches" | "jobs", cells: Cells, ifMatch?: string])[]
): History {
  const versions = { batches: 0, jobs: 0 };
  const records = steps.map(([table, cells, given], index): WireRecord => {
    const version = versions[table]++;
    const address = table === "batches" ? { partition: "chaos", row: BATCH } : { partition: `${BATCH}.00`, row: JOB };
    const write: RowWrite = {
      ...{ table, ...address, kind: version === 0 ? "insert" : "merge", cells },
      ifMatch: given ?? (version === 0 ? undefined : `e${version}`),
      etag: `e${version + 1}`,
    };
    return { at: index, status: 204, landed: true, writes: [write] };
  });
  return replay(records);
}

const created = ["batches", { state: "open", generation: 1, completedGeneration: 0 }] as const;
const closed = ["batches", { state: "closed" }] as const;
const complete = (generation: number) => ["batches", { completedGeneration: generation }] as const;
const reopened = (generation: number) => ["batches", { generation, completedAt: "" }] as const;
const queued = ["jobs", { state: "queued", ring: 1 }] as const;
const started = (claimId: string) => ["jobs", { state: "running", claimId }] as const;
const ended = ["jobs", { state: "failed" }] as const;
const requeued = ["jobs", { state: "queued", ring: 2, claimId: "" }] as const;

const FIRST = [created, queued, started("a"), closed, ended, complete(1)] as const;
const SECOND = [requeued, reopened(2), started("b"), ended, complete(2)] as const;

describe("checking batches", () => {
  it("the checker accepts a batch that was completed once in each of two generations", () => {
    const history = historyOf(...FIRST, ...SECOND);
    expect([...doubleCompletions(history), ...illegalBatchChanges(history), ...lostBatches(history)]).toEqual([]);
    expect(staleWrites(history)).toEqual([]);
  });

  it("the checker reports a batch that was never completed, and no open batch", () => {
    expect(lostBatches(historyOf(created, queued, closed))).toEqual([`${BATCH} was never completed in generation 1`]);
    expect(lostBatches(historyOf(...FIRST, reopened(2)))).toEqual([`${BATCH} was never completed in generation 2`]);
    expect(lostBatches(historyOf(created, queued))).toEqual([]);
  });

  it("the checker reports a generation of a batch that was completed twice", () => {
    expect(doubleCompletions(historyOf(...FIRST, complete(1)))).toEqual([`${BATCH} generation 1 was completed twice`]);
  });

  it("the checker reports a batch that was completed while a job was running", () => {
    expect(doubleCompletions(historyOf(created, queued, started("a"), closed, complete(1)))).toEqual([
      `${BATCH} generation 1 was completed while ${JOB} was running`,
    ]);
  });

  it("the checker reports a requeued job that started before its batch was reopened", () => {
    expect(doubleCompletions(historyOf(...FIRST, requeued, started("b"), reopened(2)))).toEqual([
      `${JOB} was started while ${BATCH} was complete`,
    ]);
  });

  it("the checker accepts a requeue that was written before its batch was reopened, also during its completion", () => {
    const [, ...rest] = SECOND;
    expect(doubleCompletions(historyOf(...FIRST.slice(0, -1), requeued, complete(1), ...rest))).toEqual([]);
  });

  it.each([
    ["is opened after it was closed", [created, closed, ["batches", { state: "open" }] as const]],
    ["completes a generation that does not exist", [created, closed, complete(2)]],
    ["forgets a completion", [...FIRST, complete(0)]],
    ["gets a new generation before the old one is complete", [created, closed, reopened(2)]],
    ["skips a generation", [...FIRST, reopened(3)]],
  ])("the checker reports a batch that %s", (_what, steps) => {
    expect(illegalBatchChanges(historyOf(...steps))).toHaveLength(1);
  });

  it("the checker reports a batch that was opened again without a job", () => {
    expect(needlessReopenings(historyOf(...FIRST, reopened(2)))).toEqual([
      `${BATCH}: generation 2 was opened without a job`,
    ]);
    expect(needlessReopenings(historyOf(...FIRST, ...SECOND))).toEqual([]);
    // Its job was canceled before the requeue came to the batch.
    const canceled = ["jobs", { state: "canceled" }] as const;
    const owed = ["jobs", { state: "queued", ring: 2, reopen: true }] as const;
    expect(needlessReopenings(historyOf(...FIRST.slice(0, -1), owed, canceled, complete(1), reopened(2)))).toEqual([]);
    // Its job was inserted while the batch was being completed.
    expect(needlessReopenings(historyOf(created, closed, queued, complete(1), reopened(2)))).toEqual([]);
  });

  it("the checker reports a write of a batch with an outdated version or without one", () => {
    expect(staleWrites(historyOf(created, closed, ["batches", { state: "canceled" }, "e1"]))).toHaveLength(1);
    expect(staleWrites(historyOf(created, ["batches", { state: "closed" }, "*"]))).toHaveLength(1);
  });
});
