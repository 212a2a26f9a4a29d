/** The rules for limits and pauses must report every fault. Each test gives them a history with exactly one fault. */
import { describe, expect, it } from "vitest";
import { type ControlVerdict, judgeControls } from "../../chaos/engine/controls/checker.ts";
import type { ControlFacts } from "../../chaos/engine/controls/facts.ts";
import { replayLines } from "../../chaos/engine/controls/replay-lines.ts";
import { replay } from "../../chaos/engine/replay.ts";
import type { WireRecord } from "../../chaos/engine/storage-wire.ts";

const LIMITS = { Single: { concurrency: { max: 1 } }, Metered: { rate: { max: 2, perSeconds: 1 } } };

let etag = 0;

/** A landed write of one row at a second of the run. */
function write(
  second: number,
  table: string,
  row: string,
  cells: object,
  kind: "merge" | "delete" = "merge",
): WireRecord {
  const partition = table === "gates" ? "chaos.line" : "chaos.b.00";
  const cellsOfRow = cells as Readonly<Record<string, unknown>>;
  etag += 1;
  const landed = { table, partition, row, kind, ifMatch: undefined, cells: cellsOfRow, etag: `e${etag}` } as const;
  return { at: second * 1_000, status: 204, landed: true, writes: [landed] };
}

const idOf = (number: number): string => `chaos.b.00.${number}`;
const queued = (second: number, job: number, jobType = "Single", ring = 1) =>
  write(second, "jobs", idOf(job), {
    ...{ state: "queued", ring, executions: 0, jobType, concurrencyKey: jobType === "Single" ? "*" : "" },
    ...{ pool: "default", priority: "normal", claimId: "" },
  });
const running = (second: number, job: number, claimId = `claim of ${job}`) =>
  write(second, "jobs", idOf(job), { state: "running", claimId });
const ended = (second: number, job: number) => write(second, "jobs", idOf(job), { state: "succeeded" });
const place = (second: number, ticket: number, job: number, ring = 1) =>
  write(second, "gates", `line.${String(ticket).padStart(12, "0")}`, { jobId: idOf(job), ring });
const taken = (second: number, times: readonly (readonly [second: number, count: number])[]) =>
  write(second, "gates", "head", {
    ...{ kind: "rate", jobType: "Metered" },
    taken: JSON.stringify(times.map(([at, count]) => [at * 1_000, count])),
  });
const note = (second: number, job: number, claimId = `claim of ${job}`) => ({
  at: second * 1_000,
  jobId: idOf(job),
  claimId,
});

function verdictOn(records: readonly WireRecord[], facts: Partial<ControlFacts> = {}, endedAt = 0): ControlVerdict {
  const given = { limits: LIMITS, lines: replayLines(records), pauses: [], notes: [], ...facts };
  return judgeControls(replay(records), given, { endedAt: endedAt * 1_000 });
}
const complaints = (verdict: ControlVerdict): string[] =>
  Object.entries({ ...verdict }).flatMap(([rule, sentences]) => ((sentences as string[]).length > 0 ? [rule] : []));

const GOOD = [
  ...[queued(0, 1), queued(0, 2), place(1, 1, 1), running(1, 1), place(2, 2, 2)],
  ...[ended(3, 1), running(4, 2), ended(5, 2)],
];

describe("the checker of limits and pauses", () => {
  it("accepts jobs of a key that run one after the other, in the order of their places", () => {
    expect(complaints(verdictOn(GOOD))).toEqual([]);
  });

  it("reports two jobs of a key that run at once", () => {
    const records = [queued(0, 1), queued(0, 2), place(0, 1, 1), running(1, 1), place(1, 2, 2), running(2, 2)];
    const verdict = verdictOn(records);
    expect(verdict.overLimit).toEqual([`${idOf(2)}: with it 2 jobs of chaos Single * run at once`]);
    // It also went before one that had not ended.
    expect(complaints(verdict)).toEqual(["overLimit", "brokenOrder"]);
  });

  it("accepts a takeover in the same slot", () => {
    expect(complaints(verdictOn([...GOOD.slice(0, 4), running(2, 1, "another claim"), ended(3, 1)]))).toEqual([]);
  });

  it("reports two attempts of a key that were alive at once, although their rows say otherwise", () => {
    const notes = [note(1, 1), note(4.5, 1), note(4, 2), note(5, 2)];
    const verdict = verdictOn(GOOD, { notes });
    expect(complaints(verdict)).toEqual(["overLimit"]);
    expect(complaints(verdictOn(GOOD, { notes: [note(1, 1), note(2.9, 1), note(4, 2), note(5, 2)] }))).toEqual([]);
  });

  it("reports an attempt that was still alive after another worker took its job over", () => {
    const notes = [note(1, 1, "old"), note(3, 1, "old"), note(2, 1, "new"), note(3, 1, "new")];
    expect(verdictOn(GOOD, { notes }).overLimit).toHaveLength(1);
  });

  it("reports a start without a place, also with that of an earlier ring", () => {
    const without = [queued(0, 1), running(1, 1)];
    expect(complaints(verdictOn(without))).toEqual(["brokenOrder"]);
    const old = [queued(0, 1), place(0, 1, 1), queued(1, 1, "Single", 2), running(2, 1)];
    expect(verdictOn(old).brokenOrder).toEqual([`${idOf(1)} was started without a place at ring 2`]);
  });

  it("reports a start before one with an earlier place, unless that one has left its ring", () => {
    const early = [queued(0, 1), queued(0, 2), place(0, 1, 1), place(0, 2, 2), running(1, 2)];
    expect(verdictOn(early).brokenOrder).toEqual([`${idOf(2)} was started before ${idOf(1)}`]);
    const left = [...early.slice(0, 4), queued(1, 1, "Single", 2), running(2, 2)];
    expect(complaints(verdictOn(left))).toEqual([]);
  });

  it("reports a place that was removed while its job waited: it starts without one", () => {
    const removed = write(2, "gates", "line.000000000002", {}, "delete");
    expect(complaints(verdictOn([...GOOD.slice(0, 5), removed, ...GOOD.slice(5)]))).toEqual(["brokenOrder"]);
  });

  it.each([
    ["tenant", { kind: "tenant", tenantName: "chaos" }],
    ["job type", { kind: "type", tenantName: "chaos", jobType: "Single" }],
    ["pool", { kind: "pool", pool: "default" }],
    ["queue", { kind: "queue", pool: "default", priority: "normal" }],
  ] as const)("reports a start while its %s is paused, later than the pause takes", (_what, subject) => {
    const records = [queued(0, 1), place(0, 1, 1), running(10, 1)];
    const from = (second: number) => [{ subject, answeredAt: second * 1_000, resumeAskedAt: 20_000 }];
    expect(complaints(verdictOn(records, { pauses: from(5) }))).toEqual(["startedUnderPause"]);
    expect(complaints(verdictOn(records, { pauses: from(8) }))).toEqual([]);
    const resumed = [{ subject, answeredAt: 1_000, resumeAskedAt: 9_000 }];
    expect(complaints(verdictOn(records, { pauses: resumed }))).toEqual([]);
  });

  it("accepts a takeover under a pause, and starts of what is not paused", () => {
    const pauses = [
      { subject: { kind: "tenant", tenantName: "chaos" }, answeredAt: 2_000, resumeAskedAt: 30_000 },
    ] as const;
    const records = [queued(0, 1), place(0, 1, 1), running(1, 1), running(10, 1, "taken over"), ended(11, 1)];
    expect(complaints(verdictOn(records, { pauses }))).toEqual([]);
    const other = [{ ...pauses[0], subject: { kind: "tenant", tenantName: "chaos-two" } }] as const;
    expect(complaints(verdictOn([queued(0, 1), place(0, 1, 1), running(10, 1)], { pauses: other }))).toEqual([]);
  });

  it("reports a job that could start and did not", () => {
    const verdict = verdictOn([queued(0, 1), place(0, 1, 1)], {}, 130);
    expect(verdict.starved).toEqual([`${idOf(1)} could start and did not for 130 s`]);
  });

  it("accepts a long wait under a pause, for the key, and for the time of a delayed job", () => {
    const pauses = [{ subject: { kind: "pool", pool: "default" }, answeredAt: 1_000, resumeAskedAt: 120_000 }] as const;
    expect(complaints(verdictOn([queued(0, 1), place(0, 1, 1)], { pauses }, 130))).toEqual([]);
    const behind = [queued(0, 1), queued(0, 2), place(0, 1, 1), place(0, 2, 2), running(1, 1)];
    expect(complaints(verdictOn(behind, {}, 130))).toEqual([]);
    const delayed = write(0, "jobs", idOf(1), {
      state: "queued",
      ring: 1,
      jobType: "Single",
      runAt: new Date(100_000).toISOString(),
    });
    expect(complaints(verdictOn([delayed], {}, 130))).toEqual([]);
  });

  it("reports more times of a rate in a span than may be", () => {
    expect(
      complaints(
        verdictOn([
          taken(0, [
            [1, 2],
            [1.5, 1],
          ]),
        ]),
      ),
    ).toEqual(["overRate"]);
    expect(
      complaints(
        verdictOn([
          taken(0, [[1, 2]]),
          taken(0, [
            [1, 2],
            [2, 2],
          ]),
        ]),
      ),
    ).toEqual([]);
  });

  it("reports a start without a time of its rate, or before it", () => {
    const records = [queued(0, 1, "Metered"), running(1, 1)];
    expect(complaints(verdictOn(records))).toEqual(["overRate"]);
    expect(complaints(verdictOn([taken(0, [[2, 1]]), ...records]))).toEqual(["overRate"]);
    expect(complaints(verdictOn([taken(0, [[1, 1]]), ...records]))).toEqual([]);
  });
});
