/**
 * Brings all worlds that no later step can distinguish into one form: it renames sequence numbers and claim ids, sorts
 * workers, and clears values that are never read again. This reduces the number of states and loses none.
 */
import { isTerminal } from "../../../runtime/core/job/states.ts";
import { FAULTS, type Message, type Phase, PHASES, RESULTS, type Worker, type World } from "./world.ts";

export interface CanonicalOptions {
  readonly namedWorkers: boolean;
  /** Claim ids have no meaning except identity. */
  readonly renameClaims: boolean;
}

/** Changes the world in place. */
export function makeCanonical(world: World, { namedWorkers, renameClaims }: CanonicalOptions): void {
  forget(world);
  renameSequenceNumbers(world);
  if (renameClaims) renameClaimIds(world);
  if (!namedWorkers) world.workers.sort((a, b) => sortKey(a) - sortKey(b));
  world.owed.sort((a, b) => a.job - b.job || a.ring - b.ring || Number(a.fresh) - Number(b.fresh));
}

// --- Values that are never read again
// ---------------------------------------------------------------------------------

const inPhases = (...phases: readonly Phase[]): ReadonlySet<Phase> => new Set(phases);

/** The phases in which a worker still reads its copies. */
const READ_IN = {
  ring: inPhases("claim", "read", "run", "end", "reread"),
  fresh: inPhases("claim", "run", "end", "ring"),
  claim: inPhases("claim", "read", "run", "end", "reread"),
  interruptions: inPhases("claim", "read", "run", "end", "reread", "ring"),
  delayed: inPhases("ring"),
} as const;

function forget(world: World): void {
  if (world.totals.faultsLeft === 0) for (const fault of FAULTS) world.budget[fault] = 0;
  const outages = world.budget.outage > 0;
  for (const row of world.rows) {
    if (row.state === "absent" || !isTerminal(row.state)) continue;
    // A requeue sets all of these.
    Object.assign(row, { attempts: 0, interruptions: 0, claim: 0, seq: 0 });
    Object.assign(row, { cancelWanted: false, delayed: false, mayStart: false });
  }
  for (const worker of world.workers) {
    const { phase } = worker;
    if (!READ_IN.ring.has(phase)) worker.ring = 0;
    if (!READ_IN.fresh.has(phase)) worker.fresh = false;
    if (!READ_IN.claim.has(phase)) worker.claim = 0;
    if (!READ_IN.interruptions.has(phase)) worker.interruptions = 0;
    if (phase !== "end" && phase !== "reread") worker.result = "none";
    if (phase !== "run" && phase !== "end" && phase !== "reread") worker.cancel = false;
    if (phase !== "ring" && phase !== "end") worker.toSend = 0;
    if (!READ_IN.delayed.has(phase)) worker.delayed = false;
  }
  for (const message of world.messages) if (!message.fresh && !outages) message.interruptions = 0;
  // Only the bell of the row's ring can start the job.
  for (const holder of [...world.messages, ...world.owed]) {
    if (holder.ring !== world.rows[holder.job]!.ring) holder.givenUp = false;
  }
  for (const late of world.late) {
    if (late.fresh) continue;
    Object.assign(late, { ring: 0, claim: 0, seq: 0, result: "none", cancel: false, interruptions: 0 });
  }
}

// --- Names ------------------------------------------------------------------------------------------------------------

function renameSequenceNumbers(world: World): void {
  const ranked = world.messages.map((message) => ({ message, rank: rankOf(world, message) }));
  ranked.sort((a, b) => a.rank - b.rank || a.message.seq - b.message.seq);
  world.messages = ranked.map(({ message }) => message);
  const names = new Map([[0, 0]]);
  const nameOf = (seq: number): number => {
    const known = names.get(seq);
    if (known !== undefined) return known;
    names.set(seq, names.size);
    return names.size - 1;
  };
  for (const holders of [world.messages, world.rows, world.late, world.workers]) {
    for (const holder of holders) holder.seq = nameOf(holder.seq);
  }
  world.sweeper.letter = nameOf(world.sweeper.letter);
}

/** Messages of one rank differ in nothing that matters. */
function rankOf({ rows, workers }: World, message: Message): number {
  const { seq, job, ring, fresh, interruptions, locked, deliveries, scheduled, dead, givenUp } = message;
  const holder = workers.find((worker) => worker.seq === seq && worker.locked);
  const digits: readonly (readonly [value: number, size: number])[] = [
    [job, 4],
    [ring, 16],
    [Number(fresh), 2],
    [interruptions, 8],
    [Number(locked), 2],
    [deliveries, 16],
    [Number(scheduled), 2],
    [Number(dead), 2],
    [Number(givenUp), 2],
    [Number(rows[job]!.seq === seq), 2],
    [holder === undefined ? PHASES.length : PHASES.indexOf(holder.phase), 16],
  ];
  return numberOf(digits);
}

/** A claim id that is in no row and in no late write is known only to its worker: 0, until it is written. */
function renameClaimIds({ rows, late, workers }: World): void {
  const names = new Map([[0, 0]]);
  for (const holder of [...rows, ...late]) if (!names.has(holder.claim)) names.set(holder.claim, names.size);
  for (const holder of [...rows, ...late, ...workers]) holder.claim = names.get(holder.claim) ?? 0;
}

function sortKey(worker: Worker): number {
  return numberOf([
    [PHASES.indexOf(worker.phase), 16],
    [worker.job, 4],
    [worker.seq, 16],
    [worker.ring, 16],
    [Number(worker.locked), 2],
    [Number(worker.fresh), 2],
    [worker.claim, 8],
    [RESULTS.indexOf(worker.result), 8],
    [Number(worker.cancel), 2],
    [worker.interruptions, 8],
    [worker.toSend, 16],
    [Number(worker.delayed), 2],
  ]);
}

/** One number from digits of different sizes. */
const numberOf = (digits: readonly (readonly [value: number, size: number])[]): number =>
  digits.reduce((number, [value, size]) => number * size + value, 0);
