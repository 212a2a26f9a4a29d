/** Each due tick becomes exactly one of these: a run, a recorded skip, or a counted miss. */
import { clock, dueTicks, isOver, type TimerFacts, type WatchedJob, type WatchedTimer } from "./facts.ts";

const NOT_RUN: ReadonlySet<string | undefined> = new Set(["TimerSkipped", "TimerMissed"]);

const ofSchedule = ({ jobs }: WatchedTimer): readonly WatchedJob[] =>
  jobs.filter(({ trigger }) => trigger === "schedule");

const isRecorded = ({ run }: WatchedTimer, tick: number): boolean =>
  run.coveredUpTo !== undefined && tick <= run.coveredUpTo && !run.overtakenTicks.includes(tick);

/** Ticks without a row and without a record in the timer. */
export const lostTicks = ({ timers, endAt }: TimerFacts): string[] =>
  timers.flatMap((timer) => {
    const rows = new Set(ofSchedule(timer).map(({ scheduledAt }) => scheduledAt));
    return dueTicks(timer, timer.activeFrom, endAt)
      .filter((tick) => !rows.has(tick) && !isRecorded(timer, tick))
      .map((tick) => `${timer.name}: the tick of ${clock(tick)} has no recorded outcome`);
  });

/** Several runs of one tick, runs without a tick, and work that is not in its row. */
export const doubleRuns = ({ timers, notes }: TimerFacts): string[] => {
  const notesOf = Map.groupBy(notes, ({ jobId }) => jobId);
  return timers.flatMap((timer) => {
    const wrong: string[] = [];
    for (const [tick, rows] of Map.groupBy(ofSchedule(timer), ({ scheduledAt }) => scheduledAt)) {
      if (rows.length > 1) wrong.push(`the tick of ${clock(tick)} has ${rows.length} runs`);
      if (dueTicks(timer, tick - 1, tick).length === 0 || tick <= timer.activeFrom)
        wrong.push(`${clock(tick)} is not one of its ticks, but has a run`);
    }
    for (const job of timer.jobs) {
      const own = notesOf.get(job.jobId) ?? [];
      const starts = own.filter(({ kind }) => kind === "start").length;
      const ends = own.length - starts;
      if (starts > job.executions) wrong.push(`${job.jobId} started ${starts} times, its row has ${job.executions}`);
      if (ends > 1 + job.interruptions)
        wrong.push(`${job.jobId} was done ${ends} times with ${job.interruptions} interruptions`);
      if (job.state === "succeeded" && ends === 0) wrong.push(`${job.jobId} succeeded without doing its work`);
    }
    return wrong.map((sentence) => `${timer.name}: ${sentence}`);
  });
};

/** The counts of timers must match the rows. */
export const countMismatch = ({ timers }: TimerFacts): string[] =>
  timers.flatMap((timer) => {
    const { run } = timer;
    const wrong: string[] = [];
    const rows = Map.groupBy(ofSchedule(timer), ({ scheduledAt }) => scheduledAt);
    const missed = dueTicks(timer, timer.activeFrom, run.coveredUpTo ?? timer.activeFrom).filter(
      (tick) =>
        isRecorded(timer, tick) && (rows.get(tick) ?? []).every(({ failureCode }) => failureCode === "TimerMissed"),
    );
    if (missed.length !== run.missedCount)
      wrong.push(`${run.missedCount} counted as missed, ${missed.length} were: ${missed.map(clock).join(" ")}`);
    const skipped = timer.jobs.filter(({ failureCode }) => failureCode === "TimerSkipped").length;
    if (run.skippedCount !== skipped) wrong.push(`${run.skippedCount} counted as skipped, ${skipped} were`);
    return wrong.map((sentence) => `${timer.name}: ${sentence}`);
  });

/** Runs with an end that neither their own code nor the rules of timers explain. */
export const unexpectedEndings = ({ timers }: TimerFacts): string[] =>
  timers.flatMap(({ name, hangs, jobs }) =>
    jobs.flatMap(({ jobId, state, failureCode }) => {
      if (!isOver(state)) return [];
      if (state === "canceled" && NOT_RUN.has(failureCode)) return [];
      const isUsual = hangs ? state === "failed" && failureCode === "JobTimedOut" : state === "succeeded";
      return isUsual ? [] : [`${name}: ${jobId} ended as ${state} ${failureCode ?? ""}`.trim()];
    }),
  );

/** Runs that run or wait although nothing is left that could change them. */
export const leftWaiting = ({ timers }: TimerFacts): string[] =>
  timers.flatMap(({ name, jobs, run }) => {
    const open = jobs.filter(({ state }) => !isOver(state));
    const known = new Set(jobs.map(({ jobId }) => jobId));
    return [
      ...open.map(({ jobId, state }) => `${name}: ${jobId} is still ${state}`),
      ...run.waitingJobIds.filter((id) => !known.has(id)).map((id) => `${name}: ${id} waits but has no row`),
    ];
  });

/** The part with missed ticks proves nothing if none was missed. */
export const nothingMissed = ({ timers, mustMiss }: TimerFacts): string[] =>
  mustMiss && timers.every(({ run }) => run.missedCount === 0) ? ["no tick was missed"] : [];
