/** The runs of the timer model. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { timerModel } from "./model.ts";
import type { TimerBounds, TimerRules } from "./rules.ts";

type Faults = TimerBounds["faults"];

const holds = (name: string, share: Configuration["share"], bounds: TimerBounds): Configuration => ({
  model: "timers",
  name,
  share,
  run: () => search(timerModel(bounds)),
});

const skip = (ticks: number, faults: Faults): TimerBounds => ({ ticks, overlap: "skip", waitingMax: 0, faults });
const queue = (ticks: number, waitingMax: number, faults: Faults): TimerBounds => ({
  ...{ ticks, overlap: "queue", waitingMax, faults },
});

/** The first tick already runs. */
const begun = (bounds: TimerBounds): TimerBounds => ({ ...bounds, begun: true });

export const TIMER_CONFIGURATIONS: readonly Configuration[] = [
  holds("2 ticks: crash, requeue", "quick", skip(2, { crash: 1, requeue: 1 })),
  holds("2 ticks, one may wait: crash", "quick", queue(2, 1, { crash: 1 })),
  holds("3 ticks, one runs, one may wait, the latest: crash", "usual", {
    ...{ ...begun(queue(3, 1, { crash: 1 })), keepsLatest: true },
  }),
  holds("3 ticks, one may wait, the latest: cancel", "usual", { ...queue(3, 1, { cancel: 1 }), keepsLatest: true }),
  holds("3 ticks, two may wait: lock expiry", "full", queue(3, 2, { "lock expiry": 1 })),
  holds("4 ticks, one runs, two may wait, the latest: crash", "full", {
    ...{ ...begun(queue(4, 2, { crash: 1 })), keepsLatest: true },
  }),
  holds("2 ticks: crash, cancel, requeue, retry", "usual", skip(2, { crash: 1, cancel: 1, requeue: 1, retry: 1 })),
  holds("2 ticks: lock expiry, cancel, requeue", "usual", skip(2, { "lock expiry": 1, cancel: 1, requeue: 1 })),
  holds("2 ticks, one may wait: crash, cancel, requeue", "usual", {
    ...queue(2, 1, { crash: 1, cancel: 1, requeue: 1 }),
  }),
  holds("2 ticks, one may wait: crash, lock expiry, retry", "usual", {
    ...queue(2, 1, { crash: 1, "lock expiry": 1, retry: 1 }),
  }),
  holds("2 ticks, one may wait: crash, lost message, needless ring", "usual", {
    ...queue(2, 1, { crash: 1, "lost message": 1, "needless ring": 1 }),
  }),
  holds("3 ticks, one runs, one may wait: crash", "usual", begun(queue(3, 1, { crash: 1 }))),
  holds("3 ticks, one runs, two may wait: cancel", "usual", begun(queue(3, 2, { cancel: 1 }))),
  holds("3 ticks, one runs, two may wait: lost message, needless ring", "usual", {
    ...begun(queue(3, 2, { "lost message": 1, "needless ring": 1 })),
  }),
  holds("3 ticks, one runs, two may wait: lock expiry, needless ring", "full", {
    ...begun(queue(3, 2, { "lock expiry": 1, "needless ring": 1 })),
  }),
  holds("2 ticks: 2 crashes, cancel, requeue, retry", "full", skip(2, { crash: 2, cancel: 1, requeue: 1, retry: 1 })),
  holds("2 ticks: crash, lock expiry, cancel, requeue", "full", {
    ...skip(2, { crash: 1, "lock expiry": 1, cancel: 1, requeue: 1 }),
  }),
  holds("3 ticks: crash, cancel, requeue", "full", skip(3, { crash: 1, cancel: 1, requeue: 1 })),
  holds("2 ticks, one may wait: crash, cancel, requeue, needless ring", "full", {
    ...queue(2, 1, { crash: 1, cancel: 1, requeue: 1, "needless ring": 1 }),
  }),
  holds("2 ticks, one may wait: crash, lock expiry, retry, lost message", "full", {
    ...queue(2, 1, { crash: 1, "lock expiry": 1, retry: 1, "lost message": 1 }),
  }),
  holds("3 ticks, one may wait: crash, cancel", "full", queue(3, 1, { crash: 1, cancel: 1 })),
  holds("3 ticks, two may wait: crash", "full", queue(3, 2, { crash: 1 })),
];

const breaks = (name: string, rules: Partial<TimerRules>, bounds: TimerBounds): RuleOff => ({
  model: "timers",
  name,
  run: () => search(timerModel(bounds, rules)),
});

export const TIMER_RULES_OFF: readonly RuleOff[] = [
  breaks("R14: a claim does not check the timer", { gate: false }, skip(2, {})),
  breaks("R14: the timer is written before the row", { rowFirst: false }, skip(2, {})),
  breaks("R15: the holder does not write the timer again", { rewrites: false }, skip(2, { requeue: 1, cancel: 1 })),
  breaks(
    "R15: a refused claim does not check the timer again",
    { gatesAgain: false },
    {
      ...skip(2, { requeue: 1, cancel: 1 }),
    },
  ),
  breaks("R16: the holder's row is read before the timer's", { holderAfterTimer: false }, skip(2, { crash: 1 })),
  breaks("R17: a waiting run overwrites others", { waitsByVersion: false }, begun(queue(3, 2, {}))),
  breaks("R17: a waiting run does not read the holder again", { looksAgain: false }, queue(2, 1, {})),
  breaks("R18: the end of a run does not wake a waiting run", { endAsks: false }, queue(2, 1, {})),
  breaks(
    "R18: a redelivery of an ended run does not wake a waiting run",
    { redeliveryAsks: false },
    queue(2, 1, { crash: 1 }),
  ),
  breaks("R18: a waiting run that has ended gets the bell", { passesOver: false }, begun(queue(3, 2, { cancel: 1 }))),
  breaks(
    "R18: the sweeper rings for a run that waits for another",
    { sweeperLeavesWaiting: false },
    begun(queue(3, 2, { "lost message": 1 })),
  ),
  breaks("R19: the bell of a waiting run has the usual MessageId", { ringsFresh: false }, queue(2, 1, {})),
  breaks("R20: a run passes while an earlier one waits", { inOrder: false }, begun(queue(3, 1, {}))),
  breaks(
    "R20: a dropped run is not recorded",
    { dropsOnRecord: false },
    { ...begun(queue(3, 1, { crash: 1 })), keepsLatest: true },
  ),
  breaks(
    "R20: the timer is not read again if all waiting runs have ended",
    { readsAgain: false },
    begun(queue(3, 2, { cancel: 1 })),
  ),
  breaks("R19: a run that passes stays in the waiting list", { passLeavesList: false }, queue(2, 1, {})),
];
