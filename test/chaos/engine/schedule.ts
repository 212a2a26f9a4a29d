/** The times and kinds of kills and pauses, made from a seed, so that a run can be repeated. */
import type { SeededRandom } from "../../support/seeded-random.ts";

export type Injury =
  | { readonly kind: "kill" }
  /** SIGSTOP, and SIGCONT after this long. */
  | { readonly kind: "pause"; readonly pauseMs: number };

export interface ScheduledInjury {
  /** Due when this share of the jobs has ended. */
  readonly afterShare: number;
  readonly program: string;
  readonly injury: Injury;
}

export interface ScheduleOptions {
  readonly killCount: number;
  readonly workers: readonly string[];
  readonly lockMs: number;
  /** With SIGSTOP: a stopped worker's jobs go on beside those that took over (A1). */
  readonly withPauses: boolean;
}

/** The storage emulator is not killed: it keeps its tables in memory for seconds, and would itself lose writes. */
const TURNS = ["worker", "bus", "worker", "api", "worker"] as const;
/** Pauses are in addition to the kills: one for every two. */
const KILLS_PER_PAUSE = 2;
/** No kills for the last jobs, so that the run can show that nothing was lost. */
const LAST_SHARE = 0.9;

/** In the order in which they are due. */
export function scheduleOf(
  random: SeededRandom,
  { killCount, workers, lockMs, withPauses }: ScheduleOptions,
): ScheduledInjury[] {
  const pauseCount = withPauses ? Math.ceil(killCount / KILLS_PER_PAUSE) : 0;
  // In turns, so that a short run includes every program. The times are random.
  const program = (index: number): string => {
    const turn = TURNS[index % TURNS.length]!;
    return turn === "worker" ? random.pick(workers) : turn;
  };
  const injuries: Injury[] = [
    ...Array.from({ length: killCount }, () => ({ kind: "kill" }) as const),
    // Every second pause is longer than the lock, so that other workers have taken over when the program continues.
    ...Array.from({ length: pauseCount }, (_, index) => ({
      kind: "pause" as const,
      pauseMs: Math.round(index % 2 === 0 ? lockMs * (1.2 + random.next()) : lockMs * (0.1 + 0.4 * random.next())),
    })),
  ];
  return injuries
    .map((injury, index) => ({ afterShare: LAST_SHARE * random.next(), program: program(index), injury }))
    .sort((a, b) => a.afterShare - b.afterShare);
}

export const describeInjury = ({ program, injury }: ScheduledInjury): string =>
  injury.kind === "kill" ? `SIGKILL ${program}` : `SIGSTOP ${program} for ${(injury.pauseMs / 1_000).toFixed(1)} s`;
