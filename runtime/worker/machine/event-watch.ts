/** Polls the events that are scheduled for this machine, makes the worker leave in time, and approves events early. */
import { EVICTION_RESERVE_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { MachineMetadata } from "../../core/ports/machine.ts";
import { type Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import type { Departure } from "./departure.ts";
import { keepPolling } from "./keep-polling.ts";
import { planFor } from "./scheduled-events.ts";

export interface EventWatchDeps {
  readonly metadata: Pick<MachineMetadata, "scheduledEvents" | "approve">;
  /** This machine's name, as events have it. */
  readonly name: string;
  readonly departure: Departure;
  readonly runningCount: () => number;
  readonly now: Clock["now"];
  readonly log: Logger;
  /** For tests. */
  readonly pollMs?: number;
}

/** A Spot machine gets 30 s notice, of which this may be lost. */
const POLL_MS = 5_000;

/** Watches until the returned function is called, which waits for a request under way. */
export function watchEvents(deps: EventWatchDeps): () => Promise<void> {
  const { metadata, name, departure, runningCount, now, log, pollMs = POLL_MS } = deps;
  /** Events stay in the list for minutes after they were approved. */
  const approved = new Set<string>();
  let expected = false;
  let drained = new AbortController();
  departure.onDrained(() => drained.abort());

  async function poll(signal: AbortSignal): Promise<void> {
    const document = await metadata.scheduledEvents(signal);
    const running = runningCount();
    const plan = planFor(document, {
      name,
      runningCount: running,
      drained: departure.state === "drained" && running === 0,
      now: now().getTime(),
      reserveMs: EVICTION_RESERVE_MS,
    });
    if (plan.ending) departure.leave({ reason: plan.reason, drainMs: plan.drainMs, machineGoes: true });
    // It was called off, or it is over and the machine is still here.
    if (!plan.ending && expected) departure.stay();
    expected = plan.ending;

    const ready = plan.approve.filter((eventId) => !approved.has(eventId));
    if (ready.length === 0) return;
    await metadata.approve(ready, signal);
    for (const eventId of ready) approved.add(eventId);
    log.info({ events: ready, incarnation: document.incarnation }, "approved scheduled events");
  }

  return keepPolling({
    poll,
    async pause(signal) {
      // The end of a drain is approved at once, because the platform may wait for this machine.
      await sleep(pollMs, AbortSignal.any([signal, drained.signal]));
      drained = new AbortController();
    },
    failureMessage: "scheduled events cannot be read; trying again",
    log,
  });
}
