/**
 * Limits of jobs at once (R21 to R28): jobs of one key, of which `max` may run. runtime/core decides who joins, passes,
 * waits or gets a bell. The model adds crashes between the steps.
 */
import { decideStanding, decideWake } from "../../../runtime/core/admission/line.ts";
import { type Model, must, type Steps } from "../search.ts";
import { jsonStates } from "../small-state.ts";
import { ALL_LIMIT_RULES, type LimitBounds, type LimitRules } from "./rules.ts";
import {
  hasEnded,
  hasMessage,
  idOf,
  IDLE,
  isOverNow,
  type JobRow,
  type LimitState,
  type LimitWorker,
  messageOf,
  NOBODY,
  paid,
  partsOf,
  ringFor,
  rowsNow,
  send,
  sendBell,
  sendPlaceBell,
  takeOut,
  viewOf,
  writeRow,
} from "./state.ts";
import { workerSteps } from "./worker.ts";

export function limitModel(bounds: LimitBounds, given: Partial<LimitRules> = {}): Model<LimitState> {
  const { jobs, max, workers, begun, waiting = 0, faults } = bounds;
  const placed = begun + waiting;
  const rules = { ...ALL_LIMIT_RULES, ...given };
  const each = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, at) => make(at));
  return {
    ...jsonStates<LimitState>(),
    initial: () => ({
      rows: each(jobs, (job): JobRow => ({ state: job < begun ? "running" : "queued", ring: 1 })),
      line: {
        max,
        era: 0,
        places: each(placed, (job) => ({ ticket: job, jobId: idOf(job), ring: 1, waits: job >= begun })),
        nextTicket: placed,
      },
      declared: max,
      largest: max,
      waiting: each(jobs - placed, (index) => messageOf(placed + index, 1)),
      orphaned: [],
      sent: each(jobs, (job) => messageOf(job, 1)),
      owner: each(jobs, (job) => (job < begun ? job : NOBODY)),
      mayBeForgotten: false,
      rescheduled: NOBODY,
      workers: each(workers, (index): LimitWorker =>
        index < begun ? { ...IDLE, phase: "run", job: index, ring: 1 } : { ...IDLE },
      ),
      budget: {
        ...{ crash: 0, "lock expiry": 0, "lost answer": 0, cancel: 0, requeue: 0, reschedule: 0, retry: 0 },
        ...{ "lost message": 0, "needless ring": 0, "larger limit": 0, "smaller limit": 0 },
        ...faults,
      },
    }),
    steps(state, steps) {
      for (const job of state.rows.keys()) jobSteps(state, steps, job, rules);
      for (const message of new Set(state.orphaned)) {
        steps.take(`the lock of a bell of ${idOf(partsOf(message).job)} ends`, (next) => {
          next.orphaned = takeOut(next.orphaned, message);
          next.waiting = [...next.waiting, message].toSorted();
        });
      }
      paid(state, steps, "larger limit")("the package raises the limit", (next) => (next.declared += 1));
      if (state.declared > 1)
        paid(state, steps, "smaller limit")("the package lowers the limit", (next) => (next.declared -= 1));
      for (const index of state.workers.keys()) workerSteps({ state, index, rules, bounds }, steps);
    },
    check(state) {
      const running = state.rows.filter((row) => row.state === "running").length;
      must(running <= state.largest, "I8: more jobs of a key run at once than may");
      for (const [job, row] of state.rows.entries()) {
        if (row.state === "running") must(isInFront(state, job), "I8: a job runs that is not in the front");
      }
    },
    isDone: ({ rows, waiting, orphaned, rescheduled, workers: all }) =>
      rows.every(hasEnded) &&
      rescheduled === NOBODY &&
      waiting.length === 0 &&
      orphaned.length === 0 &&
      all.every(({ phase }) => phase === "idle"),
    describe: ({ rows, line }) =>
      `${rows.map(({ state, ring }) => `${state} ${ring}`).join(", ")}; limit ${line.max}, line: ` +
      line.places.map(({ jobId, ring, waits }) => `${jobId} ring ${ring}${waits ? " waits" : ""}`).join(", "),
  };
}

/** A running job has a place, and fewer are before it than may run at once. */
function isInFront(state: LimitState, job: number): boolean {
  const places = state.line.places.filter((place) => !isOverNow(state, place));
  const at = places.findIndex((place) => place.jobId === idOf(job));
  return at >= 0 && at < state.largest;
}

function jobSteps(state: LimitState, steps: Steps<LimitState>, job: number, rules: LimitRules): void {
  const name = idOf(job);
  const row = state.rows[job]!;
  if (row.state === "queued") {
    // The canceler then wakes those that wait, and may die before that.
    paid(state, steps, "cancel")(`a caller cancels ${name}`, (next) => writeRow(next, job, "canceled"));
    paid(
      state,
      steps,
      "needless ring",
    )(`the sweeper sends a bell for ${name}`, (next) => send(next, job, row.ring, null));
  }
  if (row.state === "queued") {
    paid(
      state,
      steps,
      "reschedule",
    )(`a caller reschedules ${name}`, (next) => {
      writeRow(next, job, "queued", row.ring + 1);
      next.rescheduled = job;
    });
  }
  if (state.rescheduled === job) {
    steps.take(`its API wakes those that wait, and sends the bell of ${name}`, (next) => {
      next.rescheduled = NOBODY;
      if (rules.rescheduleAsks) wake(next, rules);
      sendBell(next, job);
    });
  }
  if (hasEnded(row)) {
    paid(
      state,
      steps,
      "requeue",
    )(`a caller requeues ${name}`, (next) => {
      writeRow(next, job, "queued", row.ring + 1);
      sendBell(next, job);
    });
  }
  const message = state.waiting.find((one) => partsOf(one).job === job);
  if (message !== undefined) {
    paid(
      state,
      steps,
      "lost message",
    )(`a message of ${name} is lost`, (next) => {
      next.waiting = takeOut(next.waiting, message);
      next.mayBeForgotten = true;
    });
  }
  if (isForgotten(state, job, rules)) {
    steps.take(`the sweeper finds ${name}`, (next) => {
      if (row.state !== "running") {
        send(next, job, row.ring, null);
        return;
      }
      writeRow(next, job, "queued", row.ring + 1);
      sendBell(next, job);
      wake(next, rules);
    });
  }
}

/** What an asker does, in one step. */
function wake(state: LimitState, rules: LimitRules): void {
  const decision = decideWake(viewOf(state.line, rules), rowsNow(state, rules));
  if (decision.action !== "ring") throw new Error("All rows are known.");
  for (const { ticket } of decision.places) {
    sendPlaceBell(
      state,
      state.line.places.find((one) => one.ticket === ticket)!,
      state.line.era,
      rules,
    );
  }
}

/**
 * The job has no message, and no live worker whose end could send one. This happens if a message was lost. Any other case
 * that only the sweeper could find would be an error in the protocol.
 *
 * A job that waits behind the front is not forgotten (R27). A bell for it is a fault: it is needless.
 */
function isForgotten(state: LimitState, job: number, rules: LimitRules): boolean {
  if (!state.mayBeForgotten || hasMessage(state, job)) return false;
  const { state: is, ring } = state.rows[job]!;
  if (is === "running") return state.owner[job] === NOBODY;
  if (is !== "queued") return false;
  const me = { jobId: idOf(job), ring: ringFor(rules, ring) };
  const { action } = decideStanding(viewOf(state.line, rules), me, rowsNow(state, rules));
  return action !== "wait" || !rules.sweeperLeavesWaiting;
}
