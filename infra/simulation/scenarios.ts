/** The loads that test autoscale, and what must hold under each. */
import type { Outcome, Scenario } from "./world.ts";

interface Judged {
  readonly scenario: Scenario;
  /** How often the pool may change between growing and shrinking. */
  readonly maxTurns: number;
  /** The number of instances at the end. */
  readonly final: { readonly min: number; readonly max: number };
}

const pool = { queueCount: 3, min: 1, max: 100, slots: 1, minutes: 360, lockedCount: true, protection: true } as const;
const DAY = 24 * 60;

const BURST: Scenario = {
  ...pool,
  name: "burst of 200 jobs of 20 minutes",
  arrivals: (minute, queue) => (minute === 5 && queue === 1 ? 200 : 0),
  jobMinutes: 20,
};

const THROTTLED: Scenario = {
  ...BURST,
  name: "the burst, with readings of zero from minute 15 to 40",
  falseReading: (minute) => (minute >= 15 && minute < 40 ? { value: 0 } : undefined),
};

const atMinimum = { min: 1, max: 1 };

export const SCENARIOS: readonly Judged[] = [
  { scenario: BURST, maxTurns: 1, final: atMinimum },
  {
    scenario: { ...BURST, name: "the burst, locked messages not counted", lockedCount: false },
    maxTurns: 3,
    final: atMinimum,
  },
  {
    scenario: {
      ...BURST,
      name: "the burst, spread over all priorities",
      arrivals: (minute) => (minute === 5 ? 67 : 0),
    },
    maxTurns: 1,
    final: atMinimum,
  },
  {
    scenario: {
      ...pool,
      name: "steady: a job of 20 minutes every minute",
      arrivals: (_minute, queue) => (queue === 1 ? 1 : 0),
      jobMinutes: 20,
      minutes: DAY,
    },
    maxTurns: 1,
    final: { min: 20, max: 45 },
  },
  {
    scenario: {
      ...pool,
      name: "one job of three hours",
      arrivals: (minute, queue) => (minute === 10 && queue === 0 ? 1 : 0),
      jobMinutes: 180,
    },
    maxTurns: 0,
    final: atMinimum,
  },
  {
    scenario: {
      ...pool,
      min: 0,
      name: "one job starts a sleeping pool, which then sleeps again",
      arrivals: (minute, queue) => (minute === 30 && queue === 2 ? 1 : 0),
      jobMinutes: 15,
    },
    maxTurns: 1,
    final: { min: 0, max: 0 },
  },
  { scenario: THROTTLED, maxTurns: 3, final: atMinimum },
  {
    scenario: {
      ...BURST,
      name: "the burst, without readings from minute 15 to 40",
      falseReading: (minute) => (minute >= 15 && minute < 40 ? { value: undefined } : undefined),
    },
    maxTurns: 1,
    final: atMinimum,
  },
  {
    scenario: {
      ...pool,
      name: "5,000 jobs of 5 minutes on machines of 4 slots",
      arrivals: (minute, queue) => (minute < 10 && queue === 1 ? 500 : 0),
      jobMinutes: 5,
      slots: 4,
    },
    maxTurns: 1,
    final: atMinimum,
  },
];

/** The same load with workers that do not protect themselves. It shows what protection prevents. */
export const UNPROTECTED: Scenario = { ...THROTTLED, name: "the zero readings, without protection", protection: false };

/** The violations of an outcome. Empty if there are none. */
export function breaches({ scenario, maxTurns, final }: Judged, outcome: Outcome): readonly string[] {
  const { peakInstances, busyRemoved, finished, jobs, turns, finalInstances } = outcome;
  const steady = outcome.drainedMinute === undefined && scenario.minutes === DAY;
  return [
    ...(peakInstances > scenario.max ? [`${peakInstances} instances, more than ${scenario.max}`] : []),
    ...(busyRemoved > 0 ? [`${busyRemoved} busy workers were removed`] : []),
    ...(finished < jobs && !steady ? [`${jobs - finished} jobs have not ended`] : []),
    ...(turns > maxTurns ? [`turned ${turns} times, more than ${maxTurns}`] : []),
    ...(finalInstances < final.min || finalInstances > final.max
      ? [`ends at ${finalInstances} instances, not ${final.min} to ${final.max}`]
      : []),
  ];
}
