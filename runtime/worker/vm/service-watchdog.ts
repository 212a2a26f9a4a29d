/**
 * Gives signs of life to the program that has started the worker, which tells systemd; when that hears nothing for
 * WatchdogSec, it starts the worker anew. Protection from scale-in also turns off the automatic repair of the machine, so
 * nothing else would end a worker that hangs.
 *
 * The worker does not speak to systemd itself: Node has no datagram sockets of that kind, and what a program that it starts
 * may say, a job may say too. See infra/cloud-init/start-worker.py.
 */
import { write } from "node:fs";
import type { ServiceWatchdogSettings } from "../../core/machine-settings.ts";
import type { Logger } from "../../core/logger.ts";

export interface ServiceWatchdogDeps {
  readonly settings: ServiceWatchdogSettings;
  readonly isAlive: () => boolean;
  readonly log: Logger;
}

/** Of the time systemd allows: two signs may be lost. */
const PART = 1 / 3;

/** Tells until the returned function is called. */
export function feedServiceWatchdog({ settings, isAlive, log }: ServiceWatchdogDeps): () => void {
  let telling = false;
  function tell(): void {
    if (telling) return;
    if (!isAlive()) {
      log.error({}, "receiving stands still; the service watchdog is told nothing and will start this worker anew");
      return;
    }
    telling = true;
    write(settings.descriptor, "\n", (error) => {
      telling = false;
      if (error !== null) log.error({ error: error.message }, "the service watchdog could not be told");
    });
  }
  tell();
  const timer = setInterval(tell, settings.watchdogMs * PART);
  timer.unref();
  return () => clearInterval(timer);
}
