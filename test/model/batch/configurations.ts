/** The runs of the batch model. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { batchModel, type BatchRules } from "./model.ts";
import type { BatchFault } from "./state.ts";

type Faults = Partial<Readonly<Record<BatchFault, number>>>;

const holds = (name: string, share: Configuration["share"], faults: Faults): Configuration => ({
  model: "batch",
  name,
  share,
  run: () => search(batchModel(faults)),
});

export const BATCH_CONFIGURATIONS: readonly Configuration[] = [
  holds("crash, requeue, lost lock", "quick", { crash: 1, requeue: 1, "lost lock": 1 }),
  holds("2 crashes, requeue, lost reopen, silent cancel, lost lock", "usual", {
    ...{ crash: 2, requeue: 1, "lost reopen": 1, "cancel without check": 1, "lost lock": 1 },
  }),
  holds("2 crashes, 2 requeues, lost reopen, silent cancel, lost lock", "full", {
    ...{ crash: 2, requeue: 2, "lost reopen": 1, "cancel without check": 1, "lost lock": 1 },
  }),
];

const breaks = (name: string, rules: Partial<BatchRules>, faults: Faults): RuleOff => ({
  model: "batch",
  name,
  run: () => search(batchModel(faults, rules)),
});

export const BATCH_RULES_OFF: readonly RuleOff[] = [
  breaks("R12: counters are summed once", { sumsTwice: false }, { requeue: 1 }),
  breaks(
    "R12: a redelivery does not check completion again",
    { redeliveryAsks: false, sweeperAsks: false },
    { crash: 1 },
  ),
  breaks("R12: the question is left to a job that has asked", { leavesToOpenOnly: false, sweeperAsks: false }, {}),
  breaks("R12: the sweeper does not check completion", { sweeperAsks: false }, { "cancel without check": 1 }),
  breaks("R13: a requeue does not touch an open batch", { requeueAlwaysWrites: false }, { requeue: 1 }),
  breaks("R13: only the api reopens", { receiverReopens: false }, { requeue: 1, "lost reopen": 1 }),
];
