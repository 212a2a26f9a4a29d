/** Rules between runs of timers: one at a time, with growing fences, on all workers, and no timer without its turn. */
import { clock, isOver, type Move, type Note, type TimerFacts, type WatchedTimer } from "./facts.ts";

/**
 * The record has the time at which storage answered the recorder. Others could see the write a little earlier, and on a
 * busy machine that can be long.
 */
const CLOCK_SLACK_MS = 1_000;

const startsOf = (moves: readonly Move[]): readonly Move[] =>
  moves.filter(
    (move, index) =>
      move.state === "running" &&
      move.claimId !== moves.findLast((other, i) => i < index && other.jobId === move.jobId)?.claimId,
  );

const movesOf = ({ moves }: TimerFacts, { jobs }: WatchedTimer): readonly Move[] => {
  const own = new Set(jobs.map(({ jobId }) => jobId));
  return moves.filter(({ jobId }) => own.has(jobId));
};

/** Runs of a timer that overlapped, by their rows or by their own notes. */
export const overlaps = (facts: TimerFacts): string[] =>
  facts.timers
    .filter(({ overlap }) => overlap !== "allow")
    .flatMap((timer) => {
      const moves = movesOf(facts, timer);
      const notes = facts.notes.filter((note) => note.timer === timer.name);
      return [...overlapsOfRows(moves), ...overlapsOfWork(notes, moves)].map((text) => `${timer.name}: ${text}`);
    });

/** A run is alive from its first start until its row has ended, even while it waits for another attempt. */
function overlapsOfRows(moves: readonly Move[]): string[] {
  const alive = new Set<string>();
  return moves.flatMap(({ at, jobId, state }) => {
    if (isOver(state)) alive.delete(jobId);
    if (state !== "running" || alive.has(jobId)) return [];
    const others = [...alive];
    alive.add(jobId);
    return others.map((other) => `${jobId} was started at ${clock(at)} while ${other} had not ended`);
  });
}

/** A run without a note of its end was killed. Its row has the time at which that was known. */
function overlapsOfWork(notes: readonly Note[], moves: readonly Move[]): string[] {
  const open = new Map<string, Note>();
  return notes.flatMap((note) => {
    if (note.kind === "end") {
      open.delete(note.claimId);
      return [];
    }
    for (const [claimId, { jobId, at }] of open) {
      const given = moves.find(
        (move) => move.jobId === jobId && move.at > at && (move.state !== "running" || move.claimId !== claimId),
      );
      if (given !== undefined && given.at - CLOCK_SLACK_MS <= note.at) open.delete(claimId);
    }
    const others = [...open.values()];
    open.set(note.claimId, note);
    return others.map(({ jobId }) => `${note.jobId} began its work at ${clock(note.at)} while ${jobId} worked`);
  });
}

/** A later start has a larger fence. Runs that may overlap each have their own. */
export const staleFences = ({ timers, notes }: TimerFacts): string[] =>
  timers.flatMap(({ name, overlap, run }) => {
    const seen = new Set<number>();
    let largest = 0;
    return notes
      .filter((note) => note.kind === "start" && note.timer === name)
      .flatMap(({ jobId, fence }) => {
        const isNew = overlap === "allow" ? fence > 0 && !seen.has(fence) : fence > largest;
        const before = largest;
        seen.add(fence);
        largest = Math.max(largest, fence);
        if (isNew && fence <= run.fence) return [];
        return [`${name}: ${jobId} began with fence ${fence}; ${before} had been used, the row has ${run.fence}`];
      });
  });

export const idleWorkers = ({ workers, moves }: TimerFacts): string[] => {
  const used = new Set(startsOf(moves).map(({ worker }) => worker));
  return workers.filter((worker) => !used.has(worker)).map((worker) => `${worker} has run nothing`);
};

/** Timers that did not get their turn while others ran. A timer that hangs blocks only itself. */
export const starved = (facts: TimerFacts): string[] =>
  facts.timers
    .filter(({ hangs }) => !hangs)
    .flatMap((timer) => {
      const longest = 3 * timer.periodMs + facts.patienceMs;
      const starts = facts.notes.filter(({ kind, timer: name }) => kind === "start" && name === timer.name);
      const moments = [timer.activeFrom, ...starts.map(({ at }) => at).toSorted((a, b) => a - b), facts.endAt];
      return moments.flatMap((at, index) => {
        const before = moments[index - 1] ?? at;
        return at - before <= longest
          ? []
          : [`${timer.name}: no start from ${clock(before)} to ${clock(at)}, with a period of ${timer.periodMs} ms`];
      });
    });

/** Subscriptions that are missing, and orphans. */
export const wrongSubscriptions = ({ subscriptions: { wanted, found } }: TimerFacts): string[] => [
  ...wanted.filter((name) => !found.includes(name)).map((name) => `subscription ${name} does not exist`),
  ...found.filter((name) => !wanted.includes(name)).map((name) => `subscription ${name} belongs to no timer`),
];

/** An unreadable message is dead-lettered and blocks no other message. */
export const lostPoison = ({ poison: { sent, deadLetters } }: TimerFacts): string[] =>
  sent.filter((id) => !deadLetters.includes(id)).map((id) => `poison ${id} is not among the dead letters`);
