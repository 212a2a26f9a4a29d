/**
 * One run of timers: starts the local stack with several APIs and workers, publishes the timers, disturbs the stack
 * while they tick, pauses them, reads the results, and lets the checker judge it.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connectStorage, provisionStorage } from "../../../runtime/azure/index.ts";
import { JobServiceClient } from "../../../runtime/client/index.ts";
import { DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { openHome } from "../../../runtime/local/home.ts";
import { ADMIN_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import { signInAs } from "../../../runtime/local/identity/issuer-client.ts";
import { startStack, type Stack } from "../../../runtime/local/stack.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { counterMismatch, doubleCompletions } from "../engine/check-batches.ts";
import { doubleTerminal, lostJobs, staleWrites } from "../engine/check-jobs.ts";
import { createInjurer } from "../engine/injurer.ts";
import { readRecords } from "../engine/record-file.ts";
import { replay } from "../engine/replay.ts";
import { judgeTimers } from "./checker.ts";
import type { TimerFacts } from "./facts.ts";
import { createObserver, type Observed } from "./observe.ts";
import { declareOutage } from "./outage.ts";
import { describeBlow, planBlows, type Blow } from "./plan.ts";
import { setClock } from "./wrong-clock.ts";
import { PACKAGE_NAME, planTimers, readNotes, startNotes, TENANT, timerPackage } from "./workload.ts";

export interface TimersOptions {
  readonly seed: number;
  readonly timerCount: number;
  readonly lastsMs: number;
  readonly killCount: number;
  readonly outage: { readonly afterMs: number; readonly forMs: number };
  /** How far ticks are sent ahead. Undefined: the default. */
  readonly horizonSeconds: number | undefined;
  /** The duration of the timer that hangs. */
  readonly hangMs: number;
  readonly directory: string;
  readonly onProgress: (line: string) => void;
}

export interface TimersResult {
  /** Sentences by rule. */
  readonly verdict: Readonly<Record<string, readonly string[]>>;
  readonly facts: TimerFacts;
  readonly writes: number;
}

const LOCK_MS = 5_000;
const DRAIN_MS = 5_000;
const SLOTS = 8;
const API_COUNT = 3;
const WORKER_COUNT = 4;
const REQUESTS_PER_MINUTE = 100_000;
/** A killed worker's runs return after its lock, and a restarted program needs time on a busy machine. */
const PATIENCE_MS = 30_000;
/** If nothing changes for this long, the open runs stay open. */
const STALLED_AFTER_MS = 90_000;
const LOOK_EVERY_MS = 1_000;
/** A token is renewed before this age. */
const TOKEN_MS = 60_000;
const TELL_EVERY_MS = 20_000;

export async function runTimers(options: TimersOptions): Promise<TimersResult> {
  await mkdir(options.directory, { recursive: true });
  const home = await openHome(options.directory);
  const stack = await startStack({
    home,
    apiPort: 0,
    apis: API_COUNT,
    identityPort: 0,
    pools: new Map([[DEFAULT_POOL, WORKER_COUNT]]),
    slots: SLOTS,
    lockMs: LOCK_MS,
    drainMs: DRAIN_MS,
    requestsPerMinute: REQUESTS_PER_MINUTE,
    ...(options.horizonSeconds !== undefined && { tickHorizonSeconds: options.horizonSeconds }),
    launcher: fileURLToPath(import.meta.resolve("./launcher.ts")),
    environment: process.env,
    onRestart: (name, how) => options.onProgress(`${name} ended (${how}); starting it again`),
    provision: (storage) => provisionStorage(connectStorage({ kind: "connection-string", storage })),
  });
  try {
    const notesFile = join(home.directory, "notes.jsonl");
    const carried = await carryOut(stack, home.directory, notesFile, options);
    await stack.stop();
    const records = await readRecords(home.storage);
    const history = replay(records);
    const facts: TimerFacts = {
      ...carried.facts,
      moves: history.changes.map(({ at, jobId, after }) => ({
        ...{ at, jobId, state: after.state, claimId: after.claimId, worker: after.claimWorker },
      })),
      notes: readNotes(notesFile),
    };
    const engineFacts = { accepted: [], commands: [], ...carried.rows };
    return {
      verdict: {
        ...judgeTimers(facts),
        lost: lostJobs(history, engineFacts),
        doubleTerminal: doubleTerminal(history, engineFacts),
        staleWrites: staleWrites(history),
        counterMismatch: counterMismatch(history, engineFacts),
        doubleCompletions: doubleCompletions(history),
      },
      facts,
      writes: records.length,
    };
  } finally {
    stack.kill();
    home.release();
  }
}

interface Carried {
  readonly facts: Omit<TimerFacts, "moves" | "notes">;
  readonly rows: Observed["rows"];
}

/** From publishing the timers until the last of their runs has ended, or nothing changes any more. */
async function carryOut(
  stack: Stack,
  directory: string,
  notesFile: string,
  { seed, timerCount, lastsMs, killCount, outage, horizonSeconds, hangMs, onProgress }: TimersOptions,
): Promise<Carried> {
  const random = seededRandom(seed);
  const planned = planTimers(random.fork(), timerCount);
  const workers = Array.from({ length: WORKER_COUNT }, (_, index) => `worker-${index + 1}`);
  const apis = Array.from({ length: API_COUNT }, (_, index) => (index === 0 ? "api" : `api-${index + 1}`));
  const blows = planBlows(random.fork(), { lastsMs, killCount, outage, workers, apis });

  const authorize = signInAs(ADMIN_APPLICATION, stack.issuer);
  const credential = {
    getToken: async () => {
      const header = await authorize();
      return { token: header.replace(/^Bearer /, ""), expiresOnTimestamp: Date.now() + TOKEN_MS };
    },
  };
  const client = new JobServiceClient(stack.apiUrl, { credential });
  startNotes(notesFile);
  await client.management.createTenant(TENANT);
  await client.management.publishPackage(TENANT, PACKAGE_NAME, timerPackage(planned, notesFile, hangMs));
  await using observer = await createObserver(stack, planned);
  const injurer = createInjurer(stack.supervisor);
  const poisoned: string[] = [];
  const startedAt = performance.now();
  const since = (): number => performance.now() - startedAt;
  onProgress(`${planned.length} timers are registered`);

  async function strike(blow: Blow): Promise<void> {
    onProgress(describeBlow(blow));
    switch (blow.kind) {
      case "kill":
        injurer.inflict({ afterShare: 0, program: blow.program, injury: { kind: "kill" } });
        return;
      case "outage":
        await declareOutage(directory, Date.now() + blow.forMs);
        for (const program of apis) injurer.inflict({ afterShare: 0, program, injury: { kind: "kill" } });
        return;
      case "clock":
        await setClock(directory, blow.program, blow.aheadMs);
        return;
      case "poison":
        poisoned.push(...(await observer.poison(planned[1] ?? planned[0]!)));
    }
  }

  let toldAt = 0;
  const waiting = [...blows];
  while (since() < lastsMs) {
    while (waiting[0] !== undefined && waiting[0].afterMs <= since()) await strike(waiting.shift()!.blow);
    if (since() - toldAt > TELL_EVERY_MS) {
      toldAt = since();
      onProgress(`${readNotes(notesFile).filter(({ kind }) => kind === "start").length} starts`);
    }
    await pause(LOOK_EVERY_MS / 4);
  }
  await injurer.done();
  const endAt = Date.now();
  onProgress("waiting for the last due ticks");
  await untilDone(() => observer.openTicks(endAt), "ticks", onProgress);
  await Promise.all(planned.map(({ name }) => client.timers.pause({ ...PLACE, timerName: name })));
  onProgress("waiting for the last runs");
  await untilDone(() => observer.openJobs(), "jobs", onProgress);

  const { timers, subscriptions, deadLetters, rows } = await observer.look();
  return {
    facts: {
      ...{ timers, subscriptions, workers, endAt },
      // While ticks are not sent far enough ahead, no timer gets its turn.
      patienceMs: PATIENCE_MS + (horizonSeconds === undefined ? 0 : outage.forMs),
      poison: { sent: poisoned, deadLetters },
      mustMiss: horizonSeconds !== undefined && outage.forMs > horizonSeconds * 1_000,
    },
    rows,
  };
}

const PLACE = { tenantName: TENANT, packageName: PACKAGE_NAME } as const;

/** Until nothing is open, or nothing changes any more. The checker then reports the problem. */
async function untilDone(
  countOpen: () => Promise<number>,
  what: string,
  onProgress: (line: string) => void,
): Promise<void> {
  let fewest = Number.POSITIVE_INFINITY;
  let movedAt = performance.now();
  for (;;) {
    const open = await countOpen();
    if (open === 0) return;
    if (open < fewest) movedAt = performance.now();
    fewest = Math.min(fewest, open);
    if (performance.now() - movedAt > STALLED_AFTER_MS) {
      onProgress(`${open} ${what} have not ended for ${STALLED_AFTER_MS / 1_000} s; giving up`);
      return;
    }
    await pause(LOOK_EVERY_MS);
  }
}
