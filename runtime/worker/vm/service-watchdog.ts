/**
 * Tells systemd that this worker lives; when it hears nothing for WatchdogSec, it starts the worker anew. Protection from
 * scale-in also turns off the automatic repair of the machine, so nothing else would end a worker that hangs.
 *
 * Node has no datagram sockets of the kind systemd listens on, so the word is passed on by `systemd-notify`, a program of
 * every machine with systemd. It is another process than the service's main one: the unit needs `NotifyAccess=all`.
 */
import { execFile } from "node:child_process";
import type { ServiceWatchdogSettings } from "../../core/machine-settings.ts";
import type { Logger } from "../../core/logger.ts";

export interface ServiceWatchdogDeps {
  readonly settings: ServiceWatchdogSettings;
  /** Where `systemd-notify` is found. */
  readonly path: string;
  readonly isAlive: () => boolean;
  readonly log: Logger;
}

/** Of the time systemd allows: two words may be lost. */
const PART = 1 / 3;
const NOTIFY_TIMEOUT_MS = 10_000;

/** Tells until the returned function is called. */
export function feedServiceWatchdog({ settings, path, isAlive, log }: ServiceWatchdogDeps): () => void {
  let telling = false;
  function tell(): void {
    if (telling) return;
    if (!isAlive()) {
      log.error({}, "receiving stands still; the service watchdog is told nothing and will start this worker anew");
      return;
    }
    telling = true;
    const env = { PATH: path, NOTIFY_SOCKET: settings.notifySocket };
    execFile("systemd-notify", ["WATCHDOG=1"], { env, timeout: NOTIFY_TIMEOUT_MS }, (error) => {
      telling = false;
      if (error !== null) log.error({ error: error.message }, "the service watchdog could not be told");
    });
  }
  tell();
  const timer = setInterval(tell, settings.watchdogMs * PART);
  timer.unref();
  return () => clearInterval(timer);
}
