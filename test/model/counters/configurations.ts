/** The runs of the counter model. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { counterModel } from "./model.ts";

export const COUNTER_CONFIGURATIONS: readonly Configuration[] = [
  { model: "counters", name: "crash", share: "quick", run: () => search(counterModel({ crash: 1 })) },
  {
    ...{ model: "counters", name: "2 ambiguous writes, crash", share: "usual" },
    run: () => search(counterModel({ "ambiguous write": 2, crash: 1 })),
  },
];

export const COUNTER_RULES_OFF: readonly RuleOff[] = [
  {
    model: "counters",
    name: "R11: the counter row is written unconditionally",
    run: () => search(counterModel({ "ambiguous write": 1 }, { conditional: false, rereads: false })),
  },
  {
    model: "counters",
    name: "R11: the counter row is written unconditionally, but read again after a timeout",
    run: () => search(counterModel({ "ambiguous write": 1 }, { conditional: false })),
  },
];
