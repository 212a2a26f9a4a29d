/** What the timer model is run with. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { type TimerBounds, timerModel, type TimerRules } from "./model.ts";

const holds = (name: string, share: Configuration["share"], bounds: TimerBounds): Configuration => ({
  model: "timers",
  name,
  share,
  run: () => search(timerModel(bounds)),
});

export const TIMER_CONFIGURATIONS: readonly Configuration[] = [
  holds("2 ticks: crash, requeue", "quick", { ticks: 2, faults: { crash: 1, requeue: 1 } }),
  holds("2 ticks: 2 crashes, cancel, requeue, retry", "usual", {
    ticks: 2,
    faults: { crash: 2, cancel: 1, requeue: 1, retry: 1 },
  }),
  holds("2 ticks: crash, lock expiry, cancel, requeue", "usual", {
    ticks: 2,
    faults: { crash: 1, "lock expiry": 1, cancel: 1, requeue: 1 },
  }),
  holds("3 ticks: crash, requeue", "usual", { ticks: 3, faults: { crash: 1, requeue: 1 } }),
  holds("3 ticks: crash, cancel, requeue, retry", "full", {
    ticks: 3,
    faults: { crash: 1, cancel: 1, requeue: 1, retry: 1 },
  }),
];

const breaks = (name: string, rules: Partial<TimerRules>, faults: TimerBounds["faults"]): RuleOff => ({
  model: "timers",
  name,
  run: () => search(timerModel({ ticks: 2, faults }, rules)),
});

export const TIMER_RULES_OFF: readonly RuleOff[] = [
  breaks("R14: nobody asks the timer", { gate: false }, {}),
  breaks("R14: the timer before the row", { rowFirst: false }, {}),
  breaks("R15: the holder does not write the timer again", { rewrites: false }, { requeue: 1, cancel: 1 }),
  breaks("R15: a refused claim does not ask the timer again", { gatesAgain: false }, { requeue: 1, cancel: 1 }),
];
