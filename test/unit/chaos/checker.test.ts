/** The checker must find what is wrong: it is shown histories in which exactly one thing is. */
import { describe, expect, it } from "vitest";
import { judge, type RunFacts, type Verdict } from "../../chaos/engine/checker.ts";
import { replay } from "../../chaos/engine/replay.ts";
import type { RowWrite, WireRecord } from "../../support/chaos-wire.ts";

const PARTITION = "chaos.b.00";
const JOB = "chaos.b.00.1";

interface Step {
  /** Of the job's row; no `ifMatch` means the current version. */
  readonly cells: Readonly<Record<string, unknown>>;
  readonly ifMatch?: string | undefined;
  /** What the writer's counter row says afterwards. */
  readonly counter?: Readonly<Record<string, number>>;
  readonly landed?: boolean;
}

/** Records of one job's writes by one writer, each on the version before, unless a step says otherwise. */
function recordsOf(steps: readonly Step[]): WireRecord[] {
  let version = 0;
  let counterVersion = 0;
  return steps.map(({ cells, counter, landed = true, ...given }, index) => {
    const ifMatch = "ifMatch" in given ? given.ifMatch : version === 0 ? undefined : `e${version}`;
    const writes: RowWrite[] = [
      {
        ...{ table: "jobs", partition: PARTITION, row: JOB, kind: index === 0 ? "insert" : "merge", ifMatch, cells },
        etag: landed ? `e${version + 1}` : undefined,
      },
    ];
    if (counter !== undefined) {
      writes.push({
        ...{ table: "jobs", partition: PARTITION, row: "~w", kind: counterVersion === 0 ? "insert" : "replace" },
        ifMatch: counterVersion === 0 ? undefined : `c${counterVersion}`,
        cells: counter,
        etag: landed ? `c${counterVersion + 1}` : undefined,
      });
    }
    if (landed) {
      version += 1;
      if (counter !== undefined) counterVersion += 1;
    }
    return { at: index, status: 202, landed, writes };
  });
}

const start = (execution: number, claimId: string, outcome?: string) => ({
  [`attempt_00${execution}`]: JSON.stringify({ execution, claimId, ...(outcome && { outcome }) }),
});

const insert: Step = {
  cells: { state: "queued", ring: 1, attempts: 0, interruptions: 0, executions: 0 },
  counter: { queued: 1 },
};
const claim: Step = {
  cells: { state: "running", claimId: "a", claimWorker: "worker-1", executions: 1, ...start(1, "a") },
  counter: { queued: 0, running: 1 },
};
const takeover: Step = {
  cells: {
    ...{ state: "running", claimId: "b", claimWorker: "worker-2", executions: 2, interruptions: 1 },
    ...{ ...start(1, "a", "interrupted"), ...start(2, "b") },
  },
};
const success: Step = {
  cells: { state: "succeeded", ...start(2, "b", "succeeded") },
  counter: { queued: 0, running: 0, succeeded: 1 },
};
const GOOD = [insert, claim, takeover, success];

const SUCCEEDED: RunFacts = {
  accepted: [JOB],
  found: new Map([[JOB, { state: "succeeded", etag: "e4" }]]),
  counts: { queued: 0, running: 0, succeeded: 1, failed: 0, canceled: 0 },
};

const verdictOn = (steps: readonly Step[], facts: Partial<RunFacts> = {}): Verdict =>
  judge(replay(recordsOf(steps)), { ...SUCCEEDED, ...facts });

/** The rules that complain, so that a doctored history is seen to offend against its own rule. */
const complaints = (verdict: Verdict): string[] =>
  Object.entries({ ...verdict }).flatMap(([rule, sentences]) => (sentences.length > 0 ? [rule] : []));

const found = (etag: string, state = "succeeded"): Partial<RunFacts> => ({
  found: new Map([[JOB, { state, etag }]]),
});

describe("the checker", () => {
  it("has nothing against a job that was taken over and succeeded", () => {
    expect(complaints(verdictOn(GOOD))).toEqual([]);
  });

  it("has nothing against a write that was refused", () => {
    const late: Step = { cells: { state: "failed" }, ifMatch: "e2", landed: false };
    expect(complaints(verdictOn([...GOOD, late]))).toEqual([]);
  });

  it("finds a job that was accepted and has no row", () => {
    expect(verdictOn(GOOD, { accepted: [JOB, "chaos.b.00.2"] }).lost).toEqual(["chaos.b.00.2 has no row"]);
  });

  it("finds a job that never ended, accepted or not", () => {
    const counts = { running: 1 };
    const facts = { ...found("e3", "running"), accepted: [], counts };
    expect(verdictOn([insert, claim, takeover], facts).lost).toEqual([`${JOB} is still running`]);
  });

  it("finds a row that somebody wrote past the record", () => {
    expect(verdictOn(GOOD, found("e9")).lost).toHaveLength(1);
  });

  it("finds a second terminal state", () => {
    const again: Step = { cells: { state: "failed", attempts: 1 }, counter: { succeeded: 0, failed: 1 } };
    const facts = { ...found("e5", "failed"), counts: { failed: 1 } };
    const verdict = verdictOn([...GOOD, again], facts);
    expect(verdict.doubleTerminal).toEqual([`${JOB} had ended as succeeded and became failed`]);
    expect(verdict.illegalTransitions).toHaveLength(1);
  });

  it("finds a write that was accepted on an old version", () => {
    const verdict = verdictOn([insert, claim, takeover, { ...success, ifMatch: "e2" }]);
    expect(complaints(verdict)).toEqual(["staleWrites"]);
  });

  it("finds a write without a condition", () => {
    expect(complaints(verdictOn([insert, claim, takeover, { ...success, ifMatch: undefined }]))).toEqual([
      "staleWrites",
    ]);
    expect(complaints(verdictOn([insert, claim, takeover, { ...success, ifMatch: "*" }]))).toEqual(["staleWrites"]);
  });

  it("finds an end that a worker wrote after it had lost the job", () => {
    const stale: Step = { ...success, cells: { state: "succeeded", ...start(1, "a", "succeeded") } };
    expect(complaints(verdictOn([insert, claim, takeover, stale]))).toEqual(["staleWrites"]);
  });

  it("finds a counter written on an old version", () => {
    const records = recordsOf(GOOD);
    const last = records.at(-1)!;
    const doctored = { ...last, writes: [last.writes[0]!, { ...last.writes[1]!, ifMatch: "c1" }] };
    expect(complaints(judge(replay([...records.slice(0, -1), doctored]), SUCCEEDED))).toEqual(["staleWrites"]);
  });

  it("finds a transition there is not", () => {
    const success1: Step = { cells: { state: "succeeded" }, counter: { queued: 0, succeeded: 1 } };
    expect(complaints(verdictOn([insert, success1], found("e2")))).toEqual(["illegalTransitions"]);
  });

  it.each([
    ["a takeover without a recorded interruption", { ...takeover.cells, interruptions: 0 }],
    ["a start that was not counted", { ...takeover.cells, executions: 1 }],
  ])("finds %s", (_what, cells) => {
    expect(complaints(verdictOn([insert, claim, { cells }, success]))).toEqual(["illegalTransitions"]);
  });

  it.each([
    ["a retry under the same ring", { state: "queued", ring: 1, attempts: 1 }],
    ["a return to queued without a reason", { state: "queued", ring: 2 }],
  ])("finds %s", (_what, cells) => {
    const back: Step = { cells, counter: { queued: 1, running: 0 } };
    const facts = { ...found("e3", "queued"), counts: { queued: 1 } };
    expect(verdictOn([insert, claim, back], facts).illegalTransitions).toHaveLength(1);
  });

  it("finds an interruption that was forgotten", () => {
    const forgetful: Step = { ...success, cells: { ...success.cells, interruptions: 0 } };
    expect(complaints(verdictOn([insert, claim, takeover, forgetful]))).toEqual(["illegalTransitions"]);
  });

  it("finds a counter that is off by one", () => {
    const wrong: Step = { ...success, counter: { queued: 0, running: 0, succeeded: 2 } };
    const { counterMismatch } = verdictOn([insert, claim, takeover, wrong]);
    expect(counterMismatch[0]).toBe(
      `${PARTITION}: -1 running, 1 succeeded moved, -1 running, 2 succeeded were counted`,
    );
    expect(complaints(verdictOn([insert, claim, takeover, wrong]))).toEqual(["counterMismatch"]);
  });

  it("finds counters that were right in each step and are wrong in the end", () => {
    const verdict = verdictOn(GOOD, { counts: { succeeded: 2 } });
    expect(verdict.counterMismatch).toEqual(["the system's counts say 2 succeeded, the tables hold 1 succeeded"]);
  });
});
