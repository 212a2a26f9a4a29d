/** The checker of timers must report every fault. Each test gives it a history with exactly one fault. */
import { describe, expect, it } from "vitest";
import { judgeTimers, type Rule } from "../../chaos/timers/checker.ts";
import {
  dueTicks,
  TICK_EPOCH,
  type Move,
  type Note,
  type TimerFacts,
  type WatchedJob,
  type WatchedRun,
  type WatchedTimer,
} from "../../chaos/timers/facts.ts";

const PERIOD_MS = 10_000;
const tick = (number: number): number => TICK_EPOCH + number * PERIOD_MS;

const job = (number: number, fields: Partial<WatchedJob> = {}): WatchedJob => ({
  jobId: `j${number}`,
  trigger: "schedule",
  scheduledAt: tick(number),
  state: "succeeded",
  failureCode: undefined,
  executions: 1,
  interruptions: 0,
  ...fields,
});
const left = (number: number, failureCode: string): WatchedJob =>
  job(number, { state: "canceled", failureCode, executions: 0 });

const note = (kind: Note["kind"], number: number, fields: Partial<Note> = {}): Note => ({
  ...{ kind, timer: "T", jobId: `j${number}`, claimId: `c${number}`, fence: number, scheduledAt: tick(number) },
  at: tick(number) + (kind === "start" ? 100 : 4_000),
  ...fields,
});
const move = (number: number, state: string, afterMs: number, fields: Partial<Move> = {}): Move => ({
  ...{ at: tick(number) + afterMs, jobId: `j${number}`, state, claimId: `c${number}`, worker: "w1" },
  ...fields,
});
const life = (number: number): Move[] => [
  move(number, "queued", 10, { claimId: "", worker: "" }),
  move(number, "running", 20),
  move(number, "succeeded", 4_100),
];
const work = (number: number): Note[] => [note("start", number), note("end", number)];

/** Tick 1 and 4 run, 2 is skipped, 3 was missed. */
const RUN: WatchedRun = {
  ...{ coveredUpTo: tick(4), overtakenTicks: [], missedCount: 1, skippedCount: 1, fence: 4, waitingJobIds: [] },
};
const TIMER: WatchedTimer = {
  ...{ name: "T", periodMs: PERIOD_MS, overlap: "skip", misfire: "once", hangs: false, activeFrom: tick(0), run: RUN },
  jobs: [job(1), left(2, "TimerSkipped"), job(4)],
};
const GOOD: TimerFacts = {
  timers: [TIMER],
  moves: [...life(1), ...life(4)],
  notes: [...work(1), ...work(4)],
  subscriptions: { wanted: ["s"], found: ["s"] },
  workers: ["w1"],
  endAt: tick(4) + 5_000,
  patienceMs: 5_000,
  poison: { sent: ["p"], deadLetters: ["p", "other"] },
  mustMiss: true,
};

const having = (timer: Partial<WatchedTimer>, facts: Partial<TimerFacts> = {}): TimerFacts => ({
  ...GOOD,
  ...facts,
  timers: [{ ...TIMER, ...timer }],
});
const broken = (facts: TimerFacts): readonly string[] =>
  Object.entries(judgeTimers(facts)).flatMap(([rule, sentences]) => (sentences.length > 0 ? [rule] : []));

describe("ticks", () => {
  it("the due ticks are the multiples of the period after one instant and up to another", () => {
    expect(dueTicks(TIMER, tick(0), tick(2))).toEqual([tick(1), tick(2)]);
    expect(dueTicks(TIMER, tick(0) - 1, tick(2) - 1)).toEqual([tick(0), tick(1)]);
    expect(dueTicks(TIMER, tick(2), tick(2) + 9_999)).toEqual([]);
  });
});

describe("the checker of timers", () => {
  it("the checker of timers accepts a correct run", () => {
    expect(broken(GOOD)).toEqual([]);
  });

  it("the checker of timers reports a run that started before a waiting run of an earlier tick, unless that one was queued too late", () => {
    const inTurn = (queuedAfterMs: number) =>
      having(
        { overlap: "queue", jobs: [job(1), job(2), job(4)] },
        {
          moves: [
            ...life(1),
            move(2, "queued", queuedAfterMs, { claimId: "", worker: "" }),
            ...life(4).slice(0, 2),
            move(4, "succeeded", 50),
            move(2, "running", 30_000),
            move(2, "succeeded", 31_000),
          ],
        },
      );
    expect(judgeTimers(inTurn(10)).outOfOrder).toEqual([expect.stringContaining("j4 was started at")]);
    expect(judgeTimers(inTurn(19_000)).outOfOrder).toEqual([]);
    expect(judgeTimers(having({ ...inTurn(10).timers[0], overlap: "allow" }, inTurn(10))).outOfOrder).toEqual([]);
  });

  it("the checker of timers accepts a run that was taken over with a new fence", () => {
    const again = { claimId: "c1b", fence: 2, at: tick(1) + 6_000 };
    const facts = having(
      { jobs: [job(1, { executions: 2, interruptions: 1 }), left(2, "TimerSkipped"), job(4)] },
      {
        moves: [
          ...life(1).slice(0, 2),
          move(1, "running", 6_000, { claimId: "c1b" }),
          move(1, "succeeded", 9_000),
          ...life(4),
        ],
        notes: [
          note("start", 1),
          note("start", 1, again),
          note("end", 1, { ...again, at: tick(1) + 9_000 }),
          ...work(4),
        ],
      },
    );
    expect(broken(facts)).toEqual([]);
  });

  it("the checker of timers accepts overlapping runs with different fences if the timer allows them", () => {
    const notes = [note("start", 1), note("start", 4, { at: tick(1) + 200 }), note("end", 4), note("end", 1)];
    const moves = [...life(1).slice(0, 2), ...life(4), move(1, "succeeded", 31_000)];
    expect(broken(having({ overlap: "allow" }, { notes, moves }))).toEqual([]);
    expect(broken(having({}, { notes, moves }))).toEqual(["overlaps"]);
  });

  it.each<[string, Rule, TimerFacts]>([
    ["an unknown tick", "lostTicks", having({}, { endAt: tick(5) })],
    [
      "an overtaken tick that never arrived",
      "lostTicks",
      having({ run: { ...RUN, overtakenTicks: [tick(3)], missedCount: 0 } }, { mustMiss: false }),
    ],
    [
      "a tick with two runs",
      "doubleRuns",
      having(
        { jobs: [...TIMER.jobs, job(1, { jobId: "j0" })] },
        { notes: [...work(1), ...work(4), note("end", 1, { jobId: "j0", claimId: "c0" })] },
      ),
    ],
    [
      "a run without a tick",
      "doubleRuns",
      having({
        jobs: [job(1), left(2, "TimerSkipped"), job(4), { ...left(4, "TimerMissed"), scheduledAt: tick(4) + 1 }],
      }),
    ],
    ["a run before the timer existed", "doubleRuns", having({ jobs: [...TIMER.jobs, left(0, "TimerMissed")] })],
    [
      "a start that the row does not know",
      "doubleRuns",
      having({ jobs: [job(1, { executions: 0 }), left(2, "TimerSkipped"), job(4)] }),
    ],
    [
      "work that was done twice without an interruption",
      "doubleRuns",
      having({}, { notes: [...work(1), note("end", 1), ...work(4)] }),
    ],
    ["success without work", "doubleRuns", having({}, { notes: work(1), patienceMs: 60_000 })],
    ["one missed tick too many", "countMismatch", having({ run: { ...RUN, missedCount: 2 } })],
    [
      "a missed tick that is not counted",
      "countMismatch",
      having({ run: { ...RUN, missedCount: 0 } }, { mustMiss: false }),
    ],
    [
      "a missed tick that also ran",
      "countMismatch",
      having({ jobs: [job(1), left(2, "TimerSkipped"), job(3), job(4)], run: RUN }, { notes: [1, 3, 4].flatMap(work) }),
    ],
    ["a skip that is counted twice", "countMismatch", having({ run: { ...RUN, skippedCount: 2 } })],
    ["a skip that is not counted", "countMismatch", having({ run: { ...RUN, skippedCount: 0 } })],
    [
      "two rows that run at the same time",
      "overlaps",
      having({}, { moves: [...life(1).slice(0, 2), ...life(4), move(1, "succeeded", 35_000)] }),
    ],
    [
      "two processes that work at the same time",
      "overlaps",
      having(
        {},
        { notes: [note("start", 1), note("start", 4, { at: tick(1) + 1_000 }), note("end", 1), note("end", 4)] },
      ),
    ],
    [
      "a later run with a smaller fence",
      "staleFences",
      having({}, { notes: [...work(1), note("start", 4, { fence: 1 }), note("end", 4)] }),
    ],
    [
      "a fence that the timer's row does not know",
      "staleFences",
      having({}, { notes: [...work(1), note("start", 4, { fence: 9 }), note("end", 4)] }),
    ],
    [
      "the same fence twice where runs may overlap",
      "staleFences",
      having({ overlap: "allow" }, { notes: [...work(1), note("start", 4, { fence: 1 }), note("end", 4)] }),
    ],
    [
      "a timer that does not run",
      "starved",
      having(
        {
          jobs: [job(1), ...Array.from({ length: 9 }, (_, i) => left(i + 2, "TimerSkipped"))],
          run: { ...RUN, coveredUpTo: tick(10), missedCount: 0, skippedCount: 9 },
        },
        { endAt: tick(10), notes: work(1), moves: life(1), mustMiss: false },
      ),
    ],
    ["a worker without work", "idleWorkers", { ...GOOD, workers: ["w1", "w2"] }],
    [
      "a run that still waits",
      "leftWaiting",
      having({ jobs: [job(1), left(2, "TimerSkipped"), job(4, { state: "queued" })] }),
    ],
    ["a waiting run without a row", "leftWaiting", having({ run: { ...RUN, waitingJobIds: ["gone"] } })],
    ["a missing subscription", "wrongSubscriptions", { ...GOOD, subscriptions: { wanted: ["s", "t"], found: ["s"] } }],
    [
      "a subscription without a timer",
      "wrongSubscriptions",
      { ...GOOD, subscriptions: { wanted: ["s"], found: ["s", "t"] } },
    ],
    ["a lost poison message", "lostPoison", { ...GOOD, poison: { sent: ["p", "q"], deadLetters: ["p"] } }],
    [
      "a run that failed although its code succeeds",
      "unexpectedEndings",
      having({ jobs: [job(1, { state: "failed", failureCode: "JobFailed" }), left(2, "TimerSkipped"), job(4)] }),
    ],
    ["a run that hangs and succeeded", "unexpectedEndings", having({ hangs: true })],
    [
      "a canceled run",
      "unexpectedEndings",
      having({ jobs: [job(1), left(2, "TimerSkipped"), job(4, { state: "canceled", failureCode: "JobCanceled" })] }),
    ],
    [
      "a run for missed ticks without missed ticks",
      "nothingMissed",
      having({
        jobs: [job(1), left(2, "TimerSkipped"), left(3, "TimerSkipped"), job(4)],
        run: { ...RUN, missedCount: 0, skippedCount: 2 },
      }),
    ],
  ])("the checker of timers reports %s", (_, rule, facts) => {
    expect(broken(facts)).toEqual([rule]);
  });
});
