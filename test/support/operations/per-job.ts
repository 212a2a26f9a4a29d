/** What was counted, as the table of operations per job names it. */
import type { OperationsPerJob } from "../../../infra/plan/operations-per-job.ts";
import { type Counts, sumOf } from "./operation-meter.ts";

/** The counted names behind each entry. A heartbeat's writes belong to no job: table `workers` is left out. */
const NAMES: Readonly<Record<keyof OperationsPerJob, readonly string[]>> = {
  tableTransactions: ["table transaction"],
  tableReads: ["table read", "table query", "table write"],
  bellsSent: ["bus bell sent", "bus tick sent"],
  bellsReceived: ["bus bell received", "bus tick received"],
  bellsSettled: ["bus bell settled", "bus tick settled"],
  eventsSent: ["bus event sent"],
  eventsReceived: ["bus event received"],
  eventsSettled: ["bus event settled"],
  blobReads: ["blob read"],
  blobWrites: ["blob write"],
};

/** Work that goes on without jobs: heartbeats of workers, elections, looks at pauses, of the sweeper, webhooks and timers. */
const BACKGROUND = [
  /^table \w+ (?:workers|webhooks|timers)$/,
  /^table query settings$/,
  /^blob \w+ leases$/,
  /^bus \w+ (?:renew-lock|peek-message)$/,
];

const isBackground = (name: string): boolean => BACKGROUND.some((pattern) => pattern.test(name));

/** Without what goes on when there are no jobs. */
export const withoutBackground = (counts: Counts): Counts =>
  Object.fromEntries(Object.entries(counts).filter(([name]) => !isBackground(name)));

/** `eventsReceived` and `eventsSettled` are of all API instances together, divided by their number. */
export function perJob(counts: Counts, jobCount: number, apiInstances = 1): OperationsPerJob {
  const own = withoutBackground(counts);
  const of = (entry: keyof OperationsPerJob): number => sumOf(own, ...NAMES[entry]) / jobCount;
  return {
    tableTransactions: of("tableTransactions"),
    tableReads: of("tableReads"),
    bellsSent: of("bellsSent"),
    bellsReceived: of("bellsReceived"),
    bellsSettled: of("bellsSettled"),
    eventsSent: of("eventsSent"),
    eventsReceived: of("eventsReceived") / apiInstances,
    eventsSettled: of("eventsSettled") / apiInstances,
    blobReads: of("blobReads"),
    blobWrites: of("blobWrites"),
  };
}

/** Counted names that no entry covers. */
export const uncovered = (counts: Counts): readonly string[] =>
  Object.keys(withoutBackground(counts)).filter(
    (name) => !Object.values(NAMES).some((names) => names.some((prefix) => name.startsWith(prefix))),
  );
