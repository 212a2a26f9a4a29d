/** The runs of the model of notices. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { type NoticeBounds, noticeModel, type NoticeRules } from "./model.ts";

const holds = (name: string, share: Configuration["share"], bounds: NoticeBounds): Configuration => ({
  ...{ model: "notices", name, share },
  run: () => search(noticeModel(bounds)),
});

export const NOTICE_CONFIGURATIONS: readonly Configuration[] = [
  holds("2 jobs, 2 processes, crash", "quick", { jobs: 2, tellers: 2, faults: { crash: 1 } }),
  holds("3 jobs, 2 processes, 2 crashes, requeue", "usual", { jobs: 3, tellers: 2, faults: { crash: 2, requeue: 1 } }),
];

const breaks = (name: string, bounds: NoticeBounds, rules: Partial<NoticeRules>): RuleOff => ({
  ...{ model: "notices", name },
  run: () => search(noticeModel(bounds, rules)),
});

export const NOTICE_RULES_OFF: readonly RuleOff[] = [
  breaks(
    "R50: a message is made before its notice is written",
    { jobs: 2, tellers: 1, faults: { crash: 1 } },
    { writesFirst: false },
  ),
  breaks(
    "R50: a notice is written whatever the row has become",
    { jobs: 2, tellers: 2, faults: {} },
    { onVersion: false },
  ),
  breaks(
    "R51: a notice counts as made when it is written",
    { jobs: 1, tellers: 1, faults: { crash: 1 } },
    { marksAfter: false },
  ),
  breaks(
    "R51: a notice is marked whichever it is",
    { jobs: 2, tellers: 2, faults: { crash: 1 } },
    { marksSameOnly: false },
  ),
  breaks(
    "R52: a batch is laid to rest before its failures are told",
    { jobs: 1, tellers: 1, faults: {} },
    { restsWhenTold: false },
  ),
  breaks(
    "R53: a failure is counted after its row is written",
    { jobs: 1, tellers: 1, faults: { crash: 1 } },
    { countsWithRow: false },
  ),
];
