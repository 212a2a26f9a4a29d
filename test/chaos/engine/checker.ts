/**
 * What must be true of a run, whatever was killed in it. Every rule is a function from the history, and from what the
 * run knows besides, to sentences about what is wrong.
 */
import { add, type Counts, type History, isInTurn, isSame, type JobChange, type JobRow, minus } from "./replay.ts";

export interface RunFacts {
  /** Jobs whose submit was answered. */
  readonly accepted: readonly string[];
  /** The rows in the tables at the end, read by the system's own means, by job. */
  readonly found: ReadonlyMap<string, Pick<JobRow, "state" | "etag">>;
  /** What the system itself says of its batch at the end. */
  readonly counts: Counts;
}

export interface Verdict {
  readonly lost: readonly string[];
  readonly doubleTerminal: readonly string[];
  readonly staleWrites: readonly string[];
  readonly illegalTransitions: readonly string[];
  readonly counterMismatch: readonly string[];
}

export const judge = (history: History, facts: RunFacts): Verdict => ({
  lost: lost(history, facts),
  doubleTerminal: doubleTerminal(history),
  staleWrites: staleWrites(history),
  illegalTransitions: illegalTransitions(history),
  counterMismatch: counterMismatch(history, facts),
});

const TERMINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "canceled"]);
const isTerminal = (state: string | undefined): boolean => state !== undefined && TERMINAL.has(state);

/** A job that was accepted, or that has a row, and has not ended; or whose row is not what was last written. */
function lost({ rows }: History, { accepted, found }: RunFacts): string[] {
  const jobIds = new Set([...accepted, ...rows.keys(), ...found.keys()]);
  return [...jobIds].flatMap((jobId) => {
    const row = found.get(jobId);
    if (row === undefined) return [`${jobId} has no row`];
    if (!isTerminal(row.state)) return [`${jobId} is still ${row.state}`];
    const last = rows.get(jobId);
    return last?.etag === row.etag ? [] : [`${jobId} is not as its last recorded write left it`];
  });
}

/** Nobody requeues in a chaos run: a job that has ended stays as it is. */
const doubleTerminal = ({ changes }: History): string[] =>
  changes
    .filter(({ before }) => isTerminal(before?.state))
    .map(({ jobId, before, after }) => `${jobId} had ended as ${before?.state ?? ""} and became ${after.state}`);

/**
 * A write that was not made on the row as it was; or one that ends a start which no longer holds the job: its worker
 * should have been fenced off.
 */
const staleWrites = ({ changes, transactions }: History): string[] => [
  ...changes.flatMap((change) => {
    const { jobId, before, write, starts } = change;
    if (!isInTurn(write, before?.etag)) return [`${jobId}: a ${write.kind} was accepted on another version of the row`];
    const foreign = starts.filter(({ outcome, claimId }) => outcome !== undefined && claimId !== before?.claimId);
    return foreign.map(({ claimId }) => `${jobId}: the end of ${claimId} was written, ${before?.claimId ?? ""} had it`);
  }),
  ...transactions.flatMap(({ partition, staleCounters }) =>
    staleCounters === 0 ? [] : [`${partition}: a counter was written on another version`],
  ),
];

/** Written down again, on purpose: not read from the code that is under test. */
const LEGAL: Readonly<Record<string, readonly string[]>> = {
  "": ["queued"],
  queued: ["running", "canceled", "failed", "queued"],
  running: ["running", "succeeded", "failed", "canceled", "queued"],
  succeeded: [],
  failed: [],
  canceled: [],
};

const illegalTransitions = ({ changes }: History): string[] =>
  changes.flatMap((change) => {
    const wrong = wrongWith(change);
    return wrong === undefined ? [] : [`${change.jobId}: ${wrong}`];
  });

function wrongWith({ before, after }: JobChange): string | undefined {
  const from = before?.state ?? "";
  if (!(LEGAL[from] ?? []).includes(after.state)) return `${from || "nothing"} became ${after.state}`;
  if (before === undefined) return after.ring === 1 ? undefined : `it began at ring ${after.ring}`;
  if (after.attempts < before.attempts) return "a failure was forgotten";
  if (after.interruptions < before.interruptions) return "an interruption was forgotten";
  if (after.executions < before.executions) return "a start was forgotten";
  const recorded = after.attempts + after.interruptions > before.attempts + before.interruptions;
  if (after.state === "queued" && from === "running") {
    if (after.ring !== before.ring + 1) return `ring ${before.ring} became ${after.ring} on its way back to queued`;
    if (!recorded) return "it went back to queued without a reason";
  }
  if (after.state === "running" && after.claimId !== before.claimId) {
    if (after.executions !== before.executions + 1) return "a start was not counted";
    if (from === "running" && !recorded) return "it was taken over without a recorded interruption";
  }
  return undefined;
}

/** Every transaction counts exactly what it moves; in the end all three ways of counting agree. */
function counterMismatch({ transactions, rows, counters }: History, { found, counts }: RunFacts): string[] {
  const wrong = transactions.flatMap(({ partition, changes, counted }) => {
    const moved = changes.reduce((sum, { before, after }) => add(sum, moveOf(before?.state, after.state)), {});
    return isSame(moved, counted) ? [] : [`${partition}: ${text(moved)} moved, ${text(counted)} were counted`];
  });
  const sumOf = (states: Iterable<{ readonly state: string }>): Counts => {
    let sum: Counts = {};
    for (const { state } of states) sum = add(sum, { [state]: 1 });
    return sum;
  };
  const totals: readonly (readonly [name: string, counts: Counts])[] = [
    ["the counter rows", [...counters.values()].reduce(add, {})],
    ["the system's counts", counts],
    ["the recorded rows", sumOf(rows.values())],
  ];
  const scanned = sumOf(found.values());
  return [
    ...wrong,
    ...totals.flatMap(([name, total]) =>
      isSame(total, scanned) ? [] : [`${name} say ${text(total)}, the tables hold ${text(scanned)}`],
    ),
  ];
}

const moveOf = (from: string | undefined, to: string): Counts =>
  minus({ [to]: 1 }, from === undefined ? {} : { [from]: 1 });

const text = (counts: Counts): string =>
  Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ") || "none";
