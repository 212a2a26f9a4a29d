/** The runs of the model of limits. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { limitModel } from "./model.ts";
import type { LimitBounds, LimitRules } from "./rules.ts";

type Faults = LimitBounds["faults"];

const holds = (name: string, share: Configuration["share"], bounds: LimitBounds): Configuration => ({
  model: "limits",
  name,
  share,
  run: () => search(limitModel(bounds)),
});

/** Two workers. */
const jobs = (count: number, max: number, faults: Faults): LimitBounds => ({
  ...{ jobs: count, max, workers: 2, begun: 0, faults },
});

/** The first job already runs. */
const begun = (bounds: LimitBounds): LimitBounds => ({ ...bounds, begun: 1 });
/** The first two jobs already run, and the others wait. */
const two = (bounds: LimitBounds): LimitBounds => ({ ...bounds, begun: 2, waiting: bounds.jobs - 2 });
/** The first job already runs, and the second waits. */
const behind = (bounds: LimitBounds): LimitBounds => ({ ...bounds, begun: 1, waiting: 1 });

export const LIMIT_CONFIGURATIONS: readonly Configuration[] = [
  holds("2 jobs, 1 at once: crash", "quick", jobs(2, 1, { crash: 1 })),
  holds("2 jobs, 1 at once: crash, retry", "usual", jobs(2, 1, { crash: 1, retry: 1 })),
  holds("2 jobs, 1 at once: cancel, requeue", "usual", jobs(2, 1, { cancel: 1, requeue: 1 })),
  holds("2 jobs, 1 at once: crash, reschedule", "full", jobs(2, 1, { crash: 1, reschedule: 1 })),
  holds("3 jobs, 1 at once, 1 runs: reschedule", "full", begun(jobs(3, 1, { reschedule: 1 }))),
  holds("3 jobs, 1 at once, 1 runs, 1 waits: reschedule", "usual", behind(jobs(3, 1, { reschedule: 1 }))),
  holds("2 jobs, 1 at once: lock expiry, lost answer", "usual", jobs(2, 1, { "lock expiry": 1, "lost answer": 1 })),
  holds("3 jobs, 1 at once, 1 runs: cancel", "usual", begun(jobs(3, 1, { cancel: 1 }))),
  holds("2 jobs, 1 at once, 1 runs: larger limit, crash", "usual", begun(jobs(2, 1, { "larger limit": 1, crash: 1 }))),
  holds("3 jobs, 1 at once, 1 runs: lost message", "usual", begun(jobs(3, 1, { "lost message": 1 }))),
  holds("3 jobs, 2 at once", "usual", jobs(3, 2, {})),
  holds("3 jobs, 1 at once, 1 runs: larger and smaller limit", "full", {
    ...begun(jobs(3, 1, { "larger limit": 1, "smaller limit": 1 })),
  }),
  holds("3 jobs, 1 at once, 1 runs: lost message, needless ring", "full", {
    ...begun(jobs(3, 1, { "lost message": 1, "needless ring": 1 })),
  }),
  holds("2 jobs, 1 at once: crash, requeue, retry", "full", jobs(2, 1, { crash: 1, requeue: 1, retry: 1 })),
  holds("2 jobs, 1 at once: lock expiry, crash, lost answer", "full", {
    ...jobs(2, 1, { "lock expiry": 1, crash: 1, "lost answer": 1 }),
  }),
  holds("4 jobs, 2 at once, 2 run, 2 wait: crash", "usual", two(jobs(4, 2, { crash: 1 }))),
  holds("3 jobs, 2 at once: crash", "full", jobs(3, 2, { crash: 1 })),
];

const breaks = (name: string, rules: Partial<LimitRules>, bounds: LimitBounds): RuleOff => ({
  model: "limits",
  name,
  run: () => search(limitModel(bounds, rules)),
});

export const LIMIT_RULES_OFF: readonly RuleOff[] = [
  breaks("R21: a claim does not look at the line", { gate: false }, jobs(2, 1, {})),
  breaks("R21: a place counts for every ring of its job", { placeOfRing: false }, jobs(2, 1, { requeue: 1 })),
  breaks("R22: a place is written whatever the line has become", { joinsByVersion: false }, jobs(2, 1, {})),
  breaks("R23: a job that waits does not look again", { looksAgain: false }, jobs(2, 1, {})),
  breaks("R24: the end of a job does not wake a waiting job", { endAsks: false }, jobs(2, 1, {})),
  breaks("R24: a retry does not wake a waiting job", { retryAsks: false }, jobs(2, 1, { retry: 1 })),
  breaks(
    "R24: a redelivery of an ended job does not wake a waiting job",
    { redeliveryAsks: false },
    {
      ...jobs(2, 1, { crash: 1 }),
    },
  ),
  breaks(
    "R24: a redelivery of an older ring does not wake a waiting job",
    { oldRingAsks: false },
    {
      ...behind(jobs(2, 1, { crash: 1, retry: 1 })),
    },
  ),
  breaks(
    "R39: a reschedule does not wake a waiting job",
    { rescheduleAsks: false },
    behind(jobs(3, 1, { reschedule: 1 })),
  ),
  breaks(
    "R25: the line is not read again if a waiting job has ended",
    { readsAgain: false },
    begun(jobs(3, 1, { cancel: 1 })),
  ),
  breaks("R25: the bell of a waiting job has the usual MessageId", { ringsFresh: false }, jobs(2, 1, {})),
  breaks("R26: a place is removed when its job starts", { removesOverOnly: false }, jobs(2, 1, {})),
  breaks(
    "R27: the sweeper rings for a job behind the front",
    { sweeperLeavesWaiting: false },
    {
      ...behind(jobs(3, 1, { "lost message": 1 })),
    },
  ),
  breaks(
    "R28: a bell has the MessageId of another limit",
    { ringsByEra: false },
    {
      ...behind(jobs(3, 1, { "larger limit": 1, "smaller limit": 1 })),
    },
  ),
];
