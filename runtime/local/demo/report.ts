/** The terminal output of the demo: steps, a progress bar or plain lines, a short table. */
import { styleText } from "node:util";
import CliProgress from "cli-progress";
import Table from "cli-table3";
import type { JobView } from "../../core/http/views.ts";
import { type StateCounts, openOf } from "../../core/job/states.ts";
import { printable } from "../../core/text.ts";

export interface Report {
  step(text: string): void;
  /** Reports a problem that is being handled. */
  notice(text: string): void;
  progress(counts: StateCounts, total: number): void;
  table(jobs: readonly JobView[]): void;
  /** Prints suggested commands. */
  hints(facts: HintFacts): void;
  /** Reports why the program ends. */
  failure(text: string): void;
}

/** Without a bar, a line is written at every tenth of the progress. */
const PLAIN_STEPS = 10;
/** Width of the mark before a line. The text is aligned after it. */
const MARK_WIDTH = 2;

export function createReport(out: NodeJS.WriteStream): Report {
  const isTerminal = out.isTTY;
  let bar: CliProgress.SingleBar | undefined;
  let lastTenth = -1;

  // styleText respects NO_COLOR and whether the stream is a terminal.
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    styleText(style, text, { stream: out });
  // The text includes names and messages of jobs, so control sequences are removed.
  const marked = (style: Parameters<typeof styleText>[0], mark: string, text: string): void =>
    line(`${paint(style, mark)} ${fitted(printable(text)).replaceAll("\n", `\n${" ".repeat(MARK_WIDTH)}`)}`);
  const line = (text: string): void => void out.write(`${text}\n`);
  // Read each time, because the window can be resized. Only a terminal has a width.
  const fitted = (text: string): string => (isTerminal ? wrapped(text, out.columns - MARK_WIDTH) : text);

  function showBar(done: number, total: number, counts: StateCounts): void {
    bar ??= startBar(out, total);
    bar.update(done, { running: counts.running, failed: counts.failed });
    if (done === total) {
      bar.stop();
      bar = undefined;
    }
  }

  function showLine(done: number, total: number, counts: StateCounts): void {
    const tenth = Math.floor((done / total) * PLAIN_STEPS);
    if (tenth === lastTenth) return;
    lastTenth = tenth;
    line(`  ${done} of ${total} jobs done, ${counts.running} running, ${counts.failed} failed`);
  }

  return {
    step: (text) => marked("green", "✓", text),
    notice: (text) => marked("yellow", "!", text),
    progress(counts, total) {
      const done = total - openOf(counts);
      if (isTerminal) showBar(done, total, counts);
      else showLine(done, total, counts);
    },
    table(jobs) {
      const table = new Table({
        head: ["job type", "jobs", "state", "attempts", "seconds", "artifacts"],
        colAligns: ["left", "right", "left", "right", "right", "right"],
        style: { head: [], border: [] },
      });
      for (const row of summarise(jobs)) table.push(row);
      line(table.toString());
      for (const { jobName, failure } of jobs.filter(({ state }) => state === "failed")) {
        marked("red", "✗", `${jobName}: ${failure?.code ?? ""} ${failure?.message ?? ""}`);
      }
    },
    hints(facts) {
      for (const hint of hintsFor(facts)) line(hint);
    },
    failure(text) {
      bar?.stop();
      marked("red", "✗", text);
    },
  };
}

function startBar(out: NodeJS.WriteStream, total: number): CliProgress.SingleBar {
  const bar = new CliProgress.SingleBar({
    stream: out,
    format: "  {bar} {value}/{total} jobs, {running} running, {failed} failed, {duration_formatted}",
    barsize: 28,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
  });
  bar.start(total, 0, { running: 0, failed: 0 });
  return bar;
}

/** One row for the jobs of a type with the same result. */
function summarise(jobs: readonly JobView[]): string[][] {
  const groups = Map.groupBy(jobs, ({ jobType, state }) => `${jobType}\n${state}`);
  return [...groups.values()].map((group) => {
    const attempts = group.map((job) => job.attempts);
    const seconds = group.map(secondsOf).sort((a, b) => a - b);
    const artifacts = group.reduce((sum, { artifactCount }) => sum + artifactCount, 0);
    return [
      group[0]?.jobType ?? "",
      String(group.length),
      group[0]?.state ?? "",
      range(Math.min(...attempts), Math.max(...attempts)),
      range((seconds[0] ?? 0).toFixed(1), (seconds.at(-1) ?? 0).toFixed(1)),
      String(artifacts),
    ];
  });
}

const range = (from: number | string, to: number | string): string => (from === to ? String(from) : `${from}–${to}`);

/** Duration of the last attempt. */
const secondsOf = ({ startedAt, endedAt }: JobView): number =>
  startedAt === undefined || endedAt === undefined ? 0 : (Date.parse(endedAt) - Date.parse(startedAt)) / 1_000;

export interface HintFacts {
  readonly apiUrl: string;
  /** The local issuer's certificate; undefined: in the default place of the command line. */
  readonly caFile: string | undefined;
  readonly tenantName: string;
  /** Whether the sample `financial-year-end` is published. */
  readonly hasSamples: boolean;
  /** The job that fails on purpose, if there is one. */
  readonly failingId: string | undefined;
}

/** Default address of `jobyard login --local`. */
const DEFAULT_URL = "http://127.0.0.1:7070";

/** Suggested next commands, to copy into another terminal. Lines of at most 80 characters, unless a path is longer. */
const hintsFor = ({ apiUrl, caFile, tenantName, hasSamples, failingId }: HintFacts): readonly string[] => [
  ...(failingId === undefined
    ? []
    : [
        "One more job fails on purpose. Open it in the dashboard, correct its year and",
        "submit it anew:",
        `  ${apiUrl}/jobs/${failingId}`,
      ]),
  "Try next, in another terminal:",
  `  npx --no jobyard login --local${apiUrl === DEFAULT_URL ? "" : ` ${apiUrl}`}${caFile === undefined ? "" : " \\"}`,
  ...(caFile === undefined ? [] : [`    --ca-file '${caFile.replaceAll("'", "'\\''")}'`]),
  ...(hasSamples
    ? [
        "  npx --no jobyard submit --type FinancialYearEnd \\",
        `    --package financial-year-end.zip --parameters '{"year":2025}' --wait`,
      ]
    : ["  npx --no jobyard init packages/my-package"]),
  `  npx --no jobyard batches --tenant ${tenantName}`,
  `API and its documents: ${apiUrl}/docs`,
  "Press Ctrl-C to stop.",
];

/** Wraps text at word boundaries. A longer word, such as a path, is not broken. */
export const wrapped = (text: string, width: number): string =>
  text
    .split("\n")
    .map((line) => wrappedLine(line, width))
    .join("\n");

function wrappedLine(line: string, width: number): string {
  const lines: string[] = [];
  let current: string | undefined;
  for (const word of line.split(" ")) {
    if (current !== undefined && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else {
      current = current === undefined ? word : `${current} ${word}`;
    }
  }
  return [...lines, current ?? ""].join("\n");
}
