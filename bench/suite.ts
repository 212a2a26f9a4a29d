/** What suites of measures have in common: figures, rounds, medians and ranges. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** Reports a figure as soon as it is known. */
export type Report = (figure: Figure) => void;

export interface Options {
  /** Of the usual numbers of jobs, calls and seconds. */
  readonly share: number;
  /** Small numbers: to see that everything runs. Its figures mean little. */
  readonly quick: boolean;
  /** Of the table of jobs, at each of which the suite `scale` measures. */
  readonly rows: readonly number[];
  readonly rounds: number;
}

export interface Suite {
  /** One round. */
  run(report: Report, options: Options): Promise<void>;
}

/** The same figure of several rounds. */
export interface Summary {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

export interface Summaries {
  readonly add: Report;
  /** In the order in which the figures came first. */
  all(): readonly Summary[];
  /** Undefined if it was not measured. */
  medianOf(name: string): number | undefined;
}

export function createSummaries(): Summaries {
  const values = new Map<string, { readonly unit: string; readonly values: number[] }>();
  const summaryOf = (name: string): Summary | undefined => {
    const found = values.get(name);
    if (found === undefined) return undefined;
    const sorted = found.values.toSorted((a, b) => a - b);
    const [low = NaN, high = NaN] = [sorted.at(0), sorted.at(-1)];
    return { name, unit: found.unit, median: median(sorted), low, high, rounds: sorted.length };
  };
  return {
    add({ name, value, unit }) {
      const found = values.get(name) ?? { unit, values: [] };
      found.values.push(value);
      values.set(name, found);
    },
    all: () => [...values.keys()].map(summaryOf).filter((one) => one !== undefined),
    medianOf: (name) => summaryOf(name)?.median,
  };
}

/** Of sorted values: the one below which this share of them lies. */
export const shareOf = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;

/** Of an even number of values: between the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

/** To three figures that mean something. */
export const rounded = (value: number): number => (Number.isFinite(value) ? Number(value.toPrecision(3)) : value);

/** Reports median and 99th percentile of times in milliseconds. */
export function reportTimes(report: Report, name: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  report({ name: `${name}, p50`, value: rounded(shareOf(sorted, 0.5)), unit: "ms" });
  report({ name: `${name}, p99`, value: rounded(shareOf(sorted, 0.99)), unit: "ms" });
}

/** Measures how often a second `count` things were done. */
export async function reportRate(
  report: Report,
  { name, count, unit }: { readonly name: string; readonly count: number; readonly unit: string },
  run: () => Promise<unknown>,
): Promise<void> {
  const startedAt = performance.now();
  await run();
  report({ name, value: rounded(count / ((performance.now() - startedAt) / 1_000)), unit });
}

/** That share of a usual number, and never too few to have a median. */
export const scaled = (count: number, { share }: Pick<Options, "share">): number =>
  Math.min(count, Math.max(5, Math.ceil(count * share)));

/** Calls `one` so often, with so many calls at a time. */
export async function inFlight(count: number, atOnce: number, one: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const line = async (): Promise<void> => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, line));
}

/** Nanoseconds of a clock that all processes of this machine share, as milliseconds. */
export const sharedNow = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Longer than anything that a suite waits for. */
const WAIT_MS = 5 * 60_000;

/** Resolves when it is true. Throws if that takes minutes. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, everyMs: number): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`Waited in vain: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
