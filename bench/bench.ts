/** `npm run bench -- <suite> [options]`: runs a suite of measures and prints its figures. */
import { parseArgs } from "node:util";
import { keepLoopbackDirect } from "../runtime/platform/loopback-direct.mjs";
import { createSummaries, type Figure, type Options, rounded, type Suite } from "./suite.ts";

interface Entry {
  readonly measures: string;
  readonly load: () => Promise<Suite>;
}

const SUITES: Readonly<Record<string, Entry>> = {
  latency: {
    measures: "an idle system: submit until user code runs, until the client knows it by push and by waitForJob",
    load: () => import("./latency.ts"),
  },
  throughput: {
    measures: "jobs that do nothing, per second, by isolation and slots",
    load: () => import("./throughput.ts"),
  },
  submit: { measures: "submits per second: single, in bulk as JSON, as lines", load: () => import("./submit.ts") },
  recovery: {
    measures: "kill -9 of a worker with up to 200 running jobs: time, lost jobs, jobs that ran twice",
    load: () => import("./recovery.ts"),
  },
  scale: {
    measures: "counts and a page of a batch by number of rows; the bus with 1 to 800 receivers",
    load: () => import("./scale.ts"),
  },
  operations: {
    measures: "requests and messages per job, counted on the wire: single, bulk, retry, timer, an idle hour",
    load: () => import("./operations.ts"),
  },
  footprint: {
    measures: "start until user code runs, memory of each process, sizes of bundles, client and installation",
    load: () => import("./footprint.ts"),
  },
  floor: {
    measures: "the bare calls behind a job, with the same SDKs: what remains if our own code takes no time",
    load: () => import("./floor.ts"),
  },
  peers: {
    measures: "this system, its floor, BullMQ, pg-boss and graphile-worker in turn; writes docs/performance.md",
    load: () => import("./peers/peers.ts"),
  },
  api: { measures: "the web API under mixed load of 64 connections", load: () => import("./api.ts") },
  bus: { measures: "the local Service Bus alone", load: () => import("./bus.ts") },
  events: {
    measures: "memory of followers of events, and the time until all of them know",
    load: () => import("./events.ts"),
  },
  pages: {
    measures:
      "the dashboard: from the end of a job to its page, CPU of the API with 50 pages open (needs Chromium and Linux)",
    load: () => import("./pages.ts"),
  },
  scheduler: {
    measures: "CPU time of the scheduler with the maximum number of timers",
    load: () => import("./scheduler.ts"),
  },
};

/** Of the usual numbers. */
const QUICK_SHARE = 0.1;
const ROWS = [1_000, 10_000, 100_000];

const HELP = `Usage: npm run bench -- <suite> [options]

Suites
${Object.entries(SUITES)
  .map(([name, { measures }]) => `  ${name.padEnd(12)}${measures}`)
  .join("\n")}

Options
  --rounds <n>  repeats the suite and prints medians and ranges (default 1, of peers 3)
  --rows <n>    of suite scale: numbers of rows, with commas (default ${ROWS.join(",")}; 1000000 takes ten minutes more)
  --quick       small numbers, to see that everything runs; peers then leaves docs/performance.md as it is
  --json        prints one object on the last line of stdout, and nothing else there
  --help        prints this text

Every suite starts what it needs on free ports of this machine, in folders of its own, and removes it. Other programs on the
machine change the figures: compare only what was measured in the same run.`;

class UsageError extends Error {}

interface Wanted {
  readonly name: string;
  readonly entry: Entry;
  readonly json: boolean;
  readonly options: Options;
}

/** Undefined: only help is wanted. Throws UsageError. */
function read(args: readonly string[]): Wanted | undefined {
  const { values, positionals } = parsed(args);
  if (values.help === true) return undefined;
  const [name, ...more] = positionals;
  const entry = name !== undefined && Object.hasOwn(SUITES, name) ? SUITES[name] : undefined;
  if (name === undefined || entry === undefined) {
    const found = name === undefined ? "No suite is named." : `There is no suite ${name}.`;
    throw new UsageError(`${found} Name one of: ${Object.keys(SUITES).join(", ")}.`);
  }
  if (more.length > 0) throw new UsageError(`Name one suite only, not also ${more.join(" and ")}.`);
  const quick = values.quick === true;
  const rows = values.rows === undefined ? ROWS : values.rows.split(",").map((text) => wholeNumber(text, "--rows"));
  const rounds = values.rounds === undefined ? (name === "peers" ? 3 : 1) : wholeNumber(values.rounds, "--rounds");
  return { name, entry, json: values.json === true, options: { quick, share: quick ? QUICK_SHARE : 1, rows, rounds } };
}

function parsed(args: readonly string[]) {
  const flag = { type: "boolean" } as const;
  const text = { type: "string" } as const;
  const options = { help: flag, json: flag, quick: flag, rows: text, rounds: text };
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`${option} expects whole numbers from 1, not ${text}.`);
  return value;
}

const shown = (value: number): string => value.toLocaleString("en", { maximumSignificantDigits: 6 });

async function run({ name, entry, json, options }: Wanted): Promise<void> {
  keepLoopbackDirect();
  const suite = await entry.load();
  const summaries = createSummaries();
  // The suite peers mixes its rounds itself.
  const rounds = name === "peers" ? 1 : options.rounds;
  const report = (figure: Figure): void => {
    summaries.add(figure);
    if (!json) console.log(`${figure.name.padEnd(72)} ${shown(figure.value)} ${figure.unit}`);
  };
  for (let round = 1; round <= rounds; round++) {
    if (rounds > 1 && !json) console.log(`\nRound ${round}`);
    await suite.run(report, options);
  }
  const figures = summaries.all();
  if (json) console.log(JSON.stringify({ suite: name, node: process.version, rounds: options.rounds, figures }));
  else if (figures.some((figure) => figure.rounds > 1)) {
    console.log("\nMedians (lowest to highest)");
    for (const { name: what, median, low, high, unit } of figures) {
      console.log(`${what.padEnd(72)} ${shown(rounded(median))} ${unit} (${shown(low)} to ${shown(high)})`);
    }
  }
}

try {
  const wanted = read(process.argv.slice(2));
  if (wanted === undefined) console.log(HELP);
  else await run(wanted);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message} See npm run bench -- --help.`);
  process.exitCode = 2;
}
