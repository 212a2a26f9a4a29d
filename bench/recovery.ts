/**
 * Kills a worker that runs as many jobs as it can: jobs that sleep two seconds, one worker of 200 slots, default settings
 * (locks of 60 s), restarted at once by its supervisor. Jobs write down their starts and ends themselves, so that the
 * system is judged from outside.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "../runtime/local/stack.ts";
import { testPackage } from "../test/support/packages/test-package.ts";
import {
  endedJobs,
  type Isolation,
  ISOLATIONS,
  jobOf,
  packageFor,
  pidOf,
  prepare,
  publish,
  submitMany,
  TENANT,
  withStack,
} from "./stack.ts";
import { type Options, type Report, until } from "./suite.ts";

const FULL = { jobs: 600, slots: 200, sleepMs: 2_000 };
const QUICK = { jobs: 60, slots: 20, sleepMs: 1_000 };
type Size = typeof FULL;

/** At the journal, before the kill: the system is not asked. */
const WATCH_EVERY_MS = 50;
/** All slots are rarely taken: some jobs are always ending or starting. */
const ENOUGH = 0.95;
/** If the number has not grown for so long, the worker starts jobs no faster than they end. */
const PEAK_OVER_AFTER_MS = 700;

export async function run(report: Report, { quick }: Options): Promise<void> {
  for (const isolation of ISOLATIONS) await measureRecovery(isolation, quick ? QUICK : FULL, report);
}

async function measureRecovery(isolation: Isolation, size: Size, report: Report): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "jobyard-bench-"));
  const journal = join(directory, "journal");
  try {
    const killed = await withStack({ workers: 1, slots: size.slots }, (stack) =>
      killInTheMiddle(stack, isolation, size, journal),
    );
    const { starts, ends } = await readJournal(journal);
    const tell = (name: string, value: number, unit: string): void =>
      report({ name: `${isolation}: ${name}`, value, unit });
    tell("jobs in flight at the kill", inFlightAt(killed.at, { starts, ends }), "jobs");
    tell(`kill until all ${size.jobs} jobs have ended`, Math.round(killed.doneAt - killed.at), "ms");
    const next = starts.map(({ at }) => at).filter((at) => at > killed.at);
    tell("kill until the next job starts", Math.round(Math.min(...next) - killed.at), "ms");
    tell("jobs interrupted and run again", killed.interruptedCount, "jobs");
    tell("jobs lost", size.jobs - new Set(ends.map(({ job }) => job)).size, "jobs");
    tell("jobs finished twice", ends.length - new Set(ends.map(({ job }) => job)).size, "jobs");
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Killed {
  readonly at: number;
  readonly doneAt: number;
  readonly interruptedCount: number;
}

async function killInTheMiddle(stack: Stack, isolation: Isolation, size: Size, journal: string): Promise<Killed> {
  const { client, call } = await prepare(stack);
  const note = (what: string): string =>
    `fs.appendFileSync(${JSON.stringify(journal)}, "${what} " + job.jobId + " " + Date.now() + "\\n");`;
  const sleep = `await new Promise((resolve) => setTimeout(resolve, ${size.sleepMs}));`;
  const jobs = { Nothing: [note("start"), sleep, note("end")].join("\n") };
  await publish(stack, packageFor(isolation), testPackage({ jobs, isolation }));
  const batchId = await client.management.createBatch({ tenantName: TENANT, batchName: "Recovery" });
  await submitMany(call, batchId, jobOf("Nothing", isolation), size.jobs);

  let peak = 0;
  let peakAt = performance.now();
  const isTime = async (): Promise<boolean> => {
    const running = inFlightAt(Date.now(), await readJournal(journal));
    if (running > peak) [peak, peakAt] = [running, performance.now()];
    return running >= ENOUGH * size.slots || (peak > 0 && performance.now() - peakAt > PEAK_OVER_AFTER_MS);
  };
  await until("enough jobs run", isTime, WATCH_EVERY_MS);
  process.kill(pidOf(stack, "worker-1"), "SIGKILL");
  const at = Date.now();
  const ended = await endedJobs(client, batchId, size.jobs);
  const doneAt = Math.max(...ended.map(({ endedAt }) => Date.parse(endedAt ?? "")));
  return { at, doneAt, interruptedCount: ended.filter(({ interruptions }) => interruptions > 0).length };
}

interface Noted {
  readonly job: string;
  readonly at: number;
}

interface Journal {
  readonly starts: readonly Noted[];
  readonly ends: readonly Noted[];
}

/** Empty as long as no job has started. */
async function readJournal(file: string): Promise<Journal> {
  const lines = existsSync(file) ? (await readFile(file, "utf8")).trim().split("\n") : [];
  const of = (kind: string): readonly Noted[] =>
    lines
      .map((line) => line.split(" "))
      .filter(([what]) => what === kind)
      .map(([, job = "", at = ""]) => ({ job, at: Number(at) }));
  return { starts: of("start"), ends: of("end") };
}

/** Started before, and not ended before. */
function inFlightAt(at: number, { starts, ends }: Journal): number {
  const ended = new Set(ends.filter((end) => end.at <= at).map(({ job }) => job));
  const started = new Set(starts.filter((start) => start.at <= at).map(({ job }) => job));
  return [...started].filter((job) => !ended.has(job)).length;
}
