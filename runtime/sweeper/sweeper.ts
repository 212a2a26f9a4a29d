/**
 * The sweeper: one process at a time, elected by a lease, compares rows and messages every half minute. It is needed for
 * lost sends, purged queues and dead letters only. Crashes are repaired by redelivery.
 */
import { DEFAULT_POOL, jobQueueName } from "../core/deployment/topology.ts";
import { messageOf } from "../core/errors.ts";
import { unlessUnreadable } from "../core/unreadable.ts";
import { keysExpireBefore } from "../core/job/keys.ts";
import { PRIORITIES } from "../core/job/priority.ts";
import type { Logger } from "../core/logger.ts";
import type { JobIndex } from "../core/ports/job-index.ts";
import type { KeyStore } from "../core/ports/key-store.ts";
import type { LeaderLease } from "../core/ports/worker-store.ts";
import type { AuditSweep } from "./sweep-audit.ts";
import { type EndedBatches, type SweepBatchesDeps, sweepBatches } from "./sweep-batches.ts";
import { createIndexRepair } from "./repair-index.ts";
import type { ForgetSweep } from "./forget/forget-sweep.ts";
import type { NoteRepairs } from "./note-repairs.ts";
import type { LineSweep } from "./sweep-lines.ts";
import type { UniqueKeySweep } from "./sweep-unique-keys.ts";
import { createQueueAges } from "./queue-ages.ts";
import { createQueueGauges, type QueueMetrics } from "./queue-gauges.ts";
import { type DeadLetterPositions, type SweepDeadLettersDeps, sweepDeadLetters } from "./sweep-dead-letters.ts";
import type { Clock } from "../core/clock.ts";

export interface SweeperDeps extends SweepBatchesDeps, SweepKeysDeps {
  /** Removes what is due. Default: everything is kept. */
  readonly forget?: ForgetSweep | undefined;
  readonly lease: LeaderLease;
  /** Makes the registered timers what packages declare, while `isLeader`. Throws UnavailableError. Default: nothing. */
  readonly reconcileTimers?: ((isLeader: () => Promise<boolean>) => Promise<void>) | undefined;
  /** Removes expired entries of the audit. Default: nothing. */
  readonly auditSweep?: AuditSweep | undefined;
  /** Where missing jobs are noted. Default: nothing is looked for. */
  readonly index?: Pick<JobIndex, "write"> | undefined;
  /** Removes holds on unique keys that are over. Default: nothing. */
  readonly uniqueKeySweep?: UniqueKeySweep | undefined;
  /** Removes lines of limits in which nobody stands. Default: nothing. */
  readonly lineSweep?: LineSweep | undefined;
  /** Tells webhooks of missed ticks and full quotas. Never throws. Default: nothing. */
  readonly announceOthers?: (() => Promise<void>) | undefined;
  /** Counts what tenants have stored. Default: nothing. */
  readonly countStored?: (() => Promise<void>) | undefined;
  /** Records what a round has repaired. Default: only the log has it. */
  readonly noteRepairs?: NoteRepairs | undefined;
  /** Notes that a round has ended. Default: it is not noted. */
  readonly noteSwept?: (() => Promise<void>) | undefined;
  /** The worker pools there are. */
  readonly pools: readonly string[];
  readonly metrics: QueueMetrics;
  readonly log: Logger;
}

interface Sweeper {
  /** One round, if this process leads. Throws UnavailableError. */
  sweep(): Promise<void>;
  /** Shows no metrics any more. */
  stop(): void;
}

const SWEEP_EVERY_MS = 30_000;
/** Slow storage alone does not end it. */
export const SWEEPER_LEASE_MS = 30_000;
/** One round of so many also searches busy batches. */
const THOROUGH_EVERY = 10;
/** One round of so many looks how long jobs wait: once a minute. */
const AGES_EVERY = 2;
/** One round of so many decides about all dead letters again, because they get older: once an hour. */
const LETTERS_AGAIN_EVERY = 120;
/**
 * One round of so many, from the first, checks that timers are registered as packages declare them, and tells of ticks that they
 * have missed.
 */
const TIMERS_EVERY = 6;

function createSweeper(deps: SweeperDeps): Sweeper {
  const positions: DeadLetterPositions = new Map();
  const endedBatches: EndedBatches = new Map();
  const keySweep = createKeySweep(deps);
  const queueAges = createQueueAges(deps);
  const gauges = createQueueGauges(deps.metrics);
  let round = 0;
  return {
    stop: () => gauges.stop(),
    async sweep() {
      try {
        if (!(await sweepAsLeader())) gauges.clear();
      } catch (error) {
        // What was seen before may be long past when a round succeeds again.
        gauges.clear();
        throw error;
      }
    },
  };

  /** A round that cannot be noted was a round all the same. */
  async function noteSwept(): Promise<void> {
    try {
      await deps.noteSwept?.();
    } catch (error) {
      deps.log.warn({ error: messageOf(error) }, "the end of a sweep could not be noted");
    }
  }

  /** False: another process leads. */
  async function sweepAsLeader(): Promise<boolean> {
    // Throws when this clock is wrong: every worker would seem silent. The lease ends, and another process leads.
    deps.now();
    if (!(await deps.lease.hold())) return false;
    const current = round++;
    const thorough = current % THOROUGH_EVERY === 0;
    const swept = await sweepBatches(deps, { thorough, endedBatches });
    const { bellsSent, handedBack, canceled, pools, isIdle } = swept;
    const shown = gauges.show(swept.queuedCounts, swept.silentCounts);
    const { forget } = deps;
    if (forget !== undefined && current % LETTERS_AGAIN_EVERY === 0) positions.clear();
    const letterDeps: SweepDeadLettersDeps = { ...deps, isLetterDue: forget?.isLetterDue };
    let deadLettersRemoved = 0;
    // A dead letter matters while its job is open.
    for (const pool of isIdle && !thorough ? [] : new Set([DEFAULT_POOL, ...pools])) {
      for (const priority of PRIORITIES) {
        // Another process may lead by now. Repairs by both are harmless, but there is no need to go on.
        if (!(await deps.lease.hold())) return false;
        deadLettersRemoved += await sweepDeadLetters(jobQueueName(pool, priority), positions, letterDeps);
      }
    }
    const { reconcileTimers } = deps;
    if (reconcileTimers !== undefined && current % TIMERS_EVERY === 0) {
      await unlessUnreadable("the timers", deps.unreadable, () => reconcileTimers(() => deps.lease.hold()));
    }
    if (current % TIMERS_EVERY === 0) await deps.announceOthers?.();
    // Last, because nothing depends on it.
    const keysRemoved = await keySweep.sweep();
    if (keysRemoved > 0) deps.log.info({ keysRemoved }, "expired keys removed");
    await deps.countStored?.();
    const holdsRemoved = (await deps.uniqueKeySweep?.sweep()) ?? 0;
    if (holdsRemoved > 0) deps.log.info({ holdsRemoved }, "unique keys of ended jobs removed");
    const linesRemoved = (await deps.lineSweep?.sweep()) ?? 0;
    if (linesRemoved > 0) deps.log.info({ linesRemoved }, "lines of limits without jobs removed");
    const entriesRemoved = (await deps.auditSweep?.sweep()) ?? 0;
    if (entriesRemoved > 0) deps.log.info({ entriesRemoved }, "expired entries of the audit removed");
    await forget?.sweep();
    if (current % AGES_EVERY === 0) gauges.showAges(await queueAges.look(new Set([...deps.pools, ...shown.keys()])));
    if (bellsSent + handedBack + canceled + deadLettersRemoved > 0) {
      const repairs = { bellsSent, handedBack, canceled, deadLettersRemoved };
      deps.log.warn(repairs, "sweep repaired");
      await deps.noteRepairs?.(repairs);
    }
    await noteSwept();
    return true;
  }
}

/** Sweeps until the returned function is called; that waits for the round under way and gives the lease up. */
export function startSweeper(deps: SweeperDeps): () => Promise<void> {
  const { index } = deps;
  const indexRepair = index && createIndexRepair({ ...deps, index });
  const sweeper = createSweeper({ ...deps, indexRepair });
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let sweeping: Promise<void> = Promise.resolve();

  const schedule = (): void => {
    if (stopped) return;
    timer = setTimeout(() => {
      sweeping = sweeper
        .sweep()
        .catch((error: unknown) => deps.log.warn({ error: messageOf(error) }, "sweep broke off"))
        .finally(schedule);
    }, SWEEP_EVERY_MS);
  };
  schedule();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await sweeping;
    await indexRepair?.stop();
    sweeper.stop();
    await deps.lease.release().catch((error: unknown) => {
      deps.log.warn({ error: messageOf(error) }, "the sweeper's lease was not given up; it ends by itself");
    });
  };
}

export interface SweepKeysDeps {
  readonly keys: Pick<KeyStore, "removeExpired">;
  readonly now: Clock["now"];
}

/** Keys live for days, so an hour between two passes over the table is enough. */
const PASS_EVERY_MS = 60 * 60_000;

/** Removes expired idempotency keys, one page of the table at each call. An expired key is free also while its row is there. */
export interface KeySweep {
  /** Resolves to the number of keys removed. Throws UnavailableError. */
  sweep(): Promise<number>;
}

/** Remembers how far the pass has come. When another process leads, it begins a new pass. */
export function createKeySweep({ keys, now }: SweepKeysDeps): KeySweep {
  let continuationToken: string | undefined;
  let nextPassAt = 0;
  return {
    async sweep() {
      if (now().getTime() < nextPassAt) return 0;
      const result = await keys.removeExpired(keysExpireBefore(now()), continuationToken);
      continuationToken = result.continuationToken;
      if (continuationToken === undefined) nextPassAt = now().getTime() + PASS_EVERY_MS;
      return result.removed;
    },
  };
}
