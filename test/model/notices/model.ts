/**
 * Notices about a count that only grows (R50, R51): jobs that fail, and processes that tell webhooks of them. Any number of
 * processes may try to tell at the same time, and each may die between two steps. runtime/core decides what is to be told.
 *
 * A webhook keeps one message of each id, which is made of the part of the count that the notice tells of. Versions of the row are
 * compared only for equality: a teller's bit means that the row has not been written since it was read.
 */
import { type Notice, isTold, nextNotice } from "../../../runtime/core/job/notice.ts";
import { NOTICE_EVERY_MS } from "../../../runtime/core/limits.ts";
import { type Model, must, type Steps } from "../search.ts";
import { jsonStates } from "../small-state.ts";

export interface NoticeRules {
  /** R50. */
  readonly writesFirst: boolean;
  /** R50. */
  readonly onVersion: boolean;
  /** R51. */
  readonly marksAfter: boolean;
  /** R51. */
  readonly marksSameOnly: boolean;
  /** R52. */
  readonly restsWhenTold: boolean;
  /** R53. */
  readonly countsWithRow: boolean;
}

const RULES: NoticeRules = {
  ...{ writesFirst: true, onVersion: true, marksAfter: true, marksSameOnly: true },
  ...{ restsWhenTold: true, countsWithRow: true },
};

export type NoticeFault = "crash" | "requeue";

interface Part {
  readonly from: number;
  readonly to: number;
}

interface Teller {
  phase: "idle" | "count" | "write" | "tell" | "mark";
  /** What it read of the row. */
  seen: (Part & { readonly isMade: boolean }) | null;
  fresh: boolean;
  counted: number;
  part: Part | null;
}

interface NoticeState {
  /** Jobs that have not failed yet, and those of which the counter knows. */
  open: number;
  failures: number;
  /** Without R53: rows that say "failed" before the counter does. */
  uncounted: number;
  notice: (Part & { readonly isMade: boolean }) | null;
  /** What the webhook has, by id. */
  messages: readonly Part[];
  resting: boolean;
  tellers: Teller[];
  budget: Record<NoticeFault, number>;
}

const IDLE: Teller = { phase: "idle", seen: null, fresh: false, counted: 0, part: null };
/** Far enough apart for the next notice. The distance between two is about amounts, and no rule depends on it. */
const THEN = new Date(0);
const NOW = new Date(NOTICE_EVERY_MS);
const asNotice = (part: NoticeState["notice"]): Notice | undefined =>
  part === null ? undefined : { ...part, at: THEN };

export interface NoticeBounds {
  readonly jobs: number;
  readonly tellers: number;
  readonly faults: Partial<Readonly<Record<NoticeFault, number>>>;
}

export function noticeModel(
  { jobs, tellers, faults }: NoticeBounds,
  given: Partial<NoticeRules> = {},
): Model<NoticeState> {
  const rules = { ...RULES, ...given };
  return {
    ...jsonStates<NoticeState>(),
    initial: () => ({
      ...{ open: jobs, failures: 0, uncounted: 0, notice: null, messages: [], resting: false },
      tellers: Array.from({ length: tellers }, () => ({ ...IDLE })),
      budget: { crash: 0, requeue: 0, ...faults },
    }),
    steps(state, steps) {
      if (state.open > 0) {
        steps.take("a job fails", (next) => {
          next.open -= 1;
          if (rules.countsWithRow) next.failures += 1;
          else next.uncounted += 1;
        });
      }
      if (state.uncounted > 0) {
        steps.take("the failure is counted", (next) => {
          next.uncounted -= 1;
          next.failures += 1;
        });
        paid(state, steps, "crash", "a worker dies before it counts the failure", (next) => (next.uncounted -= 1));
      }
      if (state.failures > 0) {
        // It wakes the batch. The counter of failures only grows.
        paid(state, steps, "requeue", "a failed job is requeued", (next) => {
          next.open += 1;
          next.resting = false;
        });
      }
      const mayRest = isTold(asNotice(state.notice), state.failures) || !rules.restsWhenTold;
      if (state.open === 0 && state.uncounted === 0 && !state.resting && mayRest) {
        steps.take("the batch is laid to rest", (next) => (next.resting = true));
      }
      for (const index of state.tellers.keys()) tellerSteps(state, steps, index, rules);
    },
    check({ messages, failures }) {
      const ordered = messages.toSorted((a, b) => a.from - b.from);
      for (const [at, { from, to }] of ordered.entries()) {
        must(from >= (ordered[at - 1]?.to ?? 0), "I5: a failed job is told twice, in two messages");
        must(to <= failures, "I5: a message tells of more jobs than have failed");
      }
    },
    isDone: ({ open, uncounted, failures, messages, tellers: all, resting }) =>
      open === 0 &&
      uncounted === 0 &&
      failures >= jobs &&
      messages.reduce((sum, { from, to }) => sum + to - from, 0) === failures &&
      resting &&
      all.every(({ phase }) => phase === "idle"),
    describe: ({ failures, notice, messages, resting }) =>
      `${failures} failed; ${notice === null ? "no notice" : `notice ${textOf(notice)}${notice.isMade ? "" : " to be made"}`}; ` +
      `told ${messages.map(textOf).join(", ") || "nothing"}${resting ? "; at rest" : ""}`,
  };
}

const textOf = ({ from, to }: Part): string => `${from + 1} to ${to}`;
const isSame = (a: Part | null, b: Part | null): boolean => a?.from === b?.from && a?.to === b?.to;

function paid(
  state: NoticeState,
  steps: Steps<NoticeState>,
  fault: NoticeFault,
  label: string,
  change: (next: NoticeState) => void,
): void {
  if (state.budget[fault] === 0) return;
  steps.fault(label, (next) => {
    next.budget[fault] -= 1;
    change(next);
  });
}

function writeNotice(state: NoticeState, notice: NoticeState["notice"]): void {
  state.notice = notice;
  for (const teller of state.tellers) teller.fresh = false;
}

function tellerSteps(state: NoticeState, steps: Steps<NoticeState>, index: number, rules: NoticeRules): void {
  const teller = state.tellers[index]!;
  const name = `process ${index + 1}`;
  const go = (label: string, change: (next: NoticeState, same: Teller) => void): void =>
    steps.take(`${name} ${label}`, (next) => change(next, next.tellers[index]!));
  const rest = (same: Teller): void => void Object.assign(same, IDLE);
  if (teller.phase === "idle") {
    // The sweeper passes over a batch at rest.
    if (state.resting || isTold(asNotice(state.notice), state.failures)) return;
    go("reads the batch's row", (next, same) =>
      Object.assign(same, { ...IDLE, phase: "count", seen: next.notice, fresh: true }),
    );
    return;
  }
  paid(state, steps, "crash", `${name} dies`, (next) => rest(next.tellers[index]!));
  switch (teller.phase) {
    case "count":
      go("sums the counters", (next, same) => {
        same.counted = next.failures;
        const step = nextNotice(asNotice(same.seen), same.counted, true, NOW);
        if (step.action === "nothing") rest(same);
        else {
          const { from, to } = step.notice;
          const isWritten = step.action === "make" || !rules.writesFirst;
          Object.assign(same, { part: { from, to }, phase: isWritten ? "tell" : "write" });
        }
      });
      return;
    case "write":
      go(teller.fresh || !rules.onVersion ? "writes the notice" : "writes the notice: refused", (next, same) => {
        if (!same.fresh && rules.onVersion) rest(same);
        else {
          writeNotice(next, { ...same.part!, isMade: !rules.marksAfter });
          same.phase = "tell";
        }
      });
      return;
    case "tell":
      go(`tells of ${textOf(teller.part!)}`, (next, same) => {
        if (!next.messages.some((one) => isSame(one, same.part))) next.messages = [...next.messages, same.part!];
        same.phase = "mark";
      });
      return;
    case "mark":
      go("marks the notice", (next, same) => {
        const isMine = isSame(next.notice, same.part) || !rules.writesFirst || !rules.marksSameOnly;
        if (isMine && next.notice?.isMade !== true) {
          const marked = rules.writesFirst ? next.notice : same.part;
          if (marked !== null) writeNotice(next, { from: marked.from, to: marked.to, isMade: true });
        } else if (!rules.writesFirst) writeNotice(next, { ...same.part!, isMade: true });
        rest(same);
      });
  }
}
