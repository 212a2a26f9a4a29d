/** Jobs per state, in the form of counter rows: signed, and a missing state counts as zero. */

export type Counts = Readonly<Record<string, number>>;

const STATES = ["queued", "running", "succeeded", "failed", "canceled"] as const;

export const countsOf = (cells: Readonly<Record<string, unknown>>): Counts =>
  Object.fromEntries(STATES.map((state) => [state, Number(cells[state] ?? 0)]));

const combine = (a: Counts, b: Counts, sign: number): Counts =>
  Object.fromEntries(STATES.map((state) => [state, (a[state] ?? 0) + sign * (b[state] ?? 0)]));

export const add = (a: Counts, b: Counts): Counts => combine(a, b, 1);
export const minus = (a: Counts, b: Counts): Counts => combine(a, b, -1);
export const isSame = (a: Counts, b: Counts): boolean => STATES.every((state) => (a[state] ?? 0) === (b[state] ?? 0));
