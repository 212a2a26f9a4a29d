/** `npm run chaos -- engine --seed 1 --jobs 200 --kills 5 --json`. See docs/chaos.md. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type ChaosResult, runChaos } from "./run.ts";

interface EngineOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly kills: number;
  readonly faults: number | undefined;
  readonly workers: number;
  readonly controls: boolean;
  readonly json: boolean;
  readonly keep: boolean;
}

const atLeast =
  (min: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min}.`);
  };

const command = new Command("npm run chaos -- engine")
  .description(
    "Kills and pauses programs of the local stack and breaks its connections, while jobs run and callers cancel and requeue. Then checks every write.",
  )
  .addOption(new Option("--seed <number>", "seed of the jobs and the faults").argParser(atLeast(0)).default(1))
  .addOption(new Option("--jobs <count>").argParser(atLeast(1)).default(200))
  .addOption(
    new Option("--kills <count>", "number of kills; there are half as many pauses").argParser(atLeast(0)).default(5),
  )
  .addOption(
    new Option("--faults <count>", "number of network faults; default: as many as kills").argParser(atLeast(0)),
  )
  .addOption(new Option("--workers <count>").argParser(atLeast(1)).default(3))
  .addOption(
    new Option(
      "--controls",
      "limits by key, pauses and three tenants; kills only, and no network faults unless --faults is given",
    ).default(false),
  )
  .addOption(
    new Option("--json", "print one JSON object on standard output, and all else on standard error").default(false),
  )
  .addOption(new Option("--keep", "keep the run's folder even if all checks pass").default(false));

export async function run(): Promise<void> {
  command.parse(process.argv.slice(3), { from: "user" });
  const options = command.opts<EngineOptions>();
  const directory = await mkdtemp(join(tmpdir(), "jobyard-chaos-"));
  const startedAt = performance.now();
  const elapsed = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s`;
  const say = (line: string): void => console.error(`${elapsed()}  ${line}`);
  say(`seed ${options.seed}; all files are in ${directory}`);

  const result = await runChaos({
    seed: options.seed,
    jobCount: options.jobs,
    killCount: options.kills,
    faultCount: options.faults ?? (options.controls ? 0 : options.kills),
    controls: options.controls,
    workerCount: options.workers,
    directory,
    onProgress: say,
  });
  const report = {
    ...reportOf(result),
    seed: options.seed,
    seconds: Math.round((performance.now() - startedAt) / 1_000),
  };
  console.log(options.json ? JSON.stringify(report) : JSON.stringify(report, null, 2));
  const wrong = Object.entries({ ...result.verdict, unexpectedEndings: result.unexpectedEndings }).flatMap(
    ([rule, sentences]) => sentences.map((sentence) => `${rule}: ${sentence}`),
  );
  if (wrong.length === 0 && !options.keep) {
    await rm(directory, { recursive: true, force: true });
    return;
  }
  await writeFile(join(directory, "findings.txt"), wrong.join("\n"));
  say(`kept: ${directory}`);
  if (wrong.length > 0) throw new Error(`Checks failed:\n${wrong.slice(0, 20).join("\n")}`);
}

const reportOf = (result: ChaosResult) => {
  const { jobs, verdict, measures, unexpectedEndings, commands, inflicted, networkFaults, held, writes } = result;
  const inState = (state: string): number => jobs.filter((job) => job.state === state).length;
  return {
    jobs: jobs.length,
    succeeded: inState("succeeded"),
    failed: inState("failed"),
    canceled: inState("canceled"),
    ...Object.fromEntries(
      Object.entries<readonly string[]>({ ...verdict }).map(([rule, sentences]) => [rule, sentences.length]),
    ),
    unexpectedEndings: unexpectedEndings.length,
    ...measures,
    cancels: commands.filter(({ kind }) => kind === "cancel").length,
    requeues: commands.filter(({ kind }) => kind === "requeue").length,
    reschedules: commands.filter(({ kind }) => kind === "reschedule").length,
    heldPauses: held.length,
    repeatedRequests: commands.reduce((sum, { triedAt }) => sum + triedAt.length - 1, 0),
    networkFaults: networkFaults.length,
    kills: inflicted.filter(({ injury }) => injury.kind === "kill").length,
    pauses: inflicted.filter(({ injury }) => injury.kind === "pause").length,
    recordedWrites: writes,
  };
};
