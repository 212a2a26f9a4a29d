/** Runs of one timer start in the order of their ticks: none starts while one for an earlier tick waits. */
import { clock, type TimerFacts } from "./facts.ts";

/** A run has reached the gate when its row is older than this, even after a kill (`patienceMs`). */
export const outOfOrder = ({ timers, moves, patienceMs }: TimerFacts): string[] =>
  timers
    .filter(({ overlap }) => overlap !== "allow")
    .flatMap(({ name, jobs }) => {
      const starts = jobs.flatMap(({ jobId, trigger, scheduledAt }) => {
        const own = moves.filter((move) => move.jobId === jobId);
        const queuedAt = own.find(({ state }) => state === "queued")?.at;
        const startedAt = own.find(({ state }) => state === "running")?.at;
        if (trigger !== "schedule" || queuedAt === undefined || startedAt === undefined) return [];
        return [{ jobId, scheduledAt, queuedAt, startedAt }];
      });
      return starts.flatMap((later) =>
        starts
          .filter(
            (earlier) =>
              earlier.scheduledAt < later.scheduledAt &&
              earlier.startedAt > later.startedAt &&
              earlier.queuedAt + patienceMs < later.startedAt,
          )
          .map(
            (earlier) =>
              `${name}: ${later.jobId} was started at ${clock(later.startedAt)} while ${earlier.jobId}, for an earlier tick, waited`,
          ),
      );
    });
