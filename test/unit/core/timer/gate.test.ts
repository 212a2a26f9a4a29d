import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JOB_STATES } from "../../../../runtime/core/job/states.ts";
import {
  nextRunOf,
  decideGate,
  isOver,
  isRungForLater,
  type GateRequest,
  type Known,
  type KnownState,
} from "../../../../runtime/core/timer/gate.ts";

/** Ids of runs for later ticks sort first. */
const [first, second, third, fourth] = ["d", "c", "b", "a"] as const;
const STATES: readonly KnownState[] = [...JOB_STATES, "absent"];
const ALIVE: readonly KnownState[] = ["queued", "running"];
const OVER = STATES.filter((state) => !ALIVE.includes(state));

const knowing =
  (states: Readonly<Record<string, KnownState>>): Known =>
  (jobId) =>
    states[jobId];
const nothing = knowing({});
const request = (fields: Partial<GateRequest> = {}): GateRequest => ({
  jobId: third,
  overlap: "skip",
  waitingMax: 0,
  keeps: "earliest",
  ...fields,
});
const queue = (waitingMax = 1): GateRequest => request({ overlap: "queue", waitingMax });

describe("decideGate", () => {
  it.each([
    ["no run has been yet", undefined],
    ["it is the one that may run", third],
  ])("the gate admits a run when %s, and always with a write", (_when, currentJobId) => {
    expect(decideGate({ currentJobId, waitingJobIds: [second] }, request(), nothing)).toEqual({
      action: "pass",
      turns: { currentJobId: third, waitingJobIds: [second] },
    });
  });

  it.each(OVER)("the gate admits a waiting run when the last one is %s", (state) => {
    const run = { currentJobId: first, waitingJobIds: [third, fourth] };
    expect(decideGate(run, queue(), knowing({ [first]: state }))).toEqual({
      action: "pass",
      turns: { currentJobId: third, waitingJobIds: [fourth] },
    });
  });

  it("the gate admits no run while an earlier one waits, even when none runs", () => {
    const known = knowing({ [first]: "succeeded", [second]: "queued" });
    const run = { currentJobId: first, waitingJobIds: [second] };
    expect(decideGate(run, queue(), knowing({ [first]: "succeeded" }))).toEqual({ action: "look", jobIds: [second] });
    expect(decideGate(run, queue(2), known)).toEqual({
      ...{ action: "wait", dropped: [], turns: { currentJobId: first, waitingJobIds: [second, third] } },
    });
    expect(decideGate({ ...run, waitingJobIds: [second, third] }, queue(2), known)).toEqual({ action: "stay" });
    // One waits at most; and one that meets no run is not left out for want of room to wait.
    expect(decideGate(run, queue(1), known)).toEqual({ action: "leave-out", holderJobId: first });
    expect(decideGate({ ...run, waitingJobIds: [] }, request(), known)).toMatchObject({ action: "pass" });
    for (const state of OVER) {
      expect(decideGate(run, queue(), knowing({ [first]: "succeeded", [second]: state }))).toMatchObject({
        action: "pass",
      });
    }
  });

  it("the gate keeps the latest waiting runs, or the earliest", () => {
    const run = { currentJobId: first, waitingJobIds: [second, third] };
    const known = knowing({ [first]: "running", [second]: "queued", [third]: "queued" });
    const last = (keeps: GateRequest["keeps"]): GateRequest => ({ ...queue(2), jobId: fourth, keeps });
    expect(decideGate(run, last("latest"), known)).toEqual({
      ...{ action: "wait", dropped: [second], turns: { currentJobId: first, waitingJobIds: [third, fourth] } },
    });
    expect(decideGate(run, last("earliest"), known)).toEqual({ action: "leave-out", holderJobId: first });
    const late = { currentJobId: first, waitingJobIds: [third, fourth] };
    const lateKnown = knowing({ [first]: "running", [third]: "queued", [fourth]: "queued" });
    expect(decideGate(late, { ...queue(2), jobId: second, keeps: "latest" }, lateKnown)).toMatchObject({
      action: "leave-out",
    });
  });

  it("the gate looks at the holder before it decides", () => {
    const run = { currentJobId: first, waitingJobIds: [] };
    expect(decideGate(run, request(), nothing)).toEqual({ action: "look", jobIds: [first] });
  });

  it("the gate admits every run of a timer that may overlap, without a look at others", () => {
    const run = { currentJobId: first, waitingJobIds: [] };
    const decision = decideGate(run, request({ overlap: "allow" }), nothing);
    expect(decision).toMatchObject({ action: "pass", turns: { currentJobId: third } });
  });

  it.each(ALIVE)("the gate skips a run while another is %s", (state) => {
    const run = { currentJobId: first, waitingJobIds: [] };
    const expected = { action: "leave-out", holderJobId: first };
    expect(decideGate(run, request(), knowing({ [first]: state }))).toEqual(expected);
  });

  it.each(ALIVE)("the gate lets a run wait while another is %s, behind runs of earlier ticks", (state) => {
    const known = knowing({ [first]: state });
    const wait = (waitingJobIds: readonly string[]) => ({
      ...{ action: "wait", dropped: [] },
      turns: { currentJobId: first, waitingJobIds },
    });
    expect(decideGate({ currentJobId: first, waitingJobIds: [] }, queue(), known)).toEqual(wait([third]));
    const two = { currentJobId: first, waitingJobIds: [second, fourth] };
    expect(decideGate(two, queue(3), known)).toEqual(wait([second, third, fourth]));
  });

  it("the gate leaves a waiting run in its place", () => {
    const run = { currentJobId: first, waitingJobIds: [second, third] };
    expect(decideGate(run, queue(), knowing({ [first]: "running" }))).toEqual({ action: "stay" });
    expect(decideGate(run, request(), knowing({ [first]: "running" }))).toEqual({ action: "stay" });
  });

  it("the gate gives the room of ended runs to others, and skips a run when there is none", () => {
    const run = { currentJobId: first, waitingJobIds: [second] };
    expect(decideGate(run, queue(), knowing({ [first]: "running" }))).toEqual({ action: "look", jobIds: [second] });
    for (const state of OVER) {
      expect(decideGate(run, queue(), knowing({ [first]: "running", [second]: state }))).toEqual({
        ...{ action: "wait", dropped: [] },
        turns: { currentJobId: first, waitingJobIds: [third] },
      });
    }
    for (const state of ALIVE) {
      const known = knowing({ [first]: "running", [second]: state });
      expect(decideGate(run, queue(), known)).toEqual({ action: "leave-out", holderJobId: first });
    }
  });

  it("the gate always decides after the looks it asks for, and never lets two runs hold it or too many wait", () => {
    const ids = ["e", "d", "c", "b", "a"] as const;
    const ways = fc.constantFrom("earliest" as const, "latest" as const);
    const some = fc.subarray([...ids]);
    const states = fc.record(Object.fromEntries(ids.map((id) => [id, fc.constantFrom(...STATES)])));
    fc.assert(
      fc.property(
        fc.constantFrom(undefined, ...ids),
        some,
        states,
        fc.nat(3),
        ways,
        (currentJobId, waiting, truth, room, keeps) => {
          const run = { currentJobId, waitingJobIds: waiting.filter((id) => id !== currentJobId).slice(0, room) };
          const asked = new Set<string>();
          const known: Known = (id) => (asked.has(id) ? truth[id] : undefined);
          const wish = { ...queue(room), keeps };
          let decision = decideGate(run, wish, known);
          for (; decision.action === "look"; decision = decideGate(run, wish, known)) {
            for (const id of decision.jobIds) {
              expect(asked.has(id)).toBe(false);
              asked.add(id);
            }
          }
          const isMine = currentJobId === undefined || currentJobId === third;
          const goFirst = run.waitingJobIds.filter((id) => id > third && !isOver(truth[id]));
          const isNext = currentJobId !== undefined && isOver(truth[currentJobId]) && goFirst.length === 0;
          expect(decision.action === "pass").toBe(isMine || isNext);
          if (decision.action !== "pass" && decision.action !== "wait") return;
          const { turns } = decision;
          expect(turns.currentJobId).toBe(decision.action === "pass" ? third : currentJobId);
          expect(turns.waitingJobIds.includes(third)).toBe(decision.action === "wait");
          expect(turns.waitingJobIds.length).toBeLessThanOrEqual(Math.max(1, room));
          expect(turns.waitingJobIds).toEqual(turns.waitingJobIds.toSorted().toReversed());
          const dropped = run.waitingJobIds.filter((id) => id !== third && !turns.waitingJobIds.includes(id));
          const given = decision.action === "wait" ? decision.dropped : [];
          expect(dropped.filter((id) => !isOver(truth[id]))).toEqual(given);
          expect(keeps === "latest" || given.length === 0).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("askOf", () => {
  it("askOf does nothing without waiting runs, and looks at none", () => {
    expect(nextRunOf({ currentJobId: first, waitingJobIds: [] }, nothing)).toEqual({ action: "nothing" });
  });

  it.each(ALIVE)("askOf does nothing while the holder is %s", (state) => {
    const run = { currentJobId: first, waitingJobIds: [second] };
    expect(nextRunOf(run, nothing)).toEqual({ action: "look", jobIds: [first] });
    expect(nextRunOf(run, knowing({ [first]: state }))).toEqual({ action: "nothing" });
  });

  it.each(OVER)("askOf rings for the first waiting run when the holder is %s, and skips ended ones", (state) => {
    const run = { currentJobId: first, waitingJobIds: [second, third] };
    expect(nextRunOf(run, knowing({ [first]: state }))).toEqual({ action: "look", jobIds: [second] });
    expect(nextRunOf(run, knowing({ [first]: state, [second]: "queued" }))).toEqual({ action: "ring", jobId: second });
    const passing = knowing({ [first]: state, [second]: "canceled", [third]: "queued" });
    expect(nextRunOf(run, passing)).toEqual({ action: "ring", jobId: third });
    const nobody = knowing({ [first]: state, [second]: "canceled", [third]: "absent" });
    // Somebody may have come to wait behind one that has ended since.
    expect(nextRunOf(run, nobody)).toEqual({ action: "read-again" });
  });
});

describe("isRungForLater", () => {
  const run = { currentJobId: first, waitingJobIds: [second, third] };

  it.each(ALIVE)("no waiting run needs a bell while the holder is %s", (state) => {
    const next = nextRunOf(run, knowing({ [first]: state }));
    expect([second, third].map((jobId) => isRungForLater(jobId, next))).toEqual([true, true]);
  });

  it.each(OVER)("only the first waiting run needs a bell when the holder is %s", (state) => {
    const next = nextRunOf(run, knowing({ [first]: state, [second]: "queued", [third]: "queued" }));
    expect([second, third].map((jobId) => isRungForLater(jobId, next))).toEqual([false, true]);
    const later = nextRunOf(run, knowing({ [first]: state, [second]: "canceled", [third]: "queued" }));
    expect(isRungForLater(third, later)).toBe(false);
  });
});
