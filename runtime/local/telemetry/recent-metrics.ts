/**
 * The metrics of the last hour in memory, as far as `jobyard stats` shows them: sums by interval, with a limit on the
 * number of groups, so that the memory they need does not grow.
 */
import { GROUP_ATTRIBUTE, MEASURES, type GroupKind, type Measure } from "./measures.ts";
import type { MetricPoint } from "./otlp-json.ts";
import { addInto, quantileOf } from "./histogram.ts";

export interface RecentMetricsDeps {
  readonly nowMs: () => number;
  readonly keepMs: number;
}

/** Null: nothing was measured. */
export type Measured = number | null;

export interface MeasureView {
  /** Of the whole time; of a gauge the latest value. */
  readonly value: Measured;
  /** By parts of the time, the latest last; of a gauge the greatest value of each part. */
  readonly marks: readonly Measured[];
}

export interface GroupView {
  readonly name: string;
  readonly measures: Readonly<Record<string, MeasureView>>;
}

export type GroupViews = Readonly<Record<`${GroupKind}s`, readonly GroupView[]>>;

export interface RecentMetrics {
  add(points: readonly MetricPoint[]): void;
  /** The last `marks` parts of `markMs` each. */
  view(window: { readonly marks: number; readonly markMs: number }): GroupViews;
}

export const SLOT_MS = 10_000;
/** A gauge that a process no longer reports is forgotten after this time. */
const GAUGE_STALE_MS = 90_000;
/** Further job types and pools are counted together. */
const GROUPS_MAX_COUNT = 100;
const OTHER = "other";
/** Series of cumulative counters whose last value is remembered. Points of further ones are ignored. */
const SERIES_MAX_COUNT = 10_000;
/** Of one interval. Further ones are left out. */
const CELLS_MAX_COUNT = 2_000;
const P95 = 0.95;

type Cell = number | number[];
/** By measure and group; of gauges also by process and attributes. */
type Slot = Map<string, Cell>;

export function createRecentMetrics({ nowMs, keepMs }: RecentMetricsDeps): RecentMetrics {
  const startedMs = nowMs();
  const slots = new Map<number, Slot>();
  const series = new Map<string, { readonly startMs: number; readonly amount: Cell }>();
  const groups = new Map<GroupKind, Set<string>>();
  const bounds = new Map<string, readonly number[]>();

  const slotNumber = (): number => Math.floor(nowMs() / SLOT_MS);

  function currentSlot(): Slot {
    const number = slotNumber();
    for (const old of slots.keys()) if (old <= number - keepMs / SLOT_MS) slots.delete(old);
    const slot = slots.get(number) ?? new Map<string, Cell>();
    slots.set(number, slot);
    return slot;
  }

  function groupOf({ of }: Measure, { attributes }: MetricPoint): string {
    const name = String(attributes[GROUP_ATTRIBUTE[of]] ?? "-");
    const known = groups.get(of) ?? new Set();
    groups.set(of, known);
    if (!known.has(name) && known.size >= GROUPS_MAX_COUNT) return OTHER;
    known.add(name);
    return name;
  }

  /** What the point adds to what is known. Undefined: nothing. */
  function addedBy(point: MetricPoint): Cell | undefined {
    const amount: Cell = point.buckets === undefined ? (point.value ?? 0) : [...point.buckets.counts];
    if (!point.isCumulative) return amount;
    const key = `${point.metric}\n${seriesOf(point)}`;
    const before = series.get(key);
    if (before === undefined && series.size >= SERIES_MAX_COUNT) return undefined;
    series.set(key, { startMs: point.startMs, amount });
    // A process that started earlier counted before anyone listened.
    if (before === undefined) return point.startMs >= startedMs ? amount : undefined;
    return before.startMs === point.startMs ? difference(amount, before.amount) : amount;
  }

  function addPoint(point: MetricPoint, slot: Slot): void {
    const measures = MEASURES.filter(({ metric }) => metric === point.metric);
    if (measures.length === 0) return;
    if (point.buckets !== undefined) {
      const { bounds: ofPoint } = point.buckets;
      const known = bounds.get(point.metric) ?? ofPoint;
      // Counts of other buckets cannot be added.
      if (known.length !== ofPoint.length || point.buckets.counts.length !== ofPoint.length + 1) return;
      bounds.set(point.metric, known);
    }
    const isGauge = measures.some(({ as }) => as === "sum" || as === "max");
    const added = isGauge ? point.value : addedBy(point);
    if (added === undefined) return;
    for (const measure of measures) {
      const { name, outcome } = measure;
      if (outcome !== undefined && point.attributes["outcome"] !== outcome) continue;
      const key = `${name}\n${groupOf(measure, point)}`;
      const cell = isGauge ? `${key}\n${seriesOf(point)}` : key;
      if (slot.size >= CELLS_MAX_COUNT && !slot.has(cell)) continue;
      slot.set(cell, isGauge ? added : sumOf(slot.get(cell), added));
    }
  }

  function measureView(measure: Measure, group: string, lastSlot: number, marks: number, perMark: number): MeasureView {
    const first = lastSlot - marks * perMark + 1;
    const numbers = Array.from({ length: marks * perMark }, (_, i) => first + i);
    const inMarks = <T>(each: readonly T[]): readonly T[][] =>
      Array.from({ length: marks }, (_, i) => each.slice(i * perMark, (i + 1) * perMark));
    const key = `${measure.name}\n${group}`;
    if (measure.as === "sum" || measure.as === "max") {
      const values = gaugeValues(key, measure.as, numbers);
      return { value: values.at(-1) ?? null, marks: inMarks(values).map(greatest) };
    }
    const cells = numbers.map((number) => slots.get(number)?.get(key));
    const combined = (some: readonly (Cell | undefined)[]): Measured => {
      const sum = some.reduce<Cell | undefined>((all, one) => (one === undefined ? all : sumOf(all, one)), undefined);
      if (measure.as === "count") return typeof sum === "number" ? sum : 0;
      return Array.isArray(sum) ? quantileOf(P95, { bounds: bounds.get(measure.metric) ?? [], counts: sum }) : null;
    };
    return { value: combined(cells), marks: inMarks(cells).map(combined) };
  }

  /** A process reports its gauges less often than once in each slot, so a value holds for a while. */
  function gaugeValues(key: string, as: "sum" | "max", numbers: readonly number[]): readonly Measured[] {
    const latest = new Map<string, { readonly value: number; readonly at: number }>();
    const lead = GAUGE_STALE_MS / SLOT_MS;
    const [first = 0] = numbers;
    const values = new Map<number, Measured>();
    for (let number = first - lead; number <= (numbers.at(-1) ?? 0); number++) {
      for (const [name, cell] of slots.get(number) ?? []) {
        if (typeof cell === "number" && name.startsWith(`${key}\n`)) latest.set(name, { value: cell, at: number });
      }
      const held = [...latest.values()].filter(({ at }) => number - at < lead).map(({ value }) => value);
      const all = as === "sum" ? held.reduce((a, b) => a + b, 0) : Math.max(...held);
      values.set(number, held.length === 0 ? null : all);
    }
    return numbers.map((number) => values.get(number) ?? null);
  }

  return {
    add(points) {
      const slot = currentSlot();
      for (const point of points) addPoint(point, slot);
    },
    view({ marks, markMs }) {
      currentSlot();
      const lastSlot = slotNumber();
      const perMark = Math.max(1, Math.round(markMs / SLOT_MS));
      const of = (kind: GroupKind): readonly GroupView[] => {
        const names = new Set(groups.get(kind));
        if (names.size >= GROUPS_MAX_COUNT) names.add(OTHER);
        const measures = MEASURES.filter((one) => one.of === kind);
        const isMeasured = ({ measures: views }: GroupView): boolean =>
          measures.some(({ name, as }) => (views[name]?.value ?? null) !== (as === "count" ? 0 : null));
        return [...names]
          .sort()
          .map((name) => ({
            name,
            measures: Object.fromEntries(
              measures.map((one) => [one.name, measureView(one, name, lastSlot, marks, perMark)]),
            ),
          }))
          .filter(isMeasured);
      };
      return { jobTypes: of("jobType"), pools: of("pool") };
    },
  };
}

const seriesOf = ({ source, attributes }: MetricPoint): string =>
  JSON.stringify([source, ...Object.entries(attributes).sort()]);

function sumOf(one: Cell | undefined, other: Cell): Cell {
  if (one === undefined) return Array.isArray(other) ? [...other] : other;
  if (Array.isArray(one) && Array.isArray(other)) return addInto(one, other);
  return Number(one) + Number(other);
}

const difference = (now: Cell, before: Cell): Cell =>
  Array.isArray(now) && Array.isArray(before)
    ? now.map((count, i) => Math.max(0, count - (before[i] ?? 0)))
    : Math.max(0, Number(now) - Number(before));

function greatest(values: readonly Measured[]): Measured {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
