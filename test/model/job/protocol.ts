/**
 * The subject of the model: the decisions of runtime/core, unchanged, and the order in which the rest of the system
 * carries them out. A switched-off rule is a wrapper around one of the decisions, or another order.
 */
import { cancelOf, requeueOf } from "../../../runtime/core/job/cancel-requeue.ts";
import {
  type DeliveredBell,
  type DeadLetterDecision,
  type DeliveryDecision,
  endingOf,
  decideDelivery,
  decideDeadLetter,
} from "../../../runtime/core/job/protocol.ts";
import { handbackOf, isClaimDead } from "../../../runtime/core/job/handback.ts";
import { rescheduleOf } from "../../../runtime/core/job/reschedule.ts";
import type { Job } from "../../../runtime/core/job/job.ts";

/** The real decisions, and the additional results of a broken one. */
export interface Decisions {
  readonly decideDelivery: (
    ...facts: Parameters<typeof decideDelivery>
  ) => DeliveryDecision | { readonly action: "abandon" };
  readonly endingOf: typeof endingOf;
  readonly handbackOf: typeof handbackOf;
  readonly isClaimDead: typeof isClaimDead;
  readonly cancelOf: typeof cancelOf;
  readonly requeueOf: typeof requeueOf;
  readonly rescheduleOf: typeof rescheduleOf;
  readonly decideDeadLetter: (
    ...facts: Parameters<typeof decideDeadLetter>
  ) => DeadLetterDecision | { readonly action: "fail" };
}

/** The system's actions around the decisions. */
export interface Procedure {
  /** R1: the value of the row's ring, and so of the MessageId. */
  readonly ringOf: (row: { readonly ring: number; readonly attempts: number }) => number;
  /** R3: a claimed job is started only while the lock still has its margin. */
  readonly checksLockBeforeStart: boolean;
  /** R4: new for every delivery and the same for all tries; or the worker's name; or a new one for every try. */
  readonly claimId: "per delivery" | "worker name" | "per try";
  /** R7. */
  readonly order: "row, bell, complete" | "bell, row, complete" | "row, complete, bell";
  /** R10: a running row is handed back before its new bell is sent. */
  readonly sweeperWritesFirst: boolean;
  /** R10: the sweeper's bell for a queued row has a MessageId that duplicate detection does not drop. */
  readonly sweeperOwnMessageId: boolean;
  /** Writes of a worker are conditional on its claim's ETag. */
  readonly fenced: boolean;
  /** A takeover counts the ended try as an interruption. */
  readonly takeOverRecords: boolean;
  /** Bells carry the row's ETag, which saves the first read. */
  readonly etagInBell: boolean;
  /**
   * After an outage in which neither the claim's write nor the following read was answered, a claim that turns out to
   * be valid continues with the counts of the bell, instead of those of the row.
   */
  readonly claimRestartsFromBell: boolean;
  /** R37. */
  readonly rescheduleOrder: "row, bell" | "bell, row";
  /** R38: a change of tags writes the tags alone, and not the row as it was read. */
  readonly tagsAlone: boolean;
}

export interface Protocol {
  readonly decisions: Decisions;
  readonly procedure: Procedure;
}

export const PROTOCOL: Protocol = {
  decisions: { decideDelivery, endingOf, handbackOf, isClaimDead, cancelOf, requeueOf, rescheduleOf, decideDeadLetter },
  procedure: {
    ringOf: ({ ring }) => ring,
    checksLockBeforeStart: true,
    claimId: "per delivery",
    order: "row, bell, complete",
    sweeperWritesFirst: true,
    sweeperOwnMessageId: true,
    fenced: true,
    takeOverRecords: true,
    etagInBell: true,
    claimRestartsFromBell: false,
    rescheduleOrder: "row, bell",
    tagsAlone: true,
  },
};

const withDecisions = (decisions: Partial<Decisions>): Protocol => ({
  ...PROTOCOL,
  decisions: { ...PROTOCOL.decisions, ...decisions },
});

const withProcedure = (procedure: Partial<Procedure>): Protocol => ({
  ...PROTOCOL,
  procedure: { ...PROTOCOL.procedure, ...procedure },
});

type MetRow = Pick<Job, "state" | "ring" | "claim" | "cancelWanted" | "interruptions"> | undefined;

/** Changes one of the table's answers. */
const meetExcept = (
  action: DeliveryDecision["action"],
  instead: (row: MetRow, delivered: DeliveredBell) => ReturnType<Decisions["decideDelivery"]>,
): Protocol =>
  withDecisions({
    decideDelivery(row, delivered, myClaimId) {
      const decision = decideDelivery(row, delivered, myClaimId);
      return decision.action === action ? instead(row, delivered) : decision;
    },
  });

const noCancel = <T extends { readonly cancelWanted: boolean }>(facts: T): T => ({ ...facts, cancelWanted: false });

/** Bells carry no ETag or an old one, so every claim begins with a read. */
export const WITHOUT_ETAG_IN_BELL = withProcedure({ etagInBell: false });

/** The protocol without one of its rules, by a name that begins with the rule's number. */
export const BROKEN = {
  "R1: MessageId and ring from the attempt": withProcedure({ ringOf: ({ attempts }) => attempts + 1 }),
  "R2: a running row means a live worker": withDecisions({
    decideDelivery(row, delivered, myClaimId) {
      const decision = decideDelivery(row, delivered, myClaimId);
      return row?.state === "running" && decision.action !== "adopt" ? { action: "abandon" } : decision;
    },
  }),
  "R2: any bell takes over": meetExcept("complete-surplus", () => ({ action: "take-over", as: "running" })),
  "R2: the same MessageId takes over": meetExcept("complete-surplus", (row, { bell }) =>
    row?.ring === bell.ring ? { action: "take-over", as: "running" } : { action: "complete-surplus" },
  ),
  "R3: starts without checking the lock": withProcedure({ checksLockBeforeStart: false }),
  "R4: own claim not recognised": withDecisions({
    decideDelivery: (row, delivered) => decideDelivery(row, delivered, undefined),
  }),
  "R4: claims named after the worker": withProcedure({ claimId: "worker name" }),
  "R4: a new claim id for every try": withProcedure({ claimId: "per try" }),
  "R4: after an outage the claim starts again from the bell": withProcedure({ claimRestartsFromBell: true }),
  "R5: another ETag means another owner": {
    ...meetExcept("claim", () => ({ action: "abandon" })),
    procedure: { ...PROTOCOL.procedure, etagInBell: false },
  },
  "R6: an old bell is only completed": meetExcept("ring-again", () => ({ action: "complete-surplus" })),
  "R7: next bell before the row": withProcedure({ order: "bell, row, complete" }),
  "R7: old bell completed before the next": withProcedure({ order: "row, complete, bell" }),
  "R8: a retry forgets the cancel": withDecisions({ endingOf: (facts) => endingOf(noCancel(facts)) }),
  "R8: a takeover forgets the cancel": withDecisions({
    decideDelivery: (row, delivered, myClaimId) => decideDelivery(row && noCancel(row), delivered, myClaimId),
  }),
  "R8: a hand-back forgets the cancel": withDecisions({ handbackOf: (job, now) => handbackOf(noCancel(job), now) }),
  "R9: a dead letter ends a live job": withDecisions({
    decideDeadLetter(row, letter) {
      const decision = decideDeadLetter(row, letter);
      return decision.action === "keep" || decision.action === "remove" ? decision : { action: "fail" };
    },
  }),
  "R10: sends a bell for a running row without writing it": withProcedure({ sweeperWritesFirst: false }),
  "R10: the sweeper's bell has the usual MessageId": withProcedure({ sweeperOwnMessageId: false }),
  "R35: a reschedule keeps the ring": withDecisions({
    rescheduleOf(job, runAt) {
      const decision = rescheduleOf(job, runAt);
      return decision.action === "write" ? { ...decision, changes: { ...decision.changes, ring: job.ring } } : decision;
    },
  }),
  "R36: a reschedule is written whatever the row has become": withDecisions({
    rescheduleOf: (job, runAt) => rescheduleOf({ ...job, state: "queued" }, runAt),
  }),
  "R37: the bell of the new time before the row": withProcedure({ rescheduleOrder: "bell, row" }),
  "R38: a change of tags writes the row as it was read": withProcedure({ tagsAlone: false }),
  "fence: writes without the claim's ETag": withProcedure({ fenced: false }),
  "record: a takeover counts no interruption": withProcedure({ takeOverRecords: false }),
} as const satisfies Readonly<Record<string, Protocol>>;
