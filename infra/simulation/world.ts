/**
 * Simulates a worker pool under Azure Monitor, minute by minute. Jobs arrive and run, machines boot and are deleted,
 * readings arrive late and as averages, and the rules of core decide. The simulated autoscale sees only what the real
 * one sees.
 */
import { decideScale, planAutoscale, type AutoscalePlan } from "../../runtime/core/deployment/autoscale.ts";

export interface Scenario {
  readonly name: string;
  /** The number of jobs that arrive at a queue in a minute. */
  readonly arrivals: (minute: number, queue: number) => number;
  readonly jobMinutes: number;
  readonly minutes: number;
  readonly queueCount: number;
  readonly min: number;
  readonly max: number;
  readonly slots: number;
  /** What the metrics show instead of the real values, as with a throttled namespace. Undefined: no reading. */
  readonly falseReading?: (minute: number) => { readonly value: number | undefined } | undefined;
  /** Whether a message that a worker has locked counts as active. Sources differ, so both must work. */
  readonly lockedCount: boolean;
  /** Whether workers protect themselves while they work. Off only to show what that prevents. */
  readonly protection: boolean;
}

export interface Outcome {
  readonly name: string;
  readonly jobs: number;
  readonly finished: number;
  /** When the last job ended. */
  readonly drainedMinute: number | undefined;
  readonly peakInstances: number;
  readonly finalInstances: number;
  /** The number of machines removed while they ran a job. Must be 0. */
  readonly busyRemoved: number;
  /** How often the pool changed between growing and shrinking. */
  readonly turns: number;
  /** The hours that machines waited for work: the price of spare capacity. */
  readonly idleHours: number;
  /** Instances at each minute. */
  readonly trace: readonly number[];
}

/** The age of readings when the engine sees them. */
const METRIC_LAG_MINUTES = 2;
/** The time from the decision to the first job. */
const BOOT_MINUTES = 3;
/** The readings that exist when the simulation begins. */
const QUIET_PAST_MINUTES = 15;
/** How long a worker stays protected after its last job. */
const IDLE_GRACE_MINUTES = 5;

interface Machine {
  readonly since: number;
  /** When each of its jobs ends. */
  jobs: readonly { readonly queue: number; readonly endsAt: number }[];
  lastBusyAt: number;
}

export function simulate(scenario: Scenario): Outcome {
  const { queueCount, min, max, slots, jobMinutes } = scenario;
  const queues = Array.from({ length: queueCount }, (_, index) => `queue-${index}`);
  const plan: AutoscalePlan = planAutoscale({ queues, min, max, slots });
  const waiting = queues.map(() => 0);
  const depths = queues.map((): (number | undefined)[] => Array.from({ length: QUIET_PAST_MINUTES }, () => 0));
  const newMachine = (since: number): Machine => ({ since, jobs: [], lastBusyAt: -Infinity });
  let machines: Machine[] = Array.from({ length: min }, () => newMachine(-BOOT_MINUTES));
  let restUntil = 0;
  let [jobs, finished, busyRemoved, idleSlotMinutes, turns] = [0, 0, 0, 0, 0];
  let drainedMinute: number | undefined;
  let lastDirection = 0;
  const trace: number[] = [];

  for (let minute = 0; minute < scenario.minutes; minute++) {
    for (const index of queues.keys()) {
      const count = scenario.arrivals(minute, index);
      waiting[index] = (waiting[index] ?? 0) + count;
      jobs += count;
    }
    for (const machine of machines) {
      const before = machine.jobs.length;
      machine.jobs = machine.jobs.filter(({ endsAt }) => endsAt > minute);
      finished += before - machine.jobs.length;
      const free = machine.since + BOOT_MINUTES <= minute ? slots - machine.jobs.length : 0;
      const taken = take(waiting, free).map((queue) => ({ queue, endsAt: minute + jobMinutes }));
      machine.jobs = [...machine.jobs, ...taken];
      if (machine.jobs.length > 0) machine.lastBusyAt = minute;
      idleSlotMinutes += slots - machine.jobs.length;
    }
    if (finished === jobs) drainedMinute ??= minute;
    else drainedMinute = undefined;

    const lie = scenario.falseReading?.(minute);
    for (const [index, depth] of depths.entries()) {
      const running = machines.flatMap((machine) => machine.jobs).filter(({ queue }) => queue === index).length;
      depth.push(lie === undefined ? (waiting[index] ?? 0) + (scenario.lockedCount ? running : 0) : lie.value);
    }
    trace.push(machines.length);
    if (minute < restUntil) continue;

    const { instances, cooldownMinutes } = decideScale(plan, {
      instances: machines.length,
      reading: (queue, windowMinutes) => readingOf(depths[queues.indexOf(queue)] ?? [], windowMinutes),
    });
    const before = machines.length;
    if (instances > before) {
      machines.push(...Array.from({ length: instances - before }, () => newMachine(minute)));
    } else if (instances < before) {
      const gone = chooseGone(machines, before - instances, minute, scenario.protection);
      busyRemoved += [...gone].filter((machine) => machine.jobs.length > 0).length;
      // Their jobs return to the queues when their locks end.
      for (const { queue } of [...gone].flatMap((machine) => machine.jobs)) waiting[queue] = (waiting[queue] ?? 0) + 1;
      machines = machines.filter((machine) => !gone.has(machine));
    }
    if (machines.length !== before) {
      restUntil = minute + cooldownMinutes;
      const direction = Math.sign(machines.length - before);
      if (lastDirection !== 0 && direction !== lastDirection) turns++;
      lastDirection = direction;
    }
  }
  return {
    name: scenario.name,
    jobs,
    finished,
    drainedMinute,
    peakInstances: Math.max(...trace),
    finalInstances: machines.length,
    busyRemoved,
    turns,
    idleHours: Math.round((idleSlotMinutes / slots / 60) * 10) / 10,
    trace,
  };
}

/** Takes up to `count` messages, first queue first. Returns the queue of each. */
function take(waiting: number[], count: number): readonly number[] {
  const taken: number[] = [];
  for (const [index, here] of waiting.entries()) {
    const number = Math.min(here, count - taken.length);
    waiting[index] = here - number;
    taken.push(...Array.from({ length: number }, () => index));
  }
  return taken;
}

/** The oldest first, as the scale set's policy requires. Protected machines are skipped. */
function chooseGone(machines: readonly Machine[], count: number, minute: number, protection: boolean): Set<Machine> {
  const isProtected = (machine: Machine): boolean =>
    machine.jobs.length > 0 || machine.lastBusyAt + IDLE_GRACE_MINUTES > minute;
  const candidates = protection ? machines.filter((machine) => !isProtected(machine)) : machines;
  return new Set(candidates.toSorted((a, b) => a.since - b.since).slice(0, count));
}

/**
 * What Azure Monitor reads from a metric with a value each minute: the average of the window that ends at the newest
 * reading. Undefined if the window has no reading.
 */
export function readingOf(depth: readonly (number | undefined)[], windowMinutes: number): number | undefined {
  const end = depth.length - METRIC_LAG_MINUTES;
  const readings = depth.slice(end - windowMinutes, end).filter((value) => value !== undefined);
  return readings.length === 0 ? undefined : readings.reduce((sum, value) => sum + value, 0) / readings.length;
}
