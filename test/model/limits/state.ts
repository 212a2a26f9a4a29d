/** The state of the model of limits: rows of jobs, the line of their key, messages, and workers between two steps. */
import type { Known, KnownRow, LineView, Place } from "../../../runtime/core/admission/line.ts";
import { isPlaceOver } from "../../../runtime/core/admission/line.ts";
import { isTerminal, type JobState } from "../../../runtime/core/job/states.ts";
import type { Steps } from "../search.ts";
import type { LimitFault, LimitRules } from "./rules.ts";

export type LimitPhase =
  | "idle"
  | "read"
  | "read line"
  | "look"
  | "write limit"
  | "join"
  | "claim"
  | "run"
  | "send next"
  | "ask"
  | "look for ask"
  | "ring"
  | "ask again"
  | "complete";

export interface JobRow {
  state: JobState;
  ring: number;
}

export interface LineState {
  max: number;
  /** How often `max` was changed. */
  era: number;
  places: Place[];
  nextTicket: number;
}

export interface LimitWorker {
  phase: LimitPhase;
  job: number;
  /** The ring of the message in hand, and of the row as read. */
  ring: number;
  /** Its versions of the row and of the line. */
  rowFresh: boolean;
  lineFresh: boolean;
  /** Its lock has ended, and it has not noticed. */
  lost: boolean;
  /** The line and rows as it read them. */
  seen: LineState | null;
  known: Record<string, KnownRow>;
  /** Where it goes on after it has asked. */
  then: "complete" | "read line";
}

export interface LimitState {
  rows: JobRow[];
  line: LineState;
  /** A job whose reschedule is written; its caller has yet to wake others and to send its bell. */
  rescheduled: number;
  /** What the package says. */
  declared: number;
  /** The largest limit that was ever in force. */
  largest: number;
  /** Messages: waiting ones, and those that a dead worker has locked. Texts of job and ring. */
  waiting: string[];
  orphaned: string[];
  /** MessageIds that the broker knows, and drops when they come again. */
  sent: string[];
  /** By job: the worker that runs it. -1: none. */
  owner: number[];
  /** Something has happened that only the sweeper can repair. */
  mayBeForgotten: boolean;
  workers: LimitWorker[];
  budget: Record<LimitFault, number>;
}

export const NOBODY = -1;
export const IDLE: LimitWorker = {
  phase: "idle",
  job: 0,
  ring: 0,
  rowFresh: false,
  lineFresh: false,
  lost: false,
  seen: null,
  known: {},
  then: "complete",
};

export const idOf = (job: number): string => `job ${job + 1}`;
export const jobOf = (id: string): number => Number(id.slice("job ".length)) - 1;

export const messageOf = (job: number, ring: number): string => `${job}:${ring}`;
export const partsOf = (message: string): { job: number; ring: number } => {
  const [job = 0, ring = 0] = message.split(":").map(Number);
  return { job, ring };
};

/** Without the rule, a place and a row have no ring to differ by. */
export const ringFor = ({ placeOfRing }: LimitRules, ring: number): number => (placeOfRing ? ring : 0);

export const knownTo =
  ({ known }: Pick<LimitWorker, "known">): Known =>
  (id) =>
    known[id];

export const rowsNow =
  ({ rows }: LimitState, rules: LimitRules): Known =>
  (id) => {
    const row = rows[jobOf(id)]!;
    return { state: row.state, ring: ringFor(rules, row.ring) };
  };

export const isOverNow = ({ rows }: LimitState, place: Place): boolean => isPlaceOver(place, rows[jobOf(place.jobId)]!);

export const hasEnded = ({ state }: JobRow): boolean => isTerminal(state);

export function paid(state: LimitState, steps: Steps<LimitState>, fault: LimitFault): Steps<LimitState>["fault"] {
  return (label, change) => {
    if (state.budget[fault] === 0) return;
    steps.fault(label, (next) => {
      next.budget[fault] -= 1;
      change(next);
    });
  };
}

export function writeRow(state: LimitState, job: number, to: JobState, ring = state.rows[job]!.ring): void {
  state.rows[job] = { state: to, ring };
  for (const worker of state.workers) if (worker.phase !== "idle" && worker.job === job) worker.rowFresh = false;
}

export function writeLine(state: LimitState, line: LineState): void {
  state.line = line;
  for (const worker of state.workers) worker.lineFresh = false;
}

/** Sends a message, unless the broker knows its MessageId. Null: one that is never used again. */
export function send(state: LimitState, job: number, ring: number, messageId: string | null): void {
  if (messageId !== null) {
    if (state.sent.includes(messageId)) return;
    state.sent = [...state.sent, messageId].toSorted();
  }
  state.waiting = [...state.waiting, messageOf(job, ring)].toSorted();
}

/** The first bell of a ring. */
export const sendBell = (state: LimitState, job: number): void => {
  const { ring } = state.rows[job]!;
  send(state, job, ring, messageOf(job, ring));
};

/** The bell of a job that waits. */
export function sendPlaceBell(state: LimitState, place: Place, era: number, rules: LimitRules): void {
  const job = jobOf(place.jobId);
  const usual = messageOf(job, place.ring);
  send(state, job, place.ring, rules.ringsFresh ? `${usual}:${place.ticket}.${rules.ringsByEra ? era : 0}` : usual);
}

export function takeOut(messages: readonly string[], message: string): string[] {
  const at = messages.indexOf(message);
  return messages.filter((_, index) => index !== at);
}

/** The line as the decisions see it. Without the rule, a place and a row have no ring to differ by. */
export const viewOf = ({ max, places }: LineState, { placeOfRing }: LimitRules): LineView => ({
  max,
  places: placeOfRing ? places : places.map((place) => ({ ...place, ring: 0 })),
  isWhole: true,
});

/** A message of the job is waiting, will be redelivered, or is with a worker. */
export const hasMessage = ({ waiting, orphaned, workers }: LimitState, job: number): boolean =>
  [...waiting, ...orphaned].some((message) => partsOf(message).job === job) ||
  workers.some((worker) => worker.phase !== "idle" && worker.job === job && !worker.lost);
