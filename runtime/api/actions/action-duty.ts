/**
 * The duty to carry out actions. One API instance has it at a time, elected by a lease. It takes a step of each running action
 * in turn, so that a large one does not keep the others waiting.
 */
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ActionStore } from "../../core/ports/action-store.ts";
import type { LeaderLease } from "../../core/ports/worker-store.ts";
import { sleep } from "../../core/sleep.ts";
import type { RunStep } from "./run-step.ts";

export interface ActionDutyDeps {
  readonly lease: LeaderLease;
  readonly actions: Pick<ActionStore, "running">;
  readonly runStep: RunStep;
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
  actions,
  runStep,
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
    for (const actionId of await actions.running()) {
      if (signal.aborted || !(await lease.hold())) return false;
      try {
        isBusy = (await runStep(actionId)) || isBusy;
      } catch (error) {
        log.warn({ actionId, error: messageOf(error) }, "a step of an action failed; it is repeated");
      }
      await sleep(pauseMs, signal);
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
