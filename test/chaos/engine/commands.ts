/** What callers want of jobs and batches while things die, and when: made from a seed. And what is known of each wish. */
import type { SeededRandom } from "../../support/seeded-random.ts";

/** Which job of those there are at that moment. */
export type Aim = "queued" | "delayed" | "running" | "succeeded" | "failed" | "canceled";

export type Wish =
  | { readonly kind: "cancel"; readonly aim: Aim }
  | { readonly kind: "requeue"; readonly aim: Aim }
  | { readonly kind: "requeue-many" }
  | { readonly kind: "requeue-batch"; readonly aim: "failed" | "canceled" };

export interface ScheduledWish {
  /** Due when this share of the jobs has ended. */
  readonly afterShare: number;
  readonly wish: Wish;
}

const CANCELS: readonly Wish[] = (["running", "queued", "delayed", "running", "succeeded"] as const).map((aim) => ({
  kind: "cancel",
  aim,
}));
const REQUEUES: readonly Wish[] = [
  { kind: "requeue", aim: "failed" },
  { kind: "requeue-many" },
  { kind: "requeue", aim: "canceled" },
  { kind: "requeue-batch", aim: "failed" },
  { kind: "requeue", aim: "succeeded" },
  { kind: "requeue", aim: "running" },
  { kind: "requeue-batch", aim: "canceled" },
];
/** Of a hundred jobs; besides them, whole batches are canceled. */
const CANCELS_OF_HUNDRED = 6;
const REQUEUES_OF_HUNDRED = 4;
/** Before, nobody has ended who could be requeued. */
const FIRST_SHARE = 0.05;
const LAST_SHARE = 0.95;

/** In the order in which they are due. */
export function wishesOf(random: SeededRandom, jobCount: number): ScheduledWish[] {
  const inTurns = (wishes: readonly Wish[], ofHundred: number): Wish[] =>
    Array.from({ length: Math.ceil((jobCount * ofHundred) / 100) }, (_, index) => wishes[index % wishes.length]!);
  return [...inTurns(CANCELS, CANCELS_OF_HUNDRED), ...inTurns(REQUEUES, REQUEUES_OF_HUNDRED)]
    .map((wish) => ({ afterShare: FIRST_SHARE + (LAST_SHARE - FIRST_SHARE) * random.next(), wish }))
    .sort((a, b) => a.afterShare - b.afterShare);
}

/** What the API said of one job: its state as the call left it, that it has been asked, or why nothing was done. */
export type JobAnswer = "canceled" | "asked" | "too-late" | "requeued" | "not-ended";

/** A request to cancel or requeue, with all its repetitions. Instants in ms since the epoch. */
export interface Command {
  readonly kind: "cancel" | "requeue";
  /** The jobs it names; of a whole batch: none. */
  readonly jobIds: readonly string[];
  readonly batchId: string | undefined;
  /** When each try was sent. More than one: those before the last were not answered. */
  readonly triedAt: readonly number[];
  /** Undefined: never. */
  readonly answeredAt: number | undefined;
  /** By job, for commands that name jobs. */
  readonly answers: ReadonlyMap<string, JobAnswer>;
}
