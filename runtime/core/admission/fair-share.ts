/**
 * How many bells of a tenant may stand in a queue. A queue is first come, first served, so a tenant with few jobs waits
 * behind every bell that stands before its own. That is why a queue holds only a few bells for each slot, shared by the
 * tenants' weights. The other jobs wait in their rows, and are rung for as bells leave the queue (R31). What one tenant
 * does not use of its share goes to the others. Pure: the caller counts the bells and measures the rounds.
 */

/** Of a tenant that was given none. */
export const DEFAULT_WEIGHT = 1;

/** What is known of a queue at one moment. */
export interface QueueLoad {
  /** Of the live workers of its pool. */
  readonly slots: number;
  /** Bells in the queue by tenant, waiting or under lock. Scheduled ones do not count. */
  readonly bells: ReadonlyMap<string, number>;
  /** Bells that left the queue within the last ROUND_MS (`leftLately`). */
  readonly leftLately: number;
}

export interface TenantShares {
  /** Tenants with jobs that wait in their rows. */
  readonly waiting: ReadonlySet<string>;
  readonly weightOf: (tenantName: string) => number;
}

/** Between two rounds of the refill. */
export const ROUND_MS = 250;
/** The same, while a queue drains. */
export const QUICK_ROUND_MS = 50;
/**
 * Bells in a queue for each slot: one that runs, and one behind it that starts when it ends. More would make others wait,
 * fewer would leave a slot idle until the next round. The pool still grows: it does so above one bell for each slot.
 */
const BELLS_PER_SLOT = 2;
/** For few slots or none: enough to wake a pool and to let its first machine double. */
export const WINDOW_MIN = 8;
/** Jobs that are shorter than a round leave faster than rounds come. So many rounds of them are in the queue. */
const ROUNDS_AHEAD = 4;
/**
 * The most bells for each slot, however fast they leave. A tenant whose short jobs are followed by long ones cannot make
 * others wait longer than this many long ones on each slot.
 */
export const BELLS_PER_SLOT_MAX = 16;

/** The bells that a queue should hold, of all tenants together. */
export function windowOf({ slots, leftLately }: Pick<QueueLoad, "slots" | "leftLately">): number {
  const usual = Math.max(WINDOW_MIN, BELLS_PER_SLOT * slots);
  // While each slot ends at most one job in a round, the one behind it is enough.
  if (leftLately <= slots) return usual;
  return Math.max(usual, Math.min(ROUNDS_AHEAD * leftLately, BELLS_PER_SLOT_MAX * Math.max(slots, 1)));
}

/**
 * Whether slots stand idle before the next round, or did already: fewer bells than slots. Jobs of at least ROUND_MS leave
 * more than that behind.
 */
export function isDraining({ slots, bells }: Pick<QueueLoad, "slots" | "bells">): boolean {
  return [...bells.values()].reduce((sum, count) => sum + count, 0) < slots;
}

/** Bells that left a queue between two moments, in milliseconds. */
export interface Departure {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** The departures that count, of those in their order: the last one, and what else lies within the last ROUND_MS. */
export const lately = (departures: readonly Departure[]): readonly Departure[] =>
  departures.filter(({ from }, i) => i === departures.length - 1 || from >= (departures.at(-1)?.to ?? 0) - ROUND_MS);

/** Of departures that count. */
export const leftLately = (departures: readonly Departure[]): number =>
  departures.reduce((sum, { count }) => sum + count, 0);

/**
 * The time within which a job of a tenant starts that had none in the queue, while others have any number. `slots` of the
 * pool take jobs of this queue, `tenants` have jobs in it, the new one included, and no job takes longer than `jobMs` or
 * less than a round. docs/limits-and-fairness.md derives it.
 */
export function startBoundMs(slots: number, tenants: number, jobMs: number): number {
  const bellsAhead = windowOf({ slots, leftLately: 0 }) * harmonic(tenants) + tenants;
  return jobMs * (1 + Math.ceil(bellsAhead / slots));
}

/**
 * How many more bells each waiting tenant may have. The window is shared by weight among tenants with bells or waiting
 * jobs. One that needs less than its share leaves the rest to the others. A waiting tenant has at least one bell.
 */
export function roomsOf(load: QueueLoad, { waiting, weightOf }: TenantShares): ReadonlyMap<string, number> {
  const wants = (tenantName: string): number =>
    waiting.has(tenantName) ? Infinity : (load.bells.get(tenantName) ?? 0);
  let open = [...new Set([...load.bells.keys(), ...waiting])].filter((tenantName) => wants(tenantName) > 0);
  let left = windowOf(load);
  let weights = 0;
  const shareOf = (tenantName: string): number => (left * weightOf(tenantName)) / weights;
  for (;;) {
    weights = open.reduce((sum, tenantName) => sum + weightOf(tenantName), 0);
    const satisfied = open.filter((tenantName) => wants(tenantName) <= shareOf(tenantName));
    if (satisfied.length === 0) break;
    left -= satisfied.reduce((sum, tenantName) => sum + wants(tenantName), 0);
    open = open.filter((tenantName) => !satisfied.includes(tenantName));
  }
  return new Map(
    open
      .filter((tenantName) => waiting.has(tenantName))
      .map((tenantName) => {
        const share = Math.max(1, Math.floor(shareOf(tenantName)));
        return [tenantName, Math.max(0, share - (load.bells.get(tenantName) ?? 0))];
      }),
  );
}

/** The sum 1 + 1/2 + … + 1/n: what tenants that come one after the other can have in a queue together, in windows. */
const harmonic = (count: number): number =>
  Array.from({ length: count }, (_, i) => 1 / (i + 1)).reduce((sum, part) => sum + part, 0);
