/** The tables of docs/performance.md, made of what was measured. */
import { rounded, type Summaries, type Summary } from "../suite.ts";
import { GOALS, type Goal } from "./goals.ts";

type Table = readonly (readonly string[])[];

const shown = (value: number): string => rounded(value).toLocaleString("en", { maximumSignificantDigits: 3 });
const range = ({ low, high, rounds }: Summary): string => (rounds > 1 ? ` (${shown(low)} to ${shown(high)})` : "");
const shownSummary = (summary: Summary | undefined): string =>
  summary === undefined ? "–" : `${shown(summary.median)} ${summary.unit}${range(summary)}`;

type Find = (name: string) => Summary | undefined;

function goalRow({ figure, ours, against, wanted, isReached }: Goal, find: Find): readonly string[] {
  const own = find(`ours: ${ours}`);
  const other = against === undefined ? undefined : find(against);
  const ratio = own && other && own.median / other.median;
  const judged = against === undefined ? own?.median : ratio;
  return [
    figure,
    shownSummary(own),
    against === undefined ? "" : shownSummary(other),
    ratio === undefined ? "" : `${ratio.toFixed(2)} ×`,
    wanted,
    judged === undefined ? "not measured" : isReached(judged) ? "yes" : "**no**",
  ];
}

const goalsTable = (find: Find): Table => [
  ["figure", "ours", "compared with", "ratio", "goal", "reached"],
  ...GOALS.map((goal) => goalRow(goal, find)),
];

/** What the peers call alike, and what it is called in the suites of this system. */
const COMPARED: readonly (readonly [string, string])[] = [
  ["submit until user code runs, p50", "reuse: submit until user code runs, p50"],
  ["submit until user code runs, p99", "reuse: submit until user code runs, p99"],
  ["submit until its answer, p50", "reuse: submit until its answer, p50"],
  ["submit until the client knows by push, p50", "reuse: submit until the client knows by push, p50"],
  ["jobs that do nothing, 1 worker, concurrency 4", "reuse, 1 worker, 4 slots"],
  ["jobs that do nothing, 1 worker, concurrency 64", "reuse, 1 worker, 64 slots"],
  ["submit one by one, 32 in flight", "one by one, 32 in flight"],
  ["submit in bulk", "in bulk, JSON"],
];

const peersTable = (titles: readonly string[], find: Find): Table => {
  return [
    ["figure", "Jobyard", ...titles],
    ...COMPARED.map(([name, ours]) => {
      const own = find(`ours: ${ours}`);
      const cells = titles.map((title) => {
        const found = find(`${title}: ${name}`);
        const ratio = own && found && ` · ${(own.median / found.median).toFixed(2)} ×`;
        return found === undefined ? "–" : `${shownSummary(found)}${ratio ?? ""}`;
      });
      return [name, shownSummary(own), ...cells];
    }),
  ];
};

const listOf = (prefix: string, all: readonly Summary[]): Table => [
  ["figure", "median (lowest to highest)"],
  ...all
    .filter(({ name }) => name.startsWith(prefix))
    .map((summary) => [summary.name.slice(prefix.length), shownSummary(summary)]),
];

const markdown = ([head = [], ...rows]: Table): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const place = (name: string): RegExp => new RegExp(`(<!-- measured: ${name} -->\\n)[^]*?(<!-- end -->)`);

/** Returns the document with all that was measured. Throws RangeError if a marker is missing. */
export function withFigures(
  document: string,
  summaries: Summaries,
  { conditions, peers }: { readonly conditions: string; readonly peers: readonly string[] },
): string {
  const all = summaries.all();
  const find: Find = (name) => all.find((summary) => summary.name === name);
  const parts = {
    conditions,
    goals: markdown(goalsTable(find)),
    peers: markdown(peersTable(peers, find)),
    floor: markdown(listOf("floor: ", all)),
    ours: markdown(listOf("ours: ", all)),
  };
  return Object.entries(parts).reduce((text, [name, part]) => {
    if (!place(name).test(text)) throw new RangeError(`docs/performance.md has no place for ${name}.`);
    return text.replace(place(name), (_whole, start: string, end: string) => `${start}\n${part}\n\n${end}`);
  }, document);
}
