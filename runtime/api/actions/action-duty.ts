/**
 * The duty to carry out actions, and to erase tenants. One API instance has it at a time, elected by a lease. It takes a step
 * of each running one in turn, so that a large one does not keep the others waiting.
 */
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { LeaderLease } from "../../core/ports/worker-store.ts";
import { sleep } from "../../core/sleep.ts";

/** What is carried out in steps, each of which can be repeated. */
export interface Stepwise {
  /** For the log. */
  readonly name: string;
  /** Ids of those that are under way. */
  readonly running: () => Promise<readonly string[]>;
  /** Takes one step. False: it has ended, or has to wait. */
  readonly runStep: (id: string) => Promise<boolean>;
}

export interface ActionDutyDeps {
  readonly lease: LeaderLease;
  readonly works: readonly Stepwise[];
  readonly log: Logger;
  /** Default EVERY_MS. */
  readonly everyMs?: number;
  /** Default PAUSE_MS. */
  readonly pauseMs?: number;
}

export interface ActionDuty {
  /** Waits for the step under way. */
  stop(): Promise<void>;
}

/** Between two looks for actions. */
const EVERY_MS = 5_000;
/** Between two steps, so that an action leaves most of the storage's time to others: some 500 jobs a second. */
const PAUSE_MS = 100;
/** After the death of its holder another instance goes on within this time. */
export const ACTION_LEASE_MS = 20_000;

export function startActionDuty({
  lease,
  works,
  log,
  everyMs = EVERY_MS,
  pauseMs = PAUSE_MS,
}: ActionDutyDeps): ActionDuty {
  const stopping = new AbortController();
  const { signal } = stopping;

  /** Whether there was anything to do. */
  async function round(): Promise<boolean> {
    if (!(await lease.hold())) return false;
    let isBusy = false;
    for (const { name, running, runStep } of works) {
      for (const id of await running()) {
        if (signal.aborted || !(await lease.hold())) return false;
        try {
          isBusy = (await runStep(id)) || isBusy;
        } catch (error) {
          log.warn({ [name]: id, error: messageOf(error) }, "a step failed; it is repeated");
        }
        await sleep(pauseMs, signal);
      }
    }
    return isBusy;
  }

  async function work(): Promise<void> {
    while (!signal.aborted) {
      const isBusy = await round().catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, "a round of actions failed");
        return false;
      });
      if (!isBusy) await sleep(everyMs, signal);
    }
  }
  const working = work();

  return {
    async stop() {
      stopping.abort();
      await working;
      await lease.release().catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, "the lease for actions was not released; it expires by itself");
      });
    },
  };
}
