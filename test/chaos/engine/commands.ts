/** Commands that callers send during a run, with their times, made from a seed; and what is known of each. */
import type { SeededRandom } from "../../support/seeded-random.ts";

/** The kind of job to choose at that moment. */
export type Aim = "queued" | "delayed" | "running" | "succeeded" | "failed" | "canceled";

export type Intent =
  | { readonly kind: "cancel"; readonly aim: Aim }
  | { readonly kind: "requeue"; readonly aim: Aim }
  | { readonly kind: "requeue-many" }
  | { readonly kind: "requeue-batch"; readonly aim: "failed" | "canceled" }
  /** To so long after the request. */
  | { readonly kind: "reschedule"; readonly aim: "delayed"; readonly inMs: number };

export interface ScheduledIntent {
  /** Due when this share of the jobs has ended. */
  readonly afterShare: number;
  readonly intent: Intent;
}

const CANCELS: readonly Intent[] = (["running", "queued", "delayed", "running", "succeeded"] as const).map((aim) => ({
  kind: "cancel",
  aim,
}));
const REQUEUES: readonly Intent[] = [
  { kind: "requeue", aim: "failed" },
  { kind: "requeue-many" },
  { kind: "requeue", aim: "canceled" },
  { kind: "requeue-batch", aim: "failed" },
  { kind: "requeue", aim: "succeeded" },
  { kind: "requeue", aim: "running" },
  { kind: "requeue-batch", aim: "canceled" },
];
/** Of a hundred jobs. Whole batches are canceled in addition. */
const CANCELS_OF_HUNDRED = 6;
const REQUEUES_OF_HUNDRED = 4;
const RESCHEDULES_OF_HUNDRED = 4;
const RESCHEDULED_MAX_MS = 6_000;
/** Before this share, there is no ended job to requeue. */
const FIRST_SHARE = 0.05;
const LAST_SHARE = 0.95;

/** In the order in which they are due. */
export function intentsOf(random: SeededRandom, jobCount: number): ScheduledIntent[] {
  const inTurns = (intents: readonly Intent[], ofHundred: number): Intent[] =>
    Array.from({ length: Math.ceil((jobCount * ofHundred) / 100) }, (_, index) => intents[index % intents.length]!);
  // Every second one to now.
  const reschedules = Array.from(
    { length: Math.ceil((jobCount * RESCHEDULES_OF_HUNDRED) / 100) },
    (_, index): Intent => {
      const inMs = index % 2 === 0 ? 0 : Math.round(RESCHEDULED_MAX_MS * random.next());
      return { kind: "reschedule", aim: "delayed", inMs };
    },
  );
  return [...inTurns(CANCELS, CANCELS_OF_HUNDRED), ...inTurns(REQUEUES, REQUEUES_OF_HUNDRED), ...reschedules]
    .map((intent) => ({ afterShare: FIRST_SHARE + (LAST_SHARE - FIRST_SHARE) * random.next(), intent }))
    .sort((a, b) => a.afterShare - b.afterShare);
}

/** The API's answer about one job: its state after the call, that a cancel was requested, or why nothing was done. */
export type JobAnswer = "canceled" | "requested" | "too-late" | "requeued" | "not-ended" | "rescheduled" | "not-queued";

/** A request to cancel, requeue or reschedule, with all its repetitions. Instants in ms since the epoch. */
export interface Command {
  readonly kind: "cancel" | "requeue" | "reschedule";
  /** The jobs in the request. Empty for a whole batch. */
  readonly jobIds: readonly string[];
  readonly batchId: string | undefined;
  /** When each try was sent. All but the last got no answer. */
  readonly triedAt: readonly number[];
  /** Undefined: never. */
  readonly answeredAt: number | undefined;
  /** By job, for commands that name jobs. */
  readonly answers: ReadonlyMap<string, JobAnswer>;
  /** Of a reschedule: the new time. */
  readonly runAt?: number;
}
