/** `npm run chaos -- timers --seed 1 --timers 60 --seconds 300 --json`. See docs/chaos.md. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { measureTimers } from "./measure.ts";
import { runTimers, type TimersOptions, type TimersResult } from "./run.ts";

interface Options {
  readonly seed: number;
  readonly timers: number;
  readonly seconds: number;
  readonly misfireSeconds: number;
  readonly kills: number;
  readonly json: boolean;
  readonly keep: boolean;
}

const atLeast =
  (min: number, otherwise?: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && (value >= min || value === otherwise)) return value;
    throw new InvalidArgumentError(
      `It must be a whole number from ${min}${otherwise === undefined ? "" : `, or ${otherwise}`}.`,
    );
  };

const OUTAGE_MS = 30_000;
/** The shortest period that may be set. */
const HORIZON_SECONDS = 30;
/** The length of the second part: time to start, an outage of twice the horizon, and time to recover. */
const MISFIRE_SECONDS_MIN = 90;
const HANG_MS = { min: 10_000, max: 60_000 };

const command = new Command("npm run chaos -- timers")
  .description(
    "Kills workers and APIs of the local stack while timers tick, stops all schedulers for a while, and lets one timer hang. Then checks the outcome of every due tick. A second part stops the schedulers for longer than ticks are sent ahead.",
  )
  .addOption(new Option("--seed <number>", "seed of the timers and the kills").argParser(atLeast(0)).default(1))
  .addOption(new Option("--timers <count>").argParser(atLeast(2)).default(60))
  .addOption(new Option("--seconds <count>", "length of the first part").argParser(atLeast(30)).default(300))
  .addOption(
    new Option("--misfire-seconds <count>", "length of the second part; 0: none")
      .argParser(atLeast(MISFIRE_SECONDS_MIN, 0))
      .default(120),
  )
  .addOption(
    new Option("--kills <count>", "number of kills of workers and APIs, in each part").argParser(atLeast(0)).default(8),
  )
  .addOption(
    new Option("--json", "print one JSON object on standard output, and all else on standard error").default(false),
  )
  .addOption(new Option("--keep", "keep the run's folder even if all checks pass").default(false));

export async function run(): Promise<void> {
  command.parse(process.argv.slice(3), { from: "user" });
  const { seed, timers: timerCount, seconds, misfireSeconds, kills, json, keep } = command.opts<Options>();
  const directory = await mkdtemp(join(tmpdir(), "jobyard-chaos-"));
  const startedAt = performance.now();
  const elapsed = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s`;
  const say = (line: string): void => console.error(`${elapsed()}  ${line}`);
  say(`seed ${seed}; all files are in ${directory}`);

  const part = (name: string, lastsMs: number, rest: Pick<TimersOptions, "outage" | "horizonSeconds">) =>
    runTimers({
      ...{ seed, timerCount, lastsMs, killCount: kills, ...rest },
      hangMs: Math.min(HANG_MS.max, Math.max(HANG_MS.min, lastsMs / 5)),
      directory: join(directory, name),
      onProgress: (line) => say(`${name}: ${line}`),
    });
  const firstMs = seconds * 1_000;
  const forMs = Math.min(OUTAGE_MS, firstMs / 4);
  const first = await part("ahead", firstMs, {
    outage: { afterMs: firstMs / 2, forMs },
    horizonSeconds: undefined,
  });
  const secondMs = misfireSeconds * 1_000;
  const second =
    misfireSeconds === 0
      ? undefined
      : await part("misfire", secondMs, {
          outage: { afterMs: secondMs / 6, forMs: 2 * HORIZON_SECONDS * 1_000 },
          horizonSeconds: HORIZON_SECONDS,
        });

  const parts = [first, ...(second ? [second] : [])];
  const report = {
    ...violationsOf(parts),
    ...measureTimers(first),
    ...(second && { misfire: measureTimers(second) }),
    seed,
    seconds: Math.round((performance.now() - startedAt) / 1_000),
  };
  console.log(json ? JSON.stringify(report) : JSON.stringify(report, null, 2));
  const wrong = parts.flatMap(({ verdict }) =>
    Object.entries(verdict).flatMap(([rule, sentences]) => sentences.map((sentence) => `${rule}: ${sentence}`)),
  );
  if (wrong.length === 0 && !keep) {
    await rm(directory, { recursive: true, force: true });
    return;
  }
  await writeFile(join(directory, "findings.txt"), wrong.join("\n"));
  say(`kept: ${directory}`);
  if (wrong.length > 0) throw new Error(`Checks failed:\n${wrong.slice(0, 20).join("\n")}`);
}

function violationsOf(parts: readonly TimersResult[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { verdict } of parts)
    for (const [rule, sentences] of Object.entries(verdict)) sums[rule] = (sums[rule] ?? 0) + sentences.length;
  return sums;
}
