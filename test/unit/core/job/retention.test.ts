import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdSource, defaultBatchId, jobTime, timerBatchId, timerJobId } from "../../../../runtime/core/job/ids.ts";
import type { Batch } from "../../../../runtime/core/job/job.ts";
import { isExpired, keysExpireBefore } from "../../../../runtime/core/job/keys.ts";
import {
  NEVER,
  type Retention,
  batchDueAt,
  dueOf,
  isFreshlyDue,
  isLookDue,
  isPastDayBatch,
  keepsAll,
  letterDueAt,
  mayBeForgotten,
  mayLoseJobs,
  nextLookAt,
} from "../../../../runtime/core/job/retention.ts";
import { JOB_STATES, NO_COUNTS, TERMINAL_STATES } from "../../../../runtime/core/job/states.ts";
import { ROW_MIN_DAYS } from "../../../../runtime/core/limits.ts";
import { batchOf } from "../../../support/builders.ts";

const DAY_MS = 24 * 60 * 60_000;
const BEGIN = Date.parse("2026-03-01T00:00:00Z");
const day = (count: number): Date => new Date(BEGIN + count * DAY_MS);

const days = fc.constantFrom(0, 1, 7, 8, 9, 30, 90, 3_650);
const outcome = fc.record({ rowDays: days, logDays: days, fileDays: days });
const retention: fc.Arbitrary<Retention> = fc.record({
  succeeded: outcome,
  failed: outcome,
  canceled: outcome,
  deadLetterDays: days,
});
const instant = fc.integer({ min: 0, max: 400 * DAY_MS }).map((ms) => new Date(BEGIN + ms));
const jobs = fc.record({
  state: fc.constantFrom(...JOB_STATES),
  submittedAt: instant,
  endedAt: fc.option(instant, { nil: undefined }),
});

describe("when parts of a job are due", () => {
  it("nothing of a job that has not ended is ever due, and no row while a key can name it", () => {
    fc.assert(
      fc.property(jobs, retention, fc.boolean(), (job, kept, isNamed) => {
        const due = dueOf(job, kept, isNamed);
        const isEnded = (TERMINAL_STATES as readonly string[]).includes(job.state);
        expect(due !== undefined).toBe(isEnded);
        if (due === undefined) return;
        const key = { kind: "idempotency-key", createdAt: job.submittedAt } as const;
        if (due.rowAt < NEVER) expect(isExpired(key, keysExpireBefore(due.rowAt))).toBe(true);
        if (isNamed) expect(due.rowAt).toEqual(NEVER);
        expect(due.logsAt <= due.rowAt).toBe(true);
        expect(due.filesAt <= due.rowAt).toBe(true);
      }),
    );
  });

  it("each part is due so many days after the end, by its outcome, and 0 keeps it", () => {
    const kept: Retention = {
      succeeded: { rowDays: 90, logDays: 30, fileDays: 60 },
      failed: { rowDays: 0, logDays: 0, fileDays: 1 },
      canceled: { rowDays: 8, logDays: 30, fileDays: 0 },
      deadLetterDays: 0,
    };
    const job = { submittedAt: day(0), endedAt: day(2) };
    expect(dueOf({ ...job, state: "succeeded" }, kept)).toEqual({ rowAt: day(92), logsAt: day(32), filesAt: day(62) });
    expect(dueOf({ ...job, state: "failed" }, kept)).toEqual({ rowAt: NEVER, logsAt: NEVER, filesAt: day(3) });
    // They cannot outlive their row.
    expect(dueOf({ ...job, state: "canceled" }, kept)).toEqual({ rowAt: day(10), logsAt: day(10), filesAt: day(10) });
    expect(letterDueAt(day(0), { ...kept, deadLetterDays: 3 })).toEqual(day(3));
    expect(letterDueAt(day(0), kept)).toEqual(NEVER);
    expect(letterDueAt(day(0), { ...kept, failed: { ...kept.failed, rowDays: 9 } })).toEqual(day(9));
  });

  it("a job whose row may be gone is known as one, by its id alone", () => {
    const ids = createIdSource({ now: () => day(0), random32: () => 12_345 });
    const ofDay = ids.jobId(ids.batchId("acme"), 1);
    const run = timerJobId(timerBatchId("acme", "0".repeat(16)), day(0), "0".repeat(8));
    for (const jobId of [ofDay, run]) {
      expect(jobTime(jobId)).toEqual(day(0));
      expect(mayBeForgotten(jobId, day(7))).toBe(false);
      expect(mayBeForgotten(jobId, day(ROW_MIN_DAYS))).toBe(true);
    }
  });
});

describe("which batches lose jobs", () => {
  const at = day(100);
  const closed = batchOf({ state: "closed", completedGeneration: 1, completedAt: day(5), createdAt: day(1) });
  const ofDay = batchOf({ batchId: defaultBatchId("acme", day(3).getTime(), 1), createdAt: day(3) });
  const ofTimer = batchOf({ batchId: timerBatchId("acme", "0".repeat(16)) });
  const owing: Partial<Batch> = {
    unannounced: [{ generation: 1, state: "closed", completedAt: day(5), counts: NO_COUNTS }],
  };

  it.each<[string, Batch, boolean]>([
    ["a complete one", closed, true],
    ["a canceled and complete one", { ...closed, state: "canceled" }, true],
    ["one of which jobs are open", { ...closed, completedGeneration: 0 }, false],
    ["one that was reopened", { ...closed, generation: 2 }, false],
    ["one whose completion is not announced", { ...closed, ...owing }, false],
    ["an open one", { ...closed, state: "open" }, false],
    ["that of a past day", ofDay, true],
    ["that of this day", { ...ofDay, batchId: defaultBatchId("acme", at.getTime()) }, false],
    ["that of a timer", ofTimer, true],
    ["that of a timer whose completion is not announced", { ...ofTimer, ...owing }, false],
  ])("%s: %#", (_, batch, expected) => {
    expect(mayLoseJobs(batch, at)).toBe(expected);
  });

  it("no batch of a caller is taken for that of a day", () => {
    const ids = createIdSource({ now: () => day(3), random32: () => Math.floor(Math.random() * 2 ** 32) });
    for (let i = 0; i < 1_000; i++) expect(isPastDayBatch(ids.batchId("acme"), at)).toBe(false);
  });

  it("its row is due after its jobs', and a timer's never", () => {
    fc.assert(
      fc.property(retention, (kept) => {
        const dueAt = batchDueAt(closed, kept);
        for (const state of TERMINAL_STATES) {
          const due = dueOf({ state, submittedAt: day(1), endedAt: day(5) }, kept);
          if (due !== undefined && due.rowAt < NEVER) expect(dueAt >= due.rowAt).toBe(true);
        }
        expect(batchDueAt(ofTimer, kept)).toEqual(NEVER);
        expect(batchDueAt({ ...closed, state: "open" }, kept)).toEqual(NEVER);
        if (keepsAll(kept)) expect(dueAt).toEqual(NEVER);
      }),
    );
  });
});

describe("when a batch is looked through", () => {
  it("every part is found once, when it is due or at most a day later, however jobs come and go", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ appearsAt: instant, keptMs: fc.integer({ min: DAY_MS, max: 90 * DAY_MS }) }), {
          maxLength: 8,
        }),
        fc.boolean(),
        (parts, isOpen) => {
          let batch = batchOf(isOpen ? {} : { state: "closed" });
          const removedAt = new Map<number, Date[]>();
          // The sweeper passes by once an hour.
          for (let now = day(0); now < day(520); now = new Date(now.getTime() + 60 * 60_000)) {
            if (!isLookDue(batch, undefined, now)) continue;
            let firstDueAt = NEVER;
            parts.forEach(({ appearsAt, keptMs }, index) => {
              // Nothing comes into a closed batch.
              if (isOpen && appearsAt > now) return;
              const at = new Date(appearsAt.getTime() + keptMs);
              if (isFreshlyDue(at, batch, undefined, now)) removedAt.set(index, [...(removedAt.get(index) ?? []), now]);
              if (at > now && at < firstDueAt) firstDueAt = at;
            });
            batch = { ...batch, forgetAt: nextLookAt(batch, firstDueAt, now), forgottenAt: now };
          }
          parts.forEach(({ appearsAt, keptMs }, index) => {
            const at = appearsAt.getTime() + keptMs;
            const [first, ...more] = removedAt.get(index) ?? [];
            expect(more).toEqual([]);
            expect(first!.getTime() - at).toBeGreaterThanOrEqual(0);
            expect(first!.getTime() - at).toBeLessThanOrEqual(DAY_MS + 60 * 60_000);
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  it("is looked through again after its retention was changed, and then all that is due is removed", () => {
    const batch = batchOf({ forgetAt: NEVER, forgottenAt: day(10) });
    expect(isLookDue(batch, day(9), day(11))).toBe(false);
    expect(isLookDue(batch, day(10), day(11))).toBe(true);
    expect(isFreshlyDue(day(3), batch, day(9), day(11))).toBe(false);
    expect(isFreshlyDue(day(3), batch, day(10), day(11))).toBe(true);
  });
});
