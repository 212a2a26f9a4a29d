/** Which rules hold in the timer model, and within which bounds it is searched. */
import type { Overlap } from "../../../runtime/core/package/manifest.ts";
import type { TimerFault } from "./state.ts";

export interface TimerRules {
  /** R14: the timer is asked before a tick is claimed. */
  readonly gate: boolean;
  /** R14: the row is there before the timer names it. */
  readonly rowFirst: boolean;
  /** R15: the timer is written also when it names this tick already. */
  readonly rewrites: boolean;
  /** R15: a refused claim begins again at the row. */
  readonly gatesAgain: boolean;
  /** R16: the row that the timer names is read after the timer. */
  readonly holderAfterTimer: boolean;
  /** R17: whoever waits is written down before the message is completed, on the version that was read. */
  readonly waitsByVersion: boolean;
  /** R17: whoever has been written down looks at the holder again. */
  readonly looksAgain: boolean;
  /** R18: whoever ends a run asks for those that wait. */
  readonly endAsks: boolean;
  /** R18: whoever finds one ended asks, too. */
  readonly redeliveryAsks: boolean;
  /** R18: ended ones among those that wait are passed over. */
  readonly passesOver: boolean;
  /** R19: the bell of one that waits has a MessageId nothing swallows. */
  readonly ringsFresh: boolean;
  /** R19: who passes waits no longer. */
  readonly passLeavesList: boolean;
  /** R20: nobody passes while an earlier one waits. */
  readonly inOrder: boolean;
  /** R20: who finds that all that waited have ended reads the timer again. */
  readonly readsAgain: boolean;
  /** R20: one that is dropped for a later one is on record as missed before its row says so. */
  readonly dropsOnRecord: boolean;
}

export const ALL_RULES: TimerRules = {
  gate: true,
  rowFirst: true,
  rewrites: true,
  gatesAgain: true,
  holderAfterTimer: true,
  waitsByVersion: true,
  looksAgain: true,
  endAsks: true,
  redeliveryAsks: true,
  passesOver: true,
  ringsFresh: true,
  passLeavesList: true,
  inOrder: true,
  readsAgain: true,
  dropsOnRecord: true,
};

export interface TimerBounds {
  readonly ticks: number;
  readonly overlap: Exclude<Overlap, "allow">;
  /** So many may wait. */
  readonly waitingMax: number;
  /** Of too many that would wait, the latest are kept. */
  readonly keepsLatest?: boolean;
  /** The first worker runs the first tick already. */
  readonly begun?: boolean;
  readonly faults: Partial<Readonly<Record<TimerFault, number>>>;
}
