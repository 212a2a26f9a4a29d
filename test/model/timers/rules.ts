/** The rules of the timer model, and the bounds of a search. */
import type { Overlap } from "../../../runtime/core/package/manifest.ts";
import type { TimerFault } from "./state.ts";

export interface TimerRules {
  /** R14: the timer is checked before a tick is claimed. */
  readonly gate: boolean;
  /** R14: the row exists before the timer names it. */
  readonly rowFirst: boolean;
  /** R15: the timer is written even if it names this tick already. */
  readonly rewrites: boolean;
  /** R15: a refused claim starts again with the row. */
  readonly gatesAgain: boolean;
  /** R16: the row that the timer names is read after the timer. */
  readonly holderAfterTimer: boolean;
  /** R17: a waiting run is recorded before its message is completed, on the version that was read. */
  readonly waitsByVersion: boolean;
  /** R17: after a waiting run was recorded, the holder is read again. */
  readonly looksAgain: boolean;
  /** R18: the end of a run wakes a waiting run. */
  readonly endAsks: boolean;
  /** R18: a redelivery of an ended run does so too. */
  readonly redeliveryAsks: boolean;
  /** R18: ended runs in the waiting list are skipped. */
  readonly passesOver: boolean;
  /** R18: the sweeper sends no bell for a run that waits for another one. */
  readonly sweeperLeavesWaiting: boolean;
  /** R19: the bell of a waiting run has a MessageId that duplicate detection does not drop. */
  readonly ringsFresh: boolean;
  /** R19: a run that passes is removed from the waiting list. */
  readonly passLeavesList: boolean;
  /** R20: no run passes while an earlier one waits. */
  readonly inOrder: boolean;
  /** R20: if all waiting runs have ended, the timer is read again. */
  readonly readsAgain: boolean;
  /** R20: a run that is dropped for a later one is recorded as missed before its row ends. */
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
  sweeperLeavesWaiting: true,
  ringsFresh: true,
  passLeavesList: true,
  inOrder: true,
  readsAgain: true,
  dropsOnRecord: true,
};

export interface TimerBounds {
  readonly ticks: number;
  readonly overlap: Exclude<Overlap, "allow">;
  /** Maximum number of waiting runs. */
  readonly waitingMax: number;
  /** If too many would wait, the latest are kept. */
  readonly keepsLatest?: boolean;
  /** The first worker already runs the first tick. */
  readonly begun?: boolean;
  readonly faults: Partial<Readonly<Record<TimerFault, number>>>;
}
