/** Each due tick has come to one thing: a run, a recorded skip, or one of those that are counted as missed. */
import { clock, dueTicks, isOver, type TimerFacts, type WatchedJob, type WatchedTimer } from "./facts.ts";

const NOT_RUN: ReadonlySet<string | undefined> = new Set(["TimerSkipped", "TimerMissed"]);

const ofSchedule = ({ jobs }: WatchedTimer): readonly WatchedJob[] =>
  jobs.filter(({ trigger }) => trigger === "schedule");

const isRecorded = ({ run }: WatchedTimer, tick: number): boolean =>
  run.coveredUpTo !== undefined && tick <= run.coveredUpTo && !run.overtakenTicks.includes(tick);

/** Ticks without a row that the timer does not know of either. */
export const lostTicks = ({ timers, endAt }: TimerFacts): string[] =>
  timers.flatMap((timer) => {
    const rows = new Set(ofSchedule(timer).map(({ scheduledAt }) => scheduledAt));
    return dueTicks(timer, timer.activeFrom, endAt)
      .filter((tick) => !rows.has(tick) && !isRecorded(timer, tick))
      .map((tick) => `${timer.name}: nobody knows what became of the tick of ${clock(tick)}`);
  });

/** More than one run of a tick, runs of no tick, and work that its row does not speak of. */
export const doubleRuns = ({ timers, notes }: TimerFacts): string[] => {
  const notesOf = Map.groupBy(notes, ({ jobId }) => jobId);
  return timers.flatMap((timer) => {
    const wrong: string[] = [];
    for (const [tick, rows] of Map.groupBy(ofSchedule(timer), ({ scheduledAt }) => scheduledAt)) {
      if (rows.length > 1) wrong.push(`the tick of ${clock(tick)} has ${rows.length} runs`);
      if (dueTicks(timer, tick - 1, tick).length === 0 || tick <= timer.activeFrom)
        wrong.push(`${clock(tick)} is none of its ticks, and has a run`);
    }
    for (const job of timer.jobs) {
      const own = notesOf.get(job.jobId) ?? [];
      const starts = own.filter(({ kind }) => kind === "start").length;
      const ends = own.length - starts;
      if (starts > job.executions) wrong.push(`${job.jobId} started ${starts} times, its row says ${job.executions}`);
      if (ends > 1 + job.interruptions)
        wrong.push(`${job.jobId} was done ${ends} times with ${job.interruptions} interruptions`);
      if (job.state === "succeeded" && ends === 0) wrong.push(`${job.jobId} succeeded without doing its work`);
    }
    return wrong.map((sentence) => `${timer.name}: ${sentence}`);
  });
};

/** What timers count must be what the rows show. */
export const countMismatch = ({ timers, kills }: TimerFacts): string[] =>
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
    if (run.skippedCount < skipped || run.skippedCount > skipped + kills)
      wrong.push(`${run.skippedCount} counted as skipped, ${skipped} were`);
    return wrong.map((sentence) => `${timer.name}: ${sentence}`);
  });

/** Runs that ended otherwise than their own code and the rules of timers make them end. */
export const unexpectedEndings = ({ timers }: TimerFacts): string[] =>
  timers.flatMap(({ name, hangs, jobs }) =>
    jobs.flatMap(({ jobId, state, failureCode }) => {
      if (!isOver(state)) return [];
      if (state === "canceled" && NOT_RUN.has(failureCode)) return [];
      const isUsual = hangs ? state === "failed" && failureCode === "JobTimedOut" : state === "succeeded";
      return isUsual ? [] : [`${name}: ${jobId} ended as ${state} ${failureCode ?? ""}`.trim()];
    }),
  );

/** Runs that go on or wait although nothing is left that could move them. */
export const leftWaiting = ({ timers }: TimerFacts): string[] =>
  timers.flatMap(({ name, jobs, run }) => {
    const open = jobs.filter(({ state }) => !isOver(state));
    const known = new Set(jobs.map(({ jobId }) => jobId));
    return [
      ...open.map(({ jobId, state }) => `${name}: ${jobId} is still ${state}`),
      ...run.waitingJobIds.filter((id) => !known.has(id)).map((id) => `${name}: ${id} waits and has no row`),
    ];
  });

/** A run that was made for missed ticks, and missed none, has shown nothing. */
export const nothingMissed = ({ timers, mustMiss }: TimerFacts): string[] =>
  mustMiss && timers.every(({ run }) => run.missedCount === 0) ? ["no tick was missed"] : [];
