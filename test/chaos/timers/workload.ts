/** The timers of a run: a package written by hand. Its jobs only record when they began and when they ended. */
import { appendFileSync, readFileSync } from "node:fs";
import type { ManifestTimer, Misfire, Overlap } from "../../../runtime/core/package/manifest.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { buildZip } from "../../support/packages/zip-builder.ts";
import type { Note } from "./facts.ts";

export const TENANT = "chaos";
export const PACKAGE_NAME = "chaos-timers.zip";

export interface PlannedTimer {
  readonly name: string;
  readonly periodMs: number;
  readonly cron: string;
  readonly overlap: Overlap;
  readonly misfire: Misfire;
  readonly graceSeconds: number;
  readonly hangs: boolean;
  /** The duration of a run, and of every fourth one. */
  readonly workMs: number;
  readonly longWorkMs: number;
}

const PERIOD_MIN_S = 5;
const PERIOD_MAX_S = 60;
/** With more ticks a second, the laptop would be the bottleneck. */
const RATE_MAX = 8;
const GRACES_SECONDS = [5, 10, 60] as const;
/** In turns. Most timers have the default. */
const MODES: readonly (readonly [Overlap, Misfire])[] = [
  ["skip", "once"],
  ["queue", "once"],
  ["skip", "once"],
  ["skip", "skip"],
  ["skip", "once"],
  ["allow", "once"],
  ["skip", { all: 3 }],
  ["skip", "once"],
  ["queue", { all: 5 }],
  ["skip", "once"],
];
/** One timer of this many has runs that sometimes take longer than its period, unless that is long. */
const TIMERS_PER_SLOW = 3;
const SLOW_PERIOD_MAX_S = 20;
const SLOW_FACTOR = 1.5;

export function planTimers(random: SeededRandom, count: number): readonly PlannedTimer[] {
  const timers: PlannedTimer[] = [];
  let rate = 0;
  for (let index = 0; index < count; index++) {
    const hangs = index === 0;
    const [overlap, misfire] = hangs ? (["skip", "once"] as const) : MODES[index % MODES.length]!;
    const drawn = Math.round(PERIOD_MIN_S * (PERIOD_MAX_S / PERIOD_MIN_S) ** random.next());
    const period = hangs ? PERIOD_MIN_S : rate + 1 / drawn > RATE_MAX ? PERIOD_MAX_S : drawn;
    rate += 1 / period;
    const workMs = Math.round(20 + 480 * random.next());
    const isSlow = index % TIMERS_PER_SLOW === 1 && period <= SLOW_PERIOD_MAX_S;
    timers.push({
      name: hangs ? "Hangs" : `T${String(index).padStart(2, "0")}`,
      periodMs: period * 1_000,
      cron: 60 % period === 0 && period < 60 && random.chance(0.5) ? `*/${period} * * * * *` : spanOf(period),
      ...{ overlap, misfire, hangs, workMs },
      graceSeconds: random.pick(GRACES_SECONDS),
      longWorkMs: isSlow ? SLOW_FACTOR * period * 1_000 : workMs,
    });
  }
  return timers;
}

const spanOf = (seconds: number): string => (seconds === 60 ? "00:01:00" : `00:00:${String(seconds).padStart(2, "0")}`);

/** Notes go to one file, a line at a time. */
export function timerPackage(
  timers: readonly PlannedTimer[],
  notesFile: string,
  hangMs: number,
): Uint8Array<ArrayBuffer> {
  const manifest = {
    manifestVersion: 1,
    name: "chaos-timers",
    platform: "any",
    jobs: timers.map(({ name, hangs }) => ({
      jobType: name,
      entry: { kind: "module", file: "main.mjs", export: name },
      retry: { maxAttempts: 1 },
      // A run that exceeds its time ends its process too.
      ...(hangs ? { timeoutMs: hangMs } : { isolation: "reuse" }),
    })),
    timers: timers.map(({ name, cron, overlap, misfire, graceSeconds }): ManifestTimer => ({
      ...{ timerName: name, cron, overlap, misfire, graceSeconds },
    })),
  };
  const work = Object.fromEntries(
    timers.map(({ name, periodMs, hangs, workMs, longWorkMs }) => [name, { periodMs, hangs, workMs, longWorkMs }]),
  );
  const source = [
    `import { appendFileSync } from "node:fs";`,
    `const WORK = ${JSON.stringify(work)};`,
    `const NOTES = ${JSON.stringify(notesFile)};`,
    SOURCE,
    ...timers.map(({ name }) => `export const ${name} = declare("${name}");`),
  ];
  return new Uint8Array(
    buildZip([
      { name: "job.json", content: JSON.stringify(manifest) },
      { name: "main.mjs", content: source.join("\n") },
    ]),
  );
}

/** `declare` sets the mark by which the runtime recognises a declared job (runtime/job-sdk/define-job.ts). */
const SOURCE = `
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function run({ jobId, claimId, jobType: timer, fence, parameters }) {
  const scheduledAt = Date.parse(parameters.scheduledAt);
  const note = (kind) =>
    appendFileSync(NOTES, JSON.stringify({ kind, at: Date.now(), timer, jobId, claimId, fence, scheduledAt }) + "\\n");
  const { periodMs, hangs, workMs, longWorkMs } = WORK[timer];
  note("start");
  for (; hangs; ) await sleep(60_000);
  await sleep((scheduledAt / periodMs) % 4 === 0 ? longWorkMs : workMs);
  note("end");
}
const declare = (jobType) =>
  Object.defineProperty({ jobType, run, retry: undefined, timeoutMs: undefined }, Symbol.for("jobyard.job"), { value: 1 });
`;

export function readNotes(file: string): readonly Note[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Note);
}

/** The file must exist before the first job. */
export const startNotes = (file: string): void => appendFileSync(file, "");
