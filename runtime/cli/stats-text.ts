/** The statistics of the last hour as text: a table of job types and one of worker pools, with sparklines. */
import type { GroupView, MeasureView } from "../local/telemetry/recent-metrics.ts";
import type { StatsView } from "../local/telemetry/receiver.ts";
import { fit, showSeconds } from "./command.ts";
import { sparkline } from "./sparkline.ts";
import type { Terminal } from "./terminal.ts";

/** Width where nothing limits it. */
const COLUMNS_DEFAULT = 100;
const NAME_MAX = 28;
/** Room that the sparklines leave for names, unless numbers are long. */
const NAME_MIN = 16;
const NAME_SHORTEST = 9;
const MARKS_MIN = 4;
const MARKS_MAX = 30;
const GAP = 2;

interface Cell {
  readonly title: string;
  readonly text: (group: GroupView) => string;
  readonly marks: (group: GroupView) => string;
  readonly isBad?: (group: GroupView) => boolean;
}

const NOTHING: MeasureView = { value: null, marks: [] };
const of = ({ measures }: GroupView, name: string): MeasureView => measures[name] ?? NOTHING;
const countOf = (group: GroupView, name: string): string => String(of(group, name).value ?? "-");
const timeOf = (group: GroupView, name: string): string => {
  const { value } = of(group, name);
  return value === null ? "-" : showSeconds(value);
};

const count = (title: string, name: string): Cell => ({
  title,
  text: (group) => countOf(group, name),
  marks: (group) => sparkline(of(group, name).marks),
});
const time = (title: string, name: string): Cell => ({
  title,
  text: (group) => timeOf(group, name),
  marks: (group) => sparkline(of(group, name).marks),
});

const JOB_TYPES: readonly Cell[] = [
  count("ended", "ended"),
  { ...count("failed", "failed"), isBad: (group) => (of(group, "failed").value ?? 0) > 0 },
  time("wait p95", "wait"),
  time("run p95", "run"),
];
const POOLS: readonly Cell[] = [
  count("waiting", "depth"),
  time("oldest", "oldest"),
  {
    title: "slots used",
    text: (group) => `${countOf(group, "used")} of ${countOf(group, "slots")}`,
    marks: (group) => sparkline(of(group, "used").marks, of(group, "slots").value ?? undefined),
  },
];

/** How many marks of a sparkline fit. */
export function marksFor(columns: number): number {
  const width = Number.isFinite(columns) ? columns : COLUMNS_DEFAULT;
  const rest = width - NAME_MIN - JOB_TYPES.reduce((sum, { title }) => sum + title.length + 1 + GAP, 0);
  return Math.max(MARKS_MIN, Math.min(MARKS_MAX, Math.floor(rest / JOB_TYPES.length)));
}

export function statsText(stats: StatsView, { columns, paint }: Pick<Terminal, "columns" | "paint">): string {
  const { since, until, markSeconds, jobTypes, pools } = stats;
  const seconds = (Date.parse(until) - Date.parse(since)) / 1_000;
  const title = `Data since ${timeText(since)} UTC (${showSeconds(Math.round(seconds))}). Each mark is ${showSeconds(markSeconds)}; the last is now.`;
  const tables = [table("job type", JOB_TYPES, jobTypes), table("pool", POOLS, pools)].filter((text) => text !== "");
  return [title, ...(tables.length === 0 ? ["Nothing was measured yet."] : tables)].join("\n\n");

  function table(name: string, cells: readonly Cell[], groups: readonly GroupView[]): string {
    if (groups.length === 0) return "";
    const marks = Math.max(...groups.map((group) => Math.max(...cells.map((cell) => cell.marks(group).length))));
    const widths = cells.map(({ title, text }) => Math.max(title.length, ...groups.map((group) => text(group).length)));
    const taken = widths.reduce((sum, width) => sum + width + 1 + marks + GAP, 0);
    const width = Number.isFinite(columns) ? columns : COLUMNS_DEFAULT;
    const longest = Math.max(name.length, ...groups.map((group) => group.name.length));
    const nameWidth = Math.min(longest, NAME_MAX, Math.max(NAME_SHORTEST, width - taken));
    const head = [
      fit(name, nameWidth),
      ...cells.map(({ title }, i) => `${title.padStart(widths[i] ?? 0)}${" ".repeat(1 + marks)}`),
    ];
    const rows = groups.map((group) => [
      fit(group.name, nameWidth),
      ...cells.map((cell, i) => {
        const text = `${cell.text(group).padStart(widths[i] ?? 0)} ${cell.marks(group).padEnd(marks)}`;
        return cell.isBad?.(group) ? paint("red", text) : text;
      }),
    ]);
    return [paint("bold", line(head)), ...rows.map(line)].join("\n");
  }
}

const line = (parts: readonly string[]): string => parts.join(" ".repeat(GAP)).trimEnd();

const timeText = (instant: string): string => instant.slice(11, 19);
