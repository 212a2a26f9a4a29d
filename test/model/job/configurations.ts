/** The runs of the job model: bounds under which the protocol must hold, and bounds that show the purpose of a rule. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { jobModel } from "./model.ts";
import type { Bounds } from "./context.ts";
import { BROKEN, type Protocol, WITHOUT_ETAG_IN_BELL } from "./protocol.ts";

/** Each fault may happen at any moment. The configuration sets how many in all. */
const ANY: Bounds["faults"] = {
  crash: 2,
  "lock expiry": 1,
  "blind lock expiry": 1,
  "ambiguous write": 1,
  outage: 1,
  cancel: 1,
  requeue: 1,
  reschedule: 1,
  tag: 1,
  "lost send": 1,
  "needless sweep": 1,
  "window over": 1,
  "re-submit": 1,
  drain: 1,
  "give back": 1,
  purge: 1,
};

/** Assumption A1 holds: every worker notices that its lock has ended. */
const ANY_WATCHED: Bounds["faults"] = { ...ANY, "blind lock expiry": 0 };

const holds = (
  name: string,
  share: Configuration["share"],
  bounds: Partial<Bounds>,
  protocol?: Protocol,
): Configuration => ({
  model: "job",
  name,
  share,
  run() {
    const result = search(jobModel(bounds, protocol));
    // A trace in which workers keep their names is worth a second search.
    return result.violation === undefined ? result : search(jobModel({ ...bounds, namedWorkers: true }, protocol));
  },
});

export const JOB_CONFIGURATIONS: readonly Configuration[] = [
  holds("no fault", "quick", {}),
  holds("any 1, two jobs", "quick", { jobs: 2, faultsInAll: 1, faults: ANY }),
  holds("crash, lock expiry", "quick", { faults: { crash: 1, "lock expiry": 1 } }),
  holds("any 2", "usual", { faultsInAll: 2, faults: ANY }),
  holds("any 2, watchdog works: no overlap", "usual", { faultsInAll: 2, faults: ANY_WATCHED, watchdog: true }),
  holds("any 2, set aside after 2 deliveries", "usual", { faultsInAll: 2, faults: ANY, maxDeliveries: 2 }),
  holds("any 2 but lost messages, no sweeper", "usual", {
    faultsInAll: 2,
    faults: { ...ANY, "lost send": 0, purge: 0, "needless sweep": 0 },
    sweeper: false,
  }),
  holds("any 2, failures without retry", "usual", { faultsInAll: 2, faults: ANY, results: ["hopeless"] }),
  holds("any 2, bells without ETag", "usual", { faultsInAll: 2, faults: ANY }, WITHOUT_ETAG_IN_BELL),
  holds("2 crashes, lock expiry, cancel", "usual", { faults: { crash: 2, "lock expiry": 1, cancel: 1 } }),
  holds("lock expiry, cancel, requeue", "usual", { faults: { "lock expiry": 1, cancel: 1, requeue: 1 } }),
  holds("crash, lock expiry, ambiguous write", "usual", {
    faults: { crash: 1, "lock expiry": 1, "ambiguous write": 1 },
  }),
  holds("crash, lost send, needless sweep, re-submit", "usual", {
    faults: { crash: 1, "lost send": 1, "needless sweep": 1, "re-submit": 1 },
  }),
  holds("crash, lock expiry, cancel, requeue", "full", {
    faults: { crash: 1, "lock expiry": 1, cancel: 1, requeue: 1 },
  }),
  holds("any 3", "full", { faultsInAll: 3, faults: ANY }),
  holds("any 3, watchdog works: no overlap", "full", { faultsInAll: 3, faults: ANY_WATCHED, watchdog: true }),
  holds("any 3, set aside after 2 deliveries", "full", { faultsInAll: 3, faults: ANY, maxDeliveries: 2 }),
  holds("any 2, two jobs", "full", { jobs: 2, faultsInAll: 2, faults: { ...ANY, crash: 1 } }),
];

const breaks = (name: keyof typeof BROKEN, bounds: Partial<Bounds>): RuleOff => ({
  model: "job",
  name,
  run: () => search(jobModel({ ...bounds, namedWorkers: true }, BROKEN[name])),
});

export const JOB_RULES_OFF: readonly RuleOff[] = [
  breaks("R1: MessageId and ring from the attempt", { sweeper: false, faults: { requeue: 1 } }),
  breaks("R2: a running row means a live worker", { sweeper: false, maxDeliveries: 3, faults: { crash: 1 } }),
  breaks("R2: any bell takes over", { watchdog: true, faults: { "needless sweep": 1 } }),
  breaks("R2: the same MessageId takes over", { watchdog: true, faults: { "re-submit": 1, "window over": 1 } }),
  breaks("R3: starts without checking the lock", { watchdog: true, faults: { "lock expiry": 1 } }),
  breaks("R4: own claim not recognised", { faults: { "ambiguous write": 1 } }),
  breaks("R4: claims named after the worker", { faults: { crash: 1 } }),
  breaks("R4: a new claim id for every try", { sweeper: false, faults: { "ambiguous write": 1 } }),
  breaks("R4: after an outage the claim starts again from the bell", { faults: { outage: 1, crash: 1 } }),
  breaks("R5: another ETag means another owner", { maxDeliveries: 3, faults: {} }),
  breaks("R6: an old bell is only completed", { sweeper: false, faults: { crash: 1 } }),
  breaks("R7: next bell before the row", { sweeper: false }),
  breaks("R7: old bell completed before the next", { sweeper: false, faults: { crash: 1 } }),
  breaks("R8: a retry forgets the cancel", { results: ["failed"], faults: { cancel: 1 } }),
  breaks("R8: a takeover forgets the cancel", { results: ["succeeded"], faults: { cancel: 1, crash: 1 } }),
  breaks("R8: a hand-back forgets the cancel", { results: ["succeeded"], faults: { cancel: 1, crash: 1 } }),
  breaks("R9: a dead letter ends a live job", { maxDeliveries: 2, faults: { crash: 2 } }),
  breaks("R10: sends a bell for a running row without writing it", { faults: { purge: 1, crash: 1 } }),
  breaks("R10: the sweeper's bell has the usual MessageId", { faults: { purge: 1 } }),
  breaks("R35: a reschedule keeps the ring", { faults: { reschedule: 1 } }),
  breaks("R36: a reschedule is written whatever the row has become", { faults: { reschedule: 1 } }),
  breaks("R37: the bell of the new time before the row", { sweeper: false, faults: { reschedule: 1 } }),
  breaks("R38: a change of tags writes the row as it was read", { faults: { tag: 1 } }),
  breaks("fence: writes without the claim's ETag", { faults: { "lock expiry": 1 } }),
  breaks("record: a takeover counts no interruption", { faults: { crash: 1 } }),
];
