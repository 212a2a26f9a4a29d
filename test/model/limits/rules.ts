/** The rules of the model of limits, and the bounds of a search. */

export interface LimitRules {
  /** R21: a job is claimed only if its place is in the front. */
  readonly gate: boolean;
  /** R21: a place counts for one ring of its job. */
  readonly placeOfRing: boolean;
  /** R22: a place is written on the version of the line that was read. */
  readonly joinsByVersion: boolean;
  /** R23: after its place was written, a job that waits looks at the rows again. */
  readonly looksAgain: boolean;
  /** R24: the end of a job wakes those that wait. */
  readonly endAsks: boolean;
  /** R24: a retry does so too. */
  readonly retryAsks: boolean;
  /** R24: a redelivery of an ended job does so too. */
  readonly redeliveryAsks: boolean;
  /** R24: a redelivery of an older ring does so too. */
  readonly oldRingAsks: boolean;
  /** R39: a reschedule does so too. */
  readonly rescheduleAsks: boolean;
  /** R25: if a waiting job has ended, the line is read again. */
  readonly readsAgain: boolean;
  /** R25: the bell of a waiting job has a MessageId of its own. */
  readonly ringsFresh: boolean;
  /** R26: only places that are over are removed. */
  readonly removesOverOnly: boolean;
  /** R27: the sweeper sends no bell for a job that is behind the front. */
  readonly sweeperLeavesWaiting: boolean;
  /** R28: bells under another limit have other MessageIds. */
  readonly ringsByEra: boolean;
}

export const ALL_LIMIT_RULES: LimitRules = {
  gate: true,
  placeOfRing: true,
  joinsByVersion: true,
  looksAgain: true,
  endAsks: true,
  retryAsks: true,
  redeliveryAsks: true,
  oldRingAsks: true,
  rescheduleAsks: true,
  readsAgain: true,
  ringsFresh: true,
  removesOverOnly: true,
  sweeperLeavesWaiting: true,
  ringsByEra: true,
};

export interface LimitBounds {
  readonly jobs: number;
  readonly max: number;
  /** So many workers; the first of them already run the first jobs. */
  readonly workers: number;
  readonly begun: number;
  /** So many jobs behind these wait already. */
  readonly waiting?: number;
  readonly faults: Partial<Readonly<Record<LimitFault, number>>>;
}

export type LimitFault =
  | "crash"
  | "lock expiry"
  | "lost answer"
  | "cancel"
  | "requeue"
  | "reschedule"
  | "retry"
  | "lost message"
  | "needless ring"
  | "larger limit"
  | "smaller limit";
