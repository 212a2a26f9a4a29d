/**
 * The state of the job model: rows, workers, messages, and writes between them. It contains only what decides the
 * future; times, payloads and logs are left out.
 *
 * ETags are compared only for equality and never return, so every holder of one needs a single bit: `fresh`, it is
 * still the row's. Sequence numbers and claim ids are compared only for equality too; `canonical.ts` renames them.
 */
import type { JobState } from "../../../runtime/core/job/states.ts";

export interface Row {
  state: JobState | "absent";
  ring: number;
  attempts: number;
  interruptions: number;
  /** 0: none. */
  claim: number;
  /** Sequence number of the message of the claim. */
  seq: number;
  cancelWanted: boolean;
  /** `runAt` is in the future. */
  delayed: boolean;
  /**
   * Not part of the system: a start of the user's code is allowed. The start clears it, and a reason for another sets
   * it.
   */
  mayStart: boolean;
}

/**
 * | phase       | the worker is about to                                                  |
 * |-------------|-------------------------------------------------------------------------|
 * | idle        | receive                                                                 |
 * | claim       | write its claim                                                         |
 * | read        | read the row, because the claim was refused or not answered             |
 * | run         | continue the user's code                                                |
 * | end         | write the end of the attempt                                            |
 * | reread      | read the row, because a write of its own was refused or not answered    |
 * | ring        | send the row's next bell                                                |
 * | complete, dead-letter, abandon | settle its message                                   |
 * | let-go      | leave its message to the lock, after killing the user's code            |
 */
export const PHASES = [
  "idle",
  "claim",
  "read",
  "run",
  "end",
  "reread",
  "ring",
  "complete",
  "dead-letter",
  "abandon",
  "let-go",
] as const;

export type Phase = (typeof PHASES)[number];

/** The end of the attempt (`hopeless`: failed without retry), or why the row is read while it runs. */
export const RESULTS = ["none", "succeeded", "failed", "hopeless", "canceled", "interrupted", "progress"] as const;

export type Result = (typeof RESULTS)[number];

export interface Worker {
  phase: Phase;
  job: number;
  /** The message that it works on. */
  seq: number;
  ring: number;
  /** The broker still holds the message for it. It may not have noticed the end of the lock. */
  locked: boolean;
  fresh: boolean;
  claim: number;
  result: Result;
  /** It knows that a cancel was requested. */
  cancel: boolean;
  /** Its copy of the row. In phase `ring`: the content of the bell. */
  interruptions: number;
  /** Phase `ring`: the ring to send, and whether it is scheduled. */
  toSend: number;
  delayed: boolean;
}

export interface Message {
  seq: number;
  job: number;
  ring: number;
  /** The ETag in it is still the row's. */
  fresh: boolean;
  /** The row's values when it was made. */
  interruptions: number;
  locked: boolean;
  /** Deliveries that ended without settlement. */
  deliveries: number;
  scheduled: boolean;
  /** It is in the dead-letter queue. */
  dead: boolean;
  /** Not part of the system: it was sent for a time that a reschedule has given up. */
  givenUp: boolean;
}

/** A bell that the API has yet to send. */
export interface OwedBell {
  job: number;
  ring: number;
  fresh: boolean;
  givenUp: boolean;
  /** Without R37: the bell was sent, and the row is still to be written. */
  owesRow: boolean;
}

/** A write that its sender has given up and that may still be applied, if its ETag matches. */
export interface LateWrite {
  kind: "claim" | "end";
  job: number;
  ring: number;
  fresh: boolean;
  claim: number;
  seq: number;
  result: Result;
  cancel: boolean;
  interruptions: number;
}

/** The sweeper between its row write and its send. */
export interface Sweeper {
  rings: boolean;
  job: number;
  ring: number;
  fresh: boolean;
  /** The dead letter to remove afterwards; 0: none. */
  letter: number;
  /** It has its own MessageId, which duplicate detection does not drop. */
  ownMessageId: boolean;
}

export const FAULTS = [
  "crash",
  "lock expiry",
  "blind lock expiry",
  "ambiguous write",
  "outage",
  "cancel",
  "requeue",
  "reschedule",
  "tag",
  "lost send",
  "needless sweep",
  "window over",
  "re-submit",
  "drain",
  "give back",
  "purge",
] as const;

export type Fault = (typeof FAULTS)[number];

/** How often each fault may still happen. */
export type Budget = Record<Fault, number>;

/** Faults that may each interrupt one job once. */
export const INTERRUPTING: readonly Fault[] = [
  "crash",
  "lock expiry",
  "blind lock expiry",
  "needless sweep",
  "drain",
  "purge",
  "give back",
];

export interface Totals {
  /** Faults that may still happen, of any kind. */
  faultsLeft: number;
  /** Interrupting faults that have happened. */
  causes: number;
}

export interface World {
  rows: Row[];
  workers: Worker[];
  messages: Message[];
  owed: OwedBell[];
  late: LateWrite[];
  sweeper: Sweeper;
  /** By job: the MessageIds inside the duplicate window, as a bit set of rings. */
  sent: { rings: number }[];
  budget: Budget;
  totals: Totals;
}

/** The user's code runs in this worker. */
export const runsUserCode = ({ phase, result }: Worker): boolean =>
  phase === "run" || (phase === "reread" && result === "progress");

export const messageOf = (world: World, seq: number): Message | undefined =>
  seq === 0 ? undefined : world.messages.find((message) => message.seq === seq);
