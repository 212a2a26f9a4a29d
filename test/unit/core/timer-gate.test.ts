import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JOB_STATES } from "../../../runtime/core/states.ts";
import {
  askOf,
  gateOf,
  isOver,
  type GateRequest,
  type Known,
  type KnownState,
} from "../../../runtime/core/timer-gate.ts";

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

describe("the gate of a timer", () => {
  it.each([
    ["nobody has run yet", undefined],
    ["it is the one that may run", third],
  ])("lets a run through when %s, with a write in any case", (_when, currentJobId) => {
    expect(gateOf({ currentJobId, waitingJobIds: [second] }, request(), nothing)).toEqual({
      action: "pass",
      turns: { currentJobId: third, waitingJobIds: [second] },
    });
  });

  it.each(OVER)("lets a run through when the last one is %s, and it waits no longer", (state) => {
    const run = { currentJobId: first, waitingJobIds: [second, third] };
    expect(gateOf(run, queue(), knowing({ [first]: state }))).toEqual({
      action: "pass",
      turns: { currentJobId: third, waitingJobIds: [second] },
    });
  });

  it("looks at the holder before it decides", () => {
    const run = { currentJobId: first, waitingJobIds: [] };
    expect(gateOf(run, request(), nothing)).toEqual({ action: "look", jobIds: [first] });
  });

  it("lets every run through that may overlap, and looks at nobody", () => {
    const run = { currentJobId: first, waitingJobIds: [] };
    const decision = gateOf(run, request({ overlap: "allow" }), nothing);
    expect(decision).toMatchObject({ action: "pass", turns: { currentJobId: third } });
  });

  it.each(ALIVE)("leaves a run out while another is %s", (state) => {
    const run = { currentJobId: first, waitingJobIds: [] };
    const expected = { action: "leave-out", holderJobId: first };
    expect(gateOf(run, request(), knowing({ [first]: state }))).toEqual(expected);
  });

  it.each(ALIVE)("lets a run wait while another is %s, behind those of earlier ticks", (state) => {
    const known = knowing({ [first]: state });
    const wait = (waitingJobIds: readonly string[]) => ({
      action: "wait",
      turns: { currentJobId: first, waitingJobIds },
    });
    expect(gateOf({ currentJobId: first, waitingJobIds: [] }, queue(), known)).toEqual(wait([third]));
    const two = { currentJobId: first, waitingJobIds: [second, fourth] };
    expect(gateOf(two, queue(3), known)).toEqual(wait([second, third, fourth]));
  });

  it("leaves a run that waits where it is", () => {
    const run = { currentJobId: first, waitingJobIds: [second, third] };
    expect(gateOf(run, queue(), knowing({ [first]: "running" }))).toEqual({ action: "stay" });
    expect(gateOf(run, request(), knowing({ [first]: "running" }))).toEqual({ action: "stay" });
  });

  it("gives the room of those that have ended to others, and leaves a run out when there is none", () => {
    const run = { currentJobId: first, waitingJobIds: [second] };
    expect(gateOf(run, queue(), knowing({ [first]: "running" }))).toEqual({ action: "look", jobIds: [second] });
    for (const state of OVER) {
      expect(gateOf(run, queue(), knowing({ [first]: "running", [second]: state }))).toEqual({
        action: "wait",
        turns: { currentJobId: first, waitingJobIds: [third] },
      });
    }
    for (const state of ALIVE) {
      const known = knowing({ [first]: "running", [second]: state });
      expect(gateOf(run, queue(), known)).toEqual({ action: "leave-out", holderJobId: first });
    }
  });

  it("decides, whatever is true, once it has looked as far as it asks; never lets two hold it or too many wait", () => {
    const ids = ["e", "d", "c", "b", "a"] as const;
    const some = fc.subarray([...ids]);
    const states = fc.record(Object.fromEntries(ids.map((id) => [id, fc.constantFrom(...STATES)])));
    fc.assert(
      fc.property(fc.constantFrom(undefined, ...ids), some, states, fc.nat(3), (currentJobId, waiting, truth, room) => {
        const run = { currentJobId, waitingJobIds: waiting.filter((id) => id !== currentJobId).slice(0, room) };
        const asked = new Set<string>();
        const known: Known = (id) => (asked.has(id) ? truth[id] : undefined);
        const wish = queue(room);
        let decision = gateOf(run, wish, known);
        for (; decision.action === "look"; decision = gateOf(run, wish, known)) {
          for (const id of decision.jobIds) {
            expect(asked.has(id)).toBe(false);
            asked.add(id);
          }
        }
        const isFree = currentJobId === undefined || currentJobId === third || isOver(truth[currentJobId]);
        expect(decision.action === "pass").toBe(isFree);
        if (decision.action !== "pass" && decision.action !== "wait") return;
        const { turns } = decision;
        expect(turns.currentJobId).toBe(decision.action === "pass" ? third : currentJobId);
        expect(turns.waitingJobIds.includes(third)).toBe(decision.action === "wait");
        expect(turns.waitingJobIds.length).toBeLessThanOrEqual(room);
        expect(turns.waitingJobIds).toEqual(turns.waitingJobIds.toSorted().toReversed());
        const dropped = run.waitingJobIds.filter((id) => id !== third && !turns.waitingJobIds.includes(id));
        expect(dropped.every((id) => isOver(truth[id]))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("whoever asks for those that wait", () => {
  it("has nothing to do when nobody waits, and looks at nobody", () => {
    expect(askOf({ currentJobId: first, waitingJobIds: [] }, nothing)).toEqual({ action: "nothing" });
  });

  it.each(ALIVE)("has nothing to do while the holder is %s", (state) => {
    const run = { currentJobId: first, waitingJobIds: [second] };
    expect(askOf(run, nothing)).toEqual({ action: "look", jobIds: [first] });
    expect(askOf(run, knowing({ [first]: state }))).toEqual({ action: "nothing" });
  });

  it.each(OVER)("rings for the first that waits when the holder is %s, and passes over ended ones", (state) => {
    const run = { currentJobId: first, waitingJobIds: [second, third] };
    expect(askOf(run, knowing({ [first]: state }))).toEqual({ action: "look", jobIds: [second] });
    expect(askOf(run, knowing({ [first]: state, [second]: "queued" }))).toEqual({ action: "ring", jobId: second });
    const passing = knowing({ [first]: state, [second]: "canceled", [third]: "queued" });
    expect(askOf(run, passing)).toEqual({ action: "ring", jobId: third });
    const nobody = knowing({ [first]: state, [second]: "canceled", [third]: "absent" });
    expect(askOf(run, nobody)).toEqual({ action: "nothing" });
  });
});
