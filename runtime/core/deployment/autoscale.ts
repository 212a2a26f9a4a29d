/**
 * How a worker pool follows its queues, as data: the rules that infra hands to Azure Monitor, and what those rules decide
 * for given readings, by the documented semantics of its engine. Time, delays and protection belong to the caller.
 * https://learn.microsoft.com/azure/azure-monitor/autoscale/autoscale-understanding-settings
 */
import { InvariantError } from "../errors.ts";

/** The most instances of a scale set in one placement group, and the most that a rule can reach. */
export const AUTOSCALE_MAX_INSTANCES = 100;
/** A limit of Azure Monitor for one profile. */
export const AUTOSCALE_MAX_RULES = 10;

export interface AutoscaleRequest {
  /** The pool's queues. */
  readonly queues: readonly string[];
  readonly min: number;
  readonly max: number;
  /** Jobs an instance runs at a time. */
  readonly slots: number;
}

/** What a rule does to the number of instances. */
export type ScaleChange =
  | { readonly kind: "percent"; readonly value: number }
  | { readonly kind: "count"; readonly value: number }
  | { readonly kind: "exactly"; readonly value: number };

export interface AutoscaleRule {
  readonly direction: "out" | "in";
  readonly queue: string;
  /** Whether the reading is divided by the number of instances before it is compared. */
  readonly perInstance: boolean;
  /** Out: the reading is greater. In: it is less. */
  readonly threshold: number;
  /** The reading is the average over this time. Azure takes 5 minutes or more. */
  readonly windowMinutes: number;
  readonly change: ScaleChange;
  /** After this rule has acted, no rule acts for this long. */
  readonly cooldownMinutes: number;
}

export interface AutoscalePlan {
  readonly minimum: number;
  readonly maximum: number;
  /** Instances wanted at least while the readings cannot be had. */
  readonly fallback: number;
  readonly rules: readonly AutoscaleRule[];
}

const OUT_WINDOW_MINUTES = 5;
/** Short, because a burst is met by doubling; long enough for the reading to see the machines that came. */
const OUT_COOLDOWN_MINUTES = 2;
const IN_WINDOW_MINUTES = 10;
/** The cooldown of the last rule blocks both directions, so going in must not keep a burst waiting for long. */
const IN_COOLDOWN_MINUTES = 5;
/** A pool shrinks when half of its slots are idle: far enough from the rule for growth that the two do not alternate. */
const IN_SHARE = 0.5;
/** A step in; a number instead of a percentage, which could round to nothing in a small pool. */
const IN_STEP_SHARE = 0.1;
/** From no instance: a single message is enough. */
const WAKE_COOLDOWN_MINUTES = 1;

/**
 * Two rules a queue: double while any has more work per instance than there are slots; step in while all have less than
 * half. A third rule wakes a pool that may sleep (min 0). Throws InvariantError beyond the limits of Azure Monitor.
 */
export function planAutoscale({ queues, min, max, slots }: AutoscaleRequest): AutoscalePlan {
  if (!(Number.isInteger(min) && Number.isInteger(max) && min >= 0 && min <= max && max >= 1)) {
    throw new InvariantError(`A pool cannot scale between ${min} and ${max} instances.`);
  }
  if (max > AUTOSCALE_MAX_INSTANCES) {
    throw new InvariantError(`A pool scales to ${AUTOSCALE_MAX_INSTANCES} instances at most, not ${max}.`);
  }
  if (!(slots >= 1)) throw new InvariantError(`An instance has one slot or more, not ${slots}.`);
  const rules = queues.flatMap((queue) => [
    ...(min === 0 ? [wakeRule(queue)] : []),
    outRule(queue, slots),
    inRule(queue, slots, max),
  ]);
  if (rules.length > AUTOSCALE_MAX_RULES) {
    throw new InvariantError(
      `Autoscale takes ${AUTOSCALE_MAX_RULES} rules at most; ${queues.length} queues need ${rules.length}.`,
    );
  }
  return { minimum: min, maximum: max, fallback: Math.max(min, 1), rules };
}

const wakeRule = (queue: string): AutoscaleRule => ({
  direction: "out",
  queue,
  perInstance: false,
  threshold: 0,
  windowMinutes: OUT_WINDOW_MINUTES,
  // Exactly one, never one more: locked messages count too, and "more" would then climb to the maximum.
  change: { kind: "exactly", value: 1 },
  cooldownMinutes: WAKE_COOLDOWN_MINUTES,
});

const outRule = (queue: string, slots: number): AutoscaleRule => ({
  direction: "out",
  queue,
  perInstance: true,
  threshold: slots,
  windowMinutes: OUT_WINDOW_MINUTES,
  change: { kind: "percent", value: 100 },
  cooldownMinutes: OUT_COOLDOWN_MINUTES,
});

const inRule = (queue: string, slots: number, max: number): AutoscaleRule => ({
  direction: "in",
  queue,
  perInstance: true,
  threshold: slots * IN_SHARE,
  windowMinutes: IN_WINDOW_MINUTES,
  change: { kind: "count", value: Math.max(1, Math.ceil(max * IN_STEP_SHARE)) },
  cooldownMinutes: IN_COOLDOWN_MINUTES,
});

export interface ScaleObservation {
  readonly instances: number;
  /** Average messages of a queue over the last minutes; undefined: there is no reading. */
  readonly reading: (queue: string, windowMinutes: number) => number | undefined;
}

export interface ScaleDecision {
  /** What the pool should have; the present number when nothing is to change. */
  readonly instances: number;
  readonly cooldownMinutes: number;
}

/**
 * What the engine decides at one moment outside a cooldown. Out: any rule, the largest result. In: all rules, the
 * smallest step, and never so far that a rule would scale out again at the same readings. The result is within the
 * plan's minimum and maximum.
 */
export function decideScale(plan: AutoscalePlan, observed: ScaleObservation): ScaleDecision {
  const { instances, reading } = observed;
  const stay: ScaleDecision = { instances, cooldownMinutes: 0 };
  const within = (count: number): number => Math.min(plan.maximum, Math.max(plan.minimum, count));
  if (within(instances) !== instances) return { instances: within(instances), cooldownMinutes: 0 };

  const rulesOut = plan.rules.filter(({ direction }) => direction === "out");
  const rulesIn = plan.rules.filter(({ direction }) => direction === "in");
  const firing = (rules: readonly AutoscaleRule[], count: number): readonly AutoscaleRule[] =>
    rules.filter((rule) => fires(rule, count, reading(rule.queue, rule.windowMinutes)));

  const out = firing(rulesOut, instances)
    .map((rule) => ({ instances: within(grown(instances, rule.change)), cooldownMinutes: rule.cooldownMinutes }))
    .reduce((a, b) => (b.instances > a.instances ? b : a), stay);
  if (out.instances > instances) return out;
  // A rule that wants out forbids going in, also when the maximum keeps it from acting.
  if (firing(rulesOut.filter(canGrow(instances)), instances).length > 0) return stay;

  if (rulesIn.some((rule) => reading(rule.queue, rule.windowMinutes) === undefined)) {
    return instances < plan.fallback ? { instances: plan.fallback, cooldownMinutes: 0 } : stay;
  }
  if (rulesIn.length === 0 || firing(rulesIn, instances).length < rulesIn.length) return stay;
  const steps = rulesIn.map((rule) => instances - within(shrunk(instances, rule.change)));
  const cooldownMinutes = Math.max(...rulesIn.map((rule) => rule.cooldownMinutes));
  for (let count = instances - Math.min(...steps); count < instances; count++) {
    if (firing(rulesOut.filter(canGrow(count)), count).length === 0) return { instances: count, cooldownMinutes };
  }
  return stay;
}

/** Without instances a reading per instance has no meaning, so such a rule does nothing. */
function fires(rule: AutoscaleRule, instances: number, reading: number | undefined): boolean {
  if (reading === undefined || (rule.perInstance && instances === 0)) return false;
  const value = rule.perInstance ? reading / instances : reading;
  return rule.direction === "out" ? value > rule.threshold : value < rule.threshold;
}

const canGrow =
  (instances: number) =>
  ({ change }: AutoscaleRule): boolean =>
    grown(instances, change) > instances;

function grown(instances: number, change: ScaleChange): number {
  switch (change.kind) {
    case "percent":
      return instances + Math.ceil((instances * change.value) / 100);
    case "count":
      return instances + change.value;
    case "exactly":
      // "Increase to": never down.
      return Math.max(instances, change.value);
  }
}

function shrunk(instances: number, change: ScaleChange): number {
  switch (change.kind) {
    case "percent":
      return instances - Math.floor((instances * change.value) / 100);
    case "count":
      return instances - change.value;
    case "exactly":
      return Math.min(instances, change.value);
  }
}
