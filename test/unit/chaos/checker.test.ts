/** The checker must report every fault. Each test gives it a history with exactly one fault. */
import { describe, expect, it } from "vitest";
import { judge, type Verdict } from "../../chaos/engine/checker.ts";
import type { Command, JobAnswer } from "../../chaos/engine/commands.ts";
import { replay } from "../../chaos/engine/replay.ts";
import type { RunFacts } from "../../chaos/engine/run-facts.ts";
import type { RowWrite, WireRecord } from "../../chaos/engine/storage-wire.ts";

const BATCH = "chaos.b";
const PARTITION = "chaos.b.00";
const JOB = "chaos.b.00.1";

const STEP_MS = 10_000;

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
    // Far enough from each other for clocks to tell them apart.
    return { at: index * STEP_MS, status: 202, landed, writes };
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
  counts: new Map([[BATCH, { queued: 0, running: 0, succeeded: 1, failed: 0, canceled: 0 }]]),
  commands: [],
};

const verdictOn = (steps: readonly Step[], facts: Partial<RunFacts> = {}): Verdict =>
  judge(replay(recordsOf(steps)), { ...SUCCEEDED, ...facts });

/** The rules that complain, so that a doctored history is seen to offend against its own rule. */
const complaints = (verdict: Verdict): string[] =>
  Object.entries({ ...verdict }).flatMap(([rule, sentences]) => (sentences.length > 0 ? [rule] : []));

const found = (etag: string, state = "succeeded"): Partial<RunFacts> => ({
  found: new Map([[JOB, { state, etag }]]),
  counts: new Map([[BATCH, { [state]: 1 }]]),
});

/** Asked at one step and answered at another; of the job, unless a batch is named. */
const command = (
  kind: Command["kind"],
  [askedAt, answeredAt]: readonly [asked: number, answered: number],
  answer?: JobAnswer,
  batchId?: string,
): Command => ({
  kind,
  jobIds: batchId === undefined ? [JOB] : [],
  batchId,
  triedAt: [askedAt * STEP_MS],
  answeredAt: answeredAt * STEP_MS,
  answers: answer === undefined ? new Map() : new Map([[JOB, answer]]),
});

describe("the checker", () => {
  it("the checker accepts a job that was taken over and succeeded", () => {
    expect(complaints(verdictOn(GOOD))).toEqual([]);
  });

  it("the checker accepts notes of waiting jobs among the rows of jobs", () => {
    const note = { table: "jobs", partition: "~waiting", row: "jobs-default-low.chaos.b", cells: { since: "" } };
    const written = { ...note, kind: "merge", ifMatch: undefined, etag: "n1" } as const;
    const records = [...recordsOf(GOOD), { at: 0, status: 204, landed: true, writes: [written] }];
    expect(complaints(judge(replay(records), SUCCEEDED))).toEqual([]);
  });

  it("the checker accepts a refused write", () => {
    const late: Step = { cells: { state: "failed" }, ifMatch: "e2", landed: false };
    expect(complaints(verdictOn([...GOOD, late]))).toEqual([]);
  });

  it("the checker reports an accepted job without a row", () => {
    expect(verdictOn(GOOD, { accepted: [JOB, "chaos.b.00.2"] }).lost).toEqual(["chaos.b.00.2 has no row"]);
  });

  it("the checker reports a job that never ended, accepted or not", () => {
    const facts = { ...found("e3", "running"), accepted: [] };
    expect(verdictOn([insert, claim, takeover], facts).lost).toEqual([`${JOB} is still running`]);
  });

  it("the checker reports a row with a write that was not recorded", () => {
    expect(verdictOn(GOOD, found("e9")).lost).toHaveLength(1);
  });

  it("the checker reports a second terminal state", () => {
    const again: Step = { cells: { state: "failed", attempts: 1 }, counter: { succeeded: 0, failed: 1 } };
    const facts = found("e5", "failed");
    const verdict = verdictOn([...GOOD, again], facts);
    expect(verdict.doubleTerminal).toEqual([`${JOB} had ended as succeeded and became failed`]);
    expect(verdict.illegalTransitions).toHaveLength(1);
  });

  it("the checker reports an accepted write with an old version", () => {
    const verdict = verdictOn([insert, claim, takeover, { ...success, ifMatch: "e2" }]);
    expect(complaints(verdict)).toEqual(["staleWrites"]);
  });

  it("the checker reports a write without a condition", () => {
    expect(complaints(verdictOn([insert, claim, takeover, { ...success, ifMatch: undefined }]))).toEqual([
      "staleWrites",
    ]);
    expect(complaints(verdictOn([insert, claim, takeover, { ...success, ifMatch: "*" }]))).toEqual(["staleWrites"]);
  });

  it("the checker reports an end that a worker wrote after it had lost the job", () => {
    const stale: Step = { ...success, cells: { state: "succeeded", ...start(1, "a", "succeeded") } };
    expect(complaints(verdictOn([insert, claim, takeover, stale]))).toEqual(["staleWrites"]);
  });

  it("the checker reports a counter that was written with an old version", () => {
    const records = recordsOf(GOOD);
    const last = records.at(-1)!;
    const doctored = { ...last, writes: [last.writes[0]!, { ...last.writes[1]!, ifMatch: "c1" }] };
    expect(complaints(judge(replay([...records.slice(0, -1), doctored]), SUCCEEDED))).toEqual(["staleWrites"]);
  });

  it("the checker reports an illegal transition", () => {
    const success1: Step = { cells: { state: "succeeded" }, counter: { queued: 0, succeeded: 1 } };
    expect(complaints(verdictOn([insert, success1], found("e2")))).toEqual(["illegalTransitions"]);
  });

  it.each([
    ["a takeover without a recorded interruption", { ...takeover.cells, interruptions: 0 }],
    ["a start that was not counted", { ...takeover.cells, executions: 1 }],
  ])("the checker reports %s", (_what, cells) => {
    expect(complaints(verdictOn([insert, claim, { cells }, success]))).toEqual(["illegalTransitions"]);
  });

  it.each([
    ["a retry under the same ring", { state: "queued", ring: 1, attempts: 1 }],
    ["a return to queued without a reason", { state: "queued", ring: 2 }],
  ])("the checker reports %s", (_what, cells) => {
    const back: Step = { cells, counter: { queued: 1, running: 0 } };
    const facts = found("e3", "queued");
    expect(verdictOn([insert, claim, back], facts).illegalTransitions).toHaveLength(1);
  });

  it("the checker reports an interruption that was removed", () => {
    const forgetful: Step = { ...success, cells: { ...success.cells, interruptions: 0 } };
    expect(complaints(verdictOn([insert, claim, takeover, forgetful]))).toEqual(["illegalTransitions"]);
  });

  it("the checker reports a counter that is off by one", () => {
    const wrong: Step = { ...success, counter: { queued: 0, running: 0, succeeded: 2 } };
    const { counterMismatch } = verdictOn([insert, claim, takeover, wrong]);
    expect(counterMismatch[0]).toBe(
      `${PARTITION}: -1 running, 1 succeeded moved, -1 running, 2 succeeded were counted`,
    );
    expect(complaints(verdictOn([insert, claim, takeover, wrong]))).toEqual(["counterMismatch"]);
  });

  it("the checker reports counters that were right in each step and are wrong at the end", () => {
    const verdict = verdictOn(GOOD, { counts: new Map([[BATCH, { succeeded: 2 }]]) });
    expect(verdict.counterMismatch).toEqual([
      `${BATCH}: the system's counts show 2 succeeded, but the tables contain 1 succeeded`,
    ]);
  });
});

describe("checking canceled jobs", () => {
  const wanted: Step = { cells: { cancelWanted: true } };
  const canceled: Step = {
    cells: { state: "canceled", ...start(1, "a", "canceled") },
    counter: { queued: 0, running: 0, canceled: 1 },
  };
  const canceledQueued: Step = { cells: { state: "canceled" }, counter: { queued: 0, canceled: 1 } };
  const asked = command("cancel", [1, 2], "requested");
  const CANCELED = [insert, claim, wanted, canceled];

  it("the checker accepts a canceled job that its worker ended", () => {
    const facts = { ...found("e4", "canceled"), commands: [asked] };
    expect(complaints(verdictOn(CANCELED, facts))).toEqual([]);
  });

  it("the checker accepts a job that succeeded before its cancel", () => {
    const first: Step = {
      cells: { state: "succeeded", ...start(1, "a", "succeeded") },
      counter: { queued: 0, running: 0, succeeded: 1 },
    };
    const facts = { ...found("e4"), commands: [asked] };
    expect(complaints(verdictOn([insert, claim, wanted, first], facts))).toEqual([]);
  });

  it("the checker accepts a cancel of a job that had not started", () => {
    const facts = { ...found("e2", "canceled"), commands: [command("cancel", [0, 1], "canceled")] };
    expect(complaints(verdictOn([insert, canceledQueued], facts))).toEqual([]);
  });

  it("the checker reports a canceled job without a cancel request", () => {
    expect(complaints(verdictOn([insert, canceledQueued], found("e2", "canceled")))).toEqual(["illegalTransitions"]);
    expect(verdictOn(CANCELED, found("e4", "canceled")).illegalTransitions).toHaveLength(2);
  });

  it("the checker reports a canceled job without a cancel in its row", () => {
    const facts = { ...found("e3", "canceled"), commands: [command("cancel", [0, 2])] };
    expect(verdictOn([insert, claim, canceled], facts).illegalTransitions).toEqual([
      `${JOB}: it was canceled without a cancel in its row`,
    ]);
  });

  it.each<[string, Step, string]>([
    [
      "a canceled job that is retried",
      { cells: { state: "queued", ring: 2, attempts: 1, claimId: "" }, counter: { queued: 1, running: 0 } },
      "queued",
    ],
    [
      "a canceled job that failed",
      { cells: { state: "failed", attempts: 1 }, counter: { queued: 0, running: 0, failed: 1 } },
      "failed",
    ],
    ["a canceled job that is taken over", { cells: { ...takeover.cells } }, "running"],
    ["a cancel request that is removed", { cells: { cancelWanted: false } }, "running"],
  ])("the checker reports %s", (_what, wrong, state) => {
    const facts = { ...found("e4", state), commands: [asked] };
    expect(verdictOn([insert, claim, wanted, wrong], facts).illegalTransitions).toHaveLength(1);
  });

  it.each<[JobAnswer, string]>([
    ["canceled", "a confirmed cancel without a write"],
    ["requested", "a confirmed cancel request without a write"],
    ["too-late", "a job that had not ended"],
  ])("the checker reports, for the answer %s, %s", (answer) => {
    const facts = { commands: [command("cancel", [0, 1], answer)] };
    expect(complaints(verdictOn(GOOD, facts))).toEqual(["brokenAnswers"]);
  });

  it("the checker reports a job that the cancel of its batch left out", () => {
    const facts = { commands: [command("cancel", [1.2, 1.5], undefined, BATCH)] };
    expect(verdictOn(GOOD, facts).brokenAnswers).toEqual([`${JOB}: its batch was canceled, but it was not`]);
  });

  it("the checker accepts a job that was submitted after the cancel of its batch, and a cancel without an answer", () => {
    const late = command("cancel", [-9, -8], undefined, BATCH);
    const unanswered = { ...command("cancel", [1, 2], "requested"), answeredAt: undefined };
    expect(complaints(verdictOn(GOOD, { commands: [late, unanswered] }))).toEqual([]);
  });
});

describe("checking requeued jobs", () => {
  const requeueCells = { state: "queued", ring: 2, attempts: 0, interruptions: 0, claimId: "", reopen: true };
  const requeue: Step = { cells: requeueCells, counter: { queued: 1, running: 0, succeeded: 0 } };
  const again: Step = {
    cells: { state: "running", claimId: "c", executions: 3, reopen: false, ...start(3, "c") },
    counter: { queued: 0, running: 1, succeeded: 0 },
  };
  const successAgain: Step = {
    cells: { state: "succeeded", ...start(3, "c", "succeeded") },
    counter: { queued: 0, running: 0, succeeded: 1 },
  };
  const REQUEUED = [...GOOD, requeue, again, successAgain];
  const asked = command("requeue", [3, 4], "requeued");

  it("the checker accepts a requested requeue", () => {
    expect(complaints(verdictOn(REQUEUED, { ...found("e7"), commands: [asked] }))).toEqual([]);
    const batch = command("requeue", [3, 4], undefined, BATCH);
    expect(complaints(verdictOn(REQUEUED, { ...found("e7"), commands: [batch] }))).toEqual([]);
  });

  it("the checker reports a requeue without a request for its job or batch", () => {
    expect(complaints(verdictOn(REQUEUED, found("e7")))).toEqual(["doubleTerminal"]);
    const other = command("requeue", [3, 4], undefined, "chaos.c");
    expect(complaints(verdictOn(REQUEUED, { ...found("e7"), commands: [other] }))).toEqual(["doubleTerminal"]);
    const later = command("requeue", [6, 6], "not-ended");
    expect(verdictOn(REQUEUED, { ...found("e7"), commands: [later] }).doubleTerminal).toHaveLength(1);
  });

  it("the checker reports a job that was requeued more often than requested", () => {
    const twice = [...REQUEUED, { ...requeue, cells: { ...requeueCells, ring: 3 } }];
    const facts = { ...found("e8", "queued"), commands: [asked] };
    expect(verdictOn(twice, facts).doubleTerminal).toHaveLength(1);
    const repeated = { ...asked, triedAt: [3 * STEP_MS, 6 * STEP_MS], answeredAt: 7 * STEP_MS };
    expect(verdictOn(twice, { ...facts, commands: [repeated] }).doubleTerminal).toEqual([]);
  });

  it("the checker reports a job that runs again without being queued", () => {
    const straight = { ...again, cells: { ...again.cells } };
    const verdict = verdictOn([...GOOD, straight], { ...found("e5", "running"), commands: [asked] });
    expect(verdict.doubleTerminal).toEqual([`${JOB} had ended as succeeded and became running`]);
  });

  it.each([
    ["under its old ring", { ring: 1 }],
    ["with failures from before", { attempts: 1 }],
    ["with a cancel from before", { cancelWanted: true }],
    ["with its old claim", { claimId: "b" }],
    ["without a note to reopen its batch", { reopen: false }],
  ])("the checker reports a job that was requeued %s", (_what, cells) => {
    const wrong = { ...requeue, cells: { ...requeueCells, ...cells } };
    const facts = { ...found("e5", "queued"), commands: [asked, command("cancel", [0, 0])] };
    expect(verdictOn([...GOOD, wrong], facts).illegalTransitions).toHaveLength(1);
  });

  it("the checker reports a confirmed requeue without a write", () => {
    expect(complaints(verdictOn(GOOD, { commands: [command("requeue", [3, 4], "requeued")] }))).toEqual([
      "brokenAnswers",
    ]);
  });
});

describe("checking rescheduled jobs", () => {
  const at = (step: number): string => new Date(step * STEP_MS).toISOString();
  const delayed: Step = { ...insert, cells: { ...insert.cells, runAt: at(9) } };
  const move: Step = { cells: { state: "queued", ring: 2, runAt: at(1.5) } };
  const MOVED = [delayed, move, claim, takeover, success];
  const asked = { ...command("reschedule", [0.5, 1], "rescheduled"), runAt: 1.5 * STEP_MS };

  it("the checker accepts a requested reschedule to an earlier time", () => {
    expect(complaints(verdictOn(MOVED, { ...found("e5"), commands: [asked] }))).toEqual([]);
  });

  it("the checker reports a reschedule without a request", () => {
    expect(verdictOn(MOVED, found("e5")).illegalTransitions).toEqual([`${JOB}: it was rescheduled without a request`]);
  });

  it("the checker reports a start before the time of the job, such as by the bell of the time before", () => {
    const later = { ...move, cells: { ...move.cells, runAt: at(4) } };
    const commands = [{ ...asked, runAt: 4 * STEP_MS }];
    const verdict = verdictOn([delayed, later, claim, takeover, success], { ...found("e5"), commands });
    expect(verdict.illegalTransitions).toEqual([`${JOB}: it was started 20000 ms before its time`]);
  });

  it("the checker reports a reschedule that skips a ring, and one that was confirmed and not made", () => {
    const skips = { ...move, cells: { ...move.cells, ring: 3 } };
    const verdict = verdictOn([delayed, skips, claim, takeover, success], { ...found("e5"), commands: [asked] });
    expect(complaints(verdict)).toEqual(["illegalTransitions"]);
    const other = { ...asked, runAt: 3 * STEP_MS };
    expect(complaints(verdictOn(MOVED, { ...found("e5"), commands: [other] }))).toEqual(["brokenAnswers"]);
  });
});
