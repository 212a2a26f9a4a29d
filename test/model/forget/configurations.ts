/** The runs of the model of removing rows. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { type ForgetRules, forgetModel } from "./model.ts";

export const FORGET_CONFIGURATIONS: readonly Configuration[] = [
  { model: "forget", name: "requeue, repeated submit, late bell", share: "quick", run: () => search(forgetModel()) },
];

const off = (name: string, rules: Partial<ForgetRules>): RuleOff => ({
  ...{ model: "forget", name },
  run: () => search(forgetModel(rules)),
});

export const FORGET_RULES_OFF: readonly RuleOff[] = [
  off("R45: a row is removed whatever its version", { onVersion: false }),
  off("R46: a row is removed while a key names it", { waitsForKeys: false }),
  off("R47: a bell of a forgotten job is dead-lettered", { completesOldBells: false }),
  off("R48: a removed row is taken out of the counters", { keepsCounters: false }),
  off("R49: the batch is removed before its jobs", { batchLast: false }),
];
