/**
 * Notices that messages wait while this worker, with a free slot and open receives, is given none: a client can go deaf
 * without an error. A message that a fresh link receives and the open ones did not is the proof. The receivers are then
 * replaced; if that does not help, the process ends and its supervisor starts a new one.
 */
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { JobQueue } from "../core/ports/job-queue.ts";
import { PRIORITIES } from "../core/job/priority.ts";
import { jobQueueName } from "../core/deployment/topology.ts";
import type { Intake } from "./intake.ts";

export interface ReceiveWatchdogDeps {
  readonly queue: Pick<JobQueue, "peek" | "receiver">;
  readonly intake: Pick<Intake, "waitingSince" | "replaceReceivers">;
  readonly pool: string;
  readonly monotonicNow: () => number;
  /** Ends the process: replacing receivers has not helped. */
  readonly giveUp: (reason: string) => void;
  readonly log: Logger;
}

const CHECK_EVERY_MS = 30_000;
/** An open receive that waits this long while messages are there is looked into. */
export const DEAF_AFTER_MS = 60_000;
const PROBE_MS = 2_000;
/** Replacements in a row before the process is given up. */
const REPLACEMENTS_MAX = 2;

export function createReceiveWatchdog(deps: ReceiveWatchdogDeps) {
  const { queue, intake, pool, monotonicNow, log } = deps;
  let replacements = 0;

  /** Whether a fresh link gets a message from the queue. It goes back at once, to whoever hears it. */
  async function hears(queueName: string): Promise<boolean> {
    const probe = queue.receiver(queueName);
    try {
      const delivery = await probe.receive(PROBE_MS);
      await delivery?.abandon();
      return delivery !== undefined;
    } finally {
      await probe.close();
    }
  }

  /** Looks once. */
  async function check(): Promise<void> {
    const since = intake.waitingSince();
    if (since === undefined) replacements = 0;
    if (since === undefined || monotonicNow() - since < DEAF_AFTER_MS) return;
    for (const priority of PRIORITIES) {
      const queueName = jobQueueName(pool, priority);
      // Cheap, and enough while nothing is there. It also shows messages that others hold: hence the probe.
      const [waiting] = await queue.peek(queueName, { deadLetter: false, maxCount: 1 });
      if (waiting === undefined || !(await hears(queueName))) continue;
      if (++replacements > REPLACEMENTS_MAX) {
        deps.giveUp(`Messages wait in ${queueName} and this process is given none.`);
        return;
      }
      log.error({ queueName, replacements }, "messages wait and none is delivered; replacing the receivers");
      await intake.replaceReceivers();
      return;
    }
  }

  return { check };
}

/** Checks until the returned function is called. */
export function startReceiveWatchdog(deps: ReceiveWatchdogDeps): () => void {
  const watchdog = createReceiveWatchdog(deps);
  const timer = setInterval(() => {
    watchdog.check().catch((error: unknown) => {
      deps.log.warn({ error: messageOf(error) }, "the receive watchdog could not look");
    });
  }, CHECK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
