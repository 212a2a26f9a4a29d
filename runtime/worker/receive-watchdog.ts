/**
 * Notices stuck receivers: a client can stop receiving without an error. If a new link receives a message while the open
 * links of a free slot do not, the open links are replaced. If that does not help, the process ends and its supervisor
 * starts a new one.
 */
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { JobQueue } from "../core/ports/job-queue.ts";
import { PRIORITIES } from "../core/job/priority.ts";
import { jobQueueName } from "../core/deployment/topology.ts";
import type { Intake } from "./intake.ts";
import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";

export interface ReceiveWatchdogDeps {
  readonly queue: Pick<JobQueue, "peek" | "receiver">;
  readonly intake: Pick<Intake, "waitingSince" | "isHeld" | "replaceReceivers">;
  readonly pool: string;
  readonly monotonicNow: Clock["monotonicNow"];
  /** Ends the process: replacing receivers has not helped. */
  readonly giveUp: (reason: string) => void;
  readonly metrics: Pick<Metrics, "receiversReplaced">;
  readonly log: Logger;
}

const CHECK_EVERY_MS = 30_000;
/** An open receive that waits this long while messages are there is checked. */
export const STUCK_AFTER_MS = 60_000;
const PROBE_MS = 2_000;
/** Replacements in a row before the process is given up. */
const REPLACEMENTS_MAX = 2;

export function createReceiveWatchdog(deps: ReceiveWatchdogDeps) {
  const { queue, intake, pool, monotonicNow, log } = deps;
  let replacements = 0;

  /** Whether a new link receives a message from the queue. The message goes back at once. */
  async function receivesByNewLink(queueName: string): Promise<boolean> {
    const probe = queue.receiver(queueName);
    try {
      const [message] = await probe.receive(PROBE_MS, 1);
      await message?.abandon();
      return message !== undefined;
    } finally {
      await probe.close();
    }
  }

  /** Checks once. */
  async function check(): Promise<void> {
    const since = intake.waitingSince();
    if (since === undefined) replacements = 0;
    if (since === undefined || monotonicNow() - since < STUCK_AFTER_MS) return;
    for (const priority of PRIORITIES) {
      // Its messages wait on purpose.
      if (intake.isHeld(priority)) continue;
      const queueName = jobQueueName(pool, priority);
      // A peek is cheap, and enough while the queue is empty. It also shows messages under lock, hence the probe.
      const [waiting] = await queue.peek(queueName, { deadLetter: false, maxCount: 1 });
      if (waiting === undefined || !(await receivesByNewLink(queueName))) continue;
      if (++replacements > REPLACEMENTS_MAX) {
        deps.giveUp(`Messages wait in ${queueName} and this process receives none.`);
        return;
      }
      deps.metrics.receiversReplaced.add(1, { pool });
      log.error({ queueName, replacements }, "messages wait and none is received; replacing the receivers");
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
      deps.log.warn({ error: messageOf(error) }, "the receive watchdog could not check");
    });
  }, CHECK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
