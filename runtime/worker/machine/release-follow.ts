/**
 * Brings new code to a worker without ending a job: when the release pointer names another version, the worker stops
 * receiving as soon as that costs nothing, lets its jobs end and exits; its supervisor starts the new code. The decision
 * is pure; the rest of the file polls, looks and acts.
 *
 * | the pointer names         | nothing runs | every slot's job is the only one (1 slot) | several slots, some busy                  |
 * |---------------------------|--------------|-------------------------------------------|-------------------------------------------|
 * | this version, or no answer | go on        | go on                                     | go on                                     |
 * | another one               | leave        | leave: receive no more, the job ends      | go on; leave when patience is over        |
 *
 * A worker that leaves with long jobs has empty slots until the last one has ended. So that a fleet does not do that all at
 * once, each worker's patience is its own: between the time that is set and twice that time.
 */
import type { Logger } from "../../core/logger.ts";
import type { ReleasePointer, ReleaseReader } from "../../core/ports/release-reader.ts";
import { sleep } from "../../core/sleep.ts";
import type { Departure } from "./departure.ts";
import { keepPolling } from "./keep-polling.ts";
import type { Clock } from "../../core/clock.ts";

export interface ReleaseFacts {
  readonly ownVersion: string;
  /** Undefined: none was there, or no answer came. That says nothing. */
  readonly pointer: ReleasePointer | undefined;
  /** Since when the pointer has named another version; undefined: it did not. */
  readonly differentSince: number | undefined;
  readonly slots: number;
  readonly runningCount: number;
  readonly now: number;
  readonly patienceMs: number;
}

export interface ReleaseDecision {
  readonly leave: boolean;
  readonly differentSince: number | undefined;
}

export function decideRelease(facts: ReleaseFacts): ReleaseDecision {
  const { ownVersion, pointer, slots, runningCount, now, patienceMs } = facts;
  const isSame = pointer?.version === ownVersion;
  const differentSince = isSame
    ? undefined
    : pointer === undefined
      ? facts.differentSince
      : (facts.differentSince ?? now);
  if (pointer === undefined || differentSince === undefined) return { leave: false, differentSince };
  // One slot loses nothing by not receiving while it is busy; of several, the free ones would stand idle.
  const costsNothing = runningCount === 0 || slots === 1;
  return { leave: costsNothing || now - differentSince >= patienceMs, differentSince };
}

export interface ReleaseFollowDeps {
  readonly releases: ReleaseReader;
  readonly ownVersion: string;
  readonly slots: number;
  readonly runningCount: () => number;
  readonly departure: Pick<Departure, "leave">;
  readonly monotonicNow: Clock["monotonicNow"];
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly pollMs: number;
  /** The shortest that any worker of the fleet has. */
  readonly patienceMs: number;
}

/** `chance` in [0, 1): drawn once, so that the end of a worker's patience stays where it is. */
export const ownPatienceMs = (patienceMs: number, chance: number): number => patienceMs * (1 + chance);

/** Reads are spread by this part of their distance, so that a fleet does not restart in one moment. */
const SPREAD = 0.5;
/** A worker that is to leave looks this often whether that costs nothing now. Between two reads of the pointer it may be idle for a moment only. */
const LOOK_EVERY_MS = 1_000;

/** Follows until the returned function is called, which waits for a request under way. */
export function followReleases(deps: ReleaseFollowDeps): () => Promise<void> {
  const { releases, ownVersion, slots, runningCount, departure, monotonicNow, random, log } = deps;
  const { pollMs } = deps;
  const patienceMs = ownPatienceMs(deps.patienceMs, random());
  let pointer: ReleasePointer | undefined;
  let differentSince: number | undefined;

  function look(): void {
    const facts = { ownVersion, pointer, differentSince, slots, runningCount: runningCount(), patienceMs };
    const decision = decideRelease({ ...facts, now: monotonicNow() });
    if (differentSince === undefined && decision.differentSince !== undefined) {
      log.info({ ownVersion, version: pointer?.version }, "another release is to run here");
    }
    ({ differentSince } = decision);
    if (decision.leave) departure.leave({ reason: "another release", drainMs: Infinity, machineGoes: false });
  }

  async function pause(signal: AbortSignal): Promise<void> {
    const until = monotonicNow() + pollMs * (1 + SPREAD * (random() - 0.5));
    for (let left = until - monotonicNow(); left > 0 && !signal.aborted; left = until - monotonicNow()) {
      look();
      await sleep(differentSince === undefined ? left : Math.min(left, LOOK_EVERY_MS), signal);
    }
  }

  return keepPolling({
    async poll(signal) {
      pointer = await releases.current(signal);
    },
    pause,
    failureMessage: "the release pointer cannot be read; trying again",
    log,
  });
}
