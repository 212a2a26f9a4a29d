/**
 * Removing rows (R45 to R49): one job of one batch ends, is requeued, submitted again and forgotten, while messages of it are
 * still about. The decisions are those of runtime/core; the order of the steps is that of runtime/sweeper/forget.
 *
 * Time is one step: the job gets so old that its row may go. The broker has then forgotten its MessageIds, and the keys that
 * name it have expired.
 */
import { decideDeadLetter, decideDelivery } from "../../../runtime/core/job/protocol.ts";
import { requeueOf } from "../../../runtime/core/job/cancel-requeue.ts";
import { dueOf, retentionOf } from "../../../runtime/core/job/retention.ts";
import { isTerminal, type JobState } from "../../../runtime/core/job/states.ts";
import { ROW_MIN_DAYS } from "../../../runtime/core/limits.ts";
import { type Model, must, type Steps } from "../search.ts";
import { jsonStates } from "../small-state.ts";

/** The real rules, or others to show what they are for. */
export interface ForgetRules {
  /** R45: the row must still have the version that was read as ended. */
  readonly onVersion: boolean;
  /** R46: not while a repeat of the submit is remembered. */
  readonly waitsForKeys: boolean;
  /** R47: a bell of a forgotten job is completed. */
  readonly completesOldBells: boolean;
  /** R48: counters stay when rows go. */
  readonly keepsCounters: boolean;
  /** R49: the batch's row goes after its jobs, on its version. */
  readonly batchLast: boolean;
}

const RULES: ForgetRules = {
  onVersion: true,
  waitsForKeys: true,
  completesOldBells: true,
  keepsCounters: true,
  batchLast: true,
};

interface ForgetState {
  row: { state: JobState; ring: number; version: number } | null;
  isOld: boolean;
  /** Rings of bells in the queue, and of dead letters. */
  bells: number[];
  letters: number[];
  /** Bells still to be sent for a written row. */
  owed: number[];
  /** MessageIds the broker remembers. */
  known: number[];
  /** By state, as the counter rows say. */
  ended: number;
  open: number;
  batch: "complete" | "open" | "gone";
  batchVersion: number;
  /** What the sweeper has read: the versions of row and batch. */
  sweeper: { row: number; batch: number } | null;
  budget: { requeue: number; resubmit: number; stale: number };
}

const NOW = new Date(0);
const days = (count: number): Date => new Date(NOW.getTime() + count * 24 * 60 * 60_000);
const SHORT = retentionOf({ rowDays: 1, logDays: 1, fileDays: 1, deadLetterDays: 1 });

export function forgetModel(given: Partial<ForgetRules> = {}): Model<ForgetState> {
  const rules = { ...RULES, ...given };
  return {
    ...jsonStates<ForgetState>(),
    initial: () => ({
      row: { state: "queued", ring: 1, version: 1 },
      isOld: false,
      bells: [1],
      letters: [],
      owed: [],
      known: [1],
      ended: 0,
      open: 1,
      batch: "open",
      batchVersion: 1,
      sweeper: null,
      budget: { requeue: 1, resubmit: 1, stale: 1 },
    }),
    steps(state, steps) {
      workerSteps(state, steps, rules);
      callerSteps(state, steps);
      sweeperSteps(state, steps, rules);
      if (!state.isOld && state.row !== null && isTerminal(state.row.state)) {
        steps.take("so much time passes that no key names the job any more", (next) => {
          next.isOld = true;
          next.known = [];
        });
      }
    },
    check({ row, ended, open, batch }) {
      const openRows = row !== null && !isTerminal(row.state) ? 1 : 0;
      must(open === openRows, `I5: ${open} open jobs are counted, ${openRows} are`);
      if (batch !== "gone") must(ended + open >= 1, "I5: the batch has lost its count of a job");
      if (row !== null && !isTerminal(row.state)) must(batch !== "gone", "I5: a job is open, and its batch is gone");
    },
    isDone: ({ row, bells, letters, owed, batch, sweeper, isOld }) =>
      bells.length === 0 &&
      owed.length === 0 &&
      sweeper === null &&
      isOld &&
      row === null &&
      batch === "gone" &&
      letters.length === 0,
    describe: ({ row, bells, letters, batch, ended, open, isOld }) =>
      `${row === null ? "no row" : `${row.state}, ring ${row.ring}`}; bells ${bells.join(" ")}; dead letters ${letters.join(" ")}; ` +
      `counted ${open} open, ${ended} ended; batch ${batch}${isOld ? "; old" : ""}`,
  };
}

/** A worker takes a bell, and ends the job in the same step: how attempts go is the job model's subject. */
function workerSteps(state: ForgetState, steps: Steps<ForgetState>, rules: ForgetRules): void {
  for (const ring of new Set(state.bells)) {
    const decision = decideDelivery(
      state.row === null ? undefined : { ...state.row, claim: undefined, cancelWanted: false, interruptions: 0 },
      { bell: { ring }, queue: "q", sequenceNumber: "1", mayBeForgotten: state.isOld && rules.completesOldBells },
      undefined,
    );
    const settled = (next: ForgetState): void => {
      next.bells.splice(next.bells.indexOf(ring), 1);
    };
    if (decision.action === "claim") {
      steps.take(`a worker runs the job with bell ${ring}: it fails`, (next) => {
        settled(next);
        next.letters.push(ring);
        end(next, "failed");
      });
      steps.take(`a worker runs the job with bell ${ring}: it succeeds`, (next) => {
        settled(next);
        end(next, "succeeded");
      });
      continue;
    }
    steps.take(`a worker gets bell ${ring}: ${decision.action}`, (next) => {
      settled(next);
      if (decision.action === "set-aside") next.letters.push(ring);
      if (decision.action === "ring-again") send(next, next.row!.ring);
    });
  }
  state.owed.forEach((ring, index) => {
    steps.take(`bell ${ring} is sent`, (next) => {
      next.owed.splice(index, 1);
      send(next, ring);
    });
  });
}

function send(next: ForgetState, ring: number): void {
  if (next.known.includes(ring)) return;
  next.known.push(ring);
  next.bells.push(ring);
}

function end(next: ForgetState, state: JobState): void {
  next.row!.state = state;
  next.row!.version++;
  next.open--;
  next.ended++;
  next.batch = "complete";
  next.batchVersion++;
}

function callerSteps(state: ForgetState, steps: Steps<ForgetState>): void {
  const { row, budget } = state;
  if (row !== null && budget.requeue > 0) {
    const requeue = requeueOf(row);
    if (requeue !== undefined) {
      steps.fault("a caller requeues the job", (next) => {
        next.budget.requeue--;
        next.row = { state: "queued", ring: Number(requeue.changes.ring), version: row.version + 1 };
        next.open++;
        next.ended--;
        next.owed.push(next.row.ring);
        // R13: the batch is written, whatever it is.
        if (next.batch !== "gone") next.batch = "open";
        next.batchVersion++;
      });
    }
  }
  // While its key is remembered, a repeat continues with the same id: it inserts the row that it does not find.
  if (budget.resubmit > 0 && !state.isOld) {
    steps.fault("the submit is repeated", (next) => {
      next.budget.resubmit--;
      if (next.row !== null) return;
      next.row = { state: "queued", ring: 1, version: 100 };
      next.open++;
      next.owed.push(1);
    });
  }
  if (budget.stale > 0 && row !== null) {
    steps.fault("a bell of the first ring was scheduled for later", (next) => {
      next.budget.stale--;
      next.bells.push(1);
    });
  }
}

function sweeperSteps(state: ForgetState, steps: Steps<ForgetState>, rules: ForgetRules): void {
  const { row, sweeper, letters } = state;
  for (const ring of new Set(letters)) {
    const decision = decideDeadLetter(row ?? undefined, { ring });
    // Those that would stay go with age; but one of a row that is not there tells that a table was restored.
    const isDue = state.isOld && row !== null && decision.action === "keep";
    if (decision.action !== "remove" && !isDue) continue;
    steps.take(`the sweeper removes dead letter ${ring}`, (next) => {
      next.letters.splice(next.letters.indexOf(ring), 1);
    });
  }
  if (sweeper === null) {
    if (row !== null) {
      // The real decision, about a job that ended on the first day.
      const now = days(state.isOld ? ROW_MIN_DAYS : 2);
      const due = dueOf({ state: row.state, endedAt: NOW, submittedAt: NOW }, SHORT)?.rowAt;
      const isDue = due !== undefined && (due <= now || !rules.waitsForKeys);
      // Letters are due before their rows.
      if (isDue && letters.length === 0) {
        steps.take("the sweeper reads a row that is due", (next) => {
          next.sweeper = { row: row.version, batch: state.batchVersion };
        });
      }
      if (isDue && !rules.batchLast && state.batch === "complete") {
        steps.take("the sweeper removes the batch first", (next) => {
          next.batch = "gone";
        });
      }
    } else if (state.batch === "complete") {
      steps.take("the sweeper removes the batch without jobs", (next) => {
        next.batch = "gone";
      });
    }
    return;
  }
  const isRemoved = row !== null && (row.version === sweeper.row || !rules.onVersion);
  steps.take(`the sweeper removes the row: ${isRemoved ? "removed" : "refused"}`, (next) => {
    next.sweeper = null;
    if (!isRemoved) return;
    next.row = null;
    if (!rules.keepsCounters) next.ended--;
  });
}
