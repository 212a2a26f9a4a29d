/**
 * Answers the Application Health extension (version 2, rich states) on this machine: status 200 and a body that says
 * Healthy or Unhealthy. Anything else, no answer included, counts as Unknown, which gets a machine replaced as well.
 * https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension
 *
 * `/readyz` answers as that of an API instance does: what keeps it from working, since when, and what it could not read.
 * `/metrics` answers only to who has the token, because jobs of this machine can connect too, and metrics name tenants.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { write } from "node:fs";
import type { ServerResponse } from "node:http";
import { type ServiceWatchdogSettings, WORKER_HEALTH } from "../../core/settings/machine-settings.ts";
import { METRICS_MEDIA_TYPE, type NotReady, readyAnswer } from "../../core/http/readiness.ts";
import type { Unreadable } from "../../core/unreadable.ts";
import { BUS_AWAY_UNHEALTHY_MS, START_UNHEALTHY_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import { type HttpLimits, createLimitedServer } from "../../platform/server-limits.ts";
import type { Contact } from "../intake.ts";

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** The extension asks every few seconds on one connection. Other programs of the machine can connect as well. */
const LIMITS: HttpLimits = { maxCount: 256, headersTimeoutMs: 5_000, requestTimeoutMs: 5_000, stalledMs: 5_000 };

export interface HealthFacts {
  readonly isWell: () => boolean;
  readonly notReady: () => readonly NotReady[];
  /** What other releases wrote and this process could not read. */
  readonly unreadable: Pick<Unreadable, "formats">;
  /** Default: metrics are not served. */
  readonly metrics?: ServedMetrics | undefined;
}

export interface ServedMetrics {
  /** All metrics of this process, as Prometheus reads them. */
  readonly text: () => Promise<string>;
  /** What `Authorization: Bearer` must bring. */
  readonly token: string;
}

/** Rejects when the port is taken. `port` 0: any. */
export async function serveHealth(
  port: number,
  { isWell, notReady, unreadable, metrics }: HealthFacts,
  limits: Partial<HttpLimits> = {},
): Promise<HealthServer> {
  const server = createLimitedServer({ ...LIMITS, ...limits });
  server.on("request", (incoming, answer) => {
    incoming.resume();
    const isGet = incoming.method === "GET";
    if (isGet && incoming.url === WORKER_HEALTH.path) {
      answerWith(answer, 200, { ApplicationHealthState: isWell() ? "Healthy" : "Unhealthy" });
    } else if (isGet && incoming.url === READY_PATH) {
      const { status, body } = readyAnswer(notReady(), unreadable.formats());
      answerWith(answer, status, body);
    } else if (isGet && incoming.url === METRICS_PATH && metrics !== undefined) {
      answerMetrics(incoming.headers.authorization, metrics, answer);
    } else {
      answer.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const READY_PATH = "/readyz";
const METRICS_PATH = "/metrics";

function answerMetrics(
  authorization: string | undefined,
  { text, token }: ServedMetrics,
  answer: ServerResponse,
): void {
  if (!isSame(authorization ?? "", `Bearer ${token}`)) {
    answer.writeHead(401, { "WWW-Authenticate": "Bearer" }).end();
    return;
  }
  text().then(
    (metrics) =>
      answer.writeHead(200, { "Content-Type": METRICS_MEDIA_TYPE, "Cache-Control": "no-store" }).end(metrics),
    () => answer.writeHead(500).end(),
  );
}

/** In a time that tells nothing of the token. */
const isSame = (given: string, wanted: string): boolean => timingSafeEqual(hashOf(given), hashOf(wanted));
const hashOf = (text: string): Buffer => createHash("sha256").update(text).digest();

function answerWith(answer: ServerResponse, status: number, body: unknown): void {
  answer.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  answer.end(JSON.stringify(body));
}

/** The facts by which a worker is well or alive. */
export interface Vitals {
  /** By a clock that never jumps. */
  readonly now: number;
  /** When the process began. */
  readonly startedAt: number;
  /** Undefined until it receives. */
  readonly contact: Contact | undefined;
  readonly runningCount: number;
  /** It is on its way out, or waits for its machine to go. */
  readonly leaving: boolean;
  /** Since when something of this machine no longer works, and a restart of the worker does not help. */
  readonly defectiveSince: number | undefined;
}

interface PartNotReady {
  readonly part: "start" | "broker" | "machine";
  readonly since: number;
}

/** What keeps the worker from taking jobs now, and since when, by the clock of the vitals. Short outages count too. */
export function partsNotReady({ startedAt, contact, defectiveSince }: Vitals): readonly PartNotReady[] {
  const parts = [
    { part: "start", since: contact === undefined ? startedAt : undefined },
    { part: "broker", since: contact?.failingSince },
    { part: "machine", since: defectiveSince },
  ] as const;
  return parts.flatMap(({ part, since }) => (since === undefined ? [] : [{ part, since }]));
}

/** An open receive returns after a minute, with or without a message. After three times as long it hangs. */
const STALLED_AFTER_MS = 3 * 60_000;

/** A worker that is not well gets its machine replaced. A busy worker is well, because a replacement would cost its jobs. */
export function isWell({ now, startedAt, contact, runningCount, leaving, defectiveSince }: Vitals): boolean {
  if (runningCount > 0 || leaving) return true;
  if (defectiveSince !== undefined) return false;
  if (contact === undefined) return now - startedAt < START_UNHEALTHY_MS;
  return contact.failingSince === undefined || now - contact.failingSince < BUS_AWAY_UNHEALTHY_MS;
}

/**
 * A worker that is not alive gets its process started anew. A busy one is alive, for the same reason. A process whose event
 * loop stands still does not even call this.
 */
export function isAlive({ now, contact, runningCount, leaving }: Vitals): boolean {
  if (runningCount > 0 || leaving || contact === undefined) return true;
  return !contact.waiting || now - contact.returnedAt < STALLED_AFTER_MS;
}

export interface ServiceWatchdogDeps {
  readonly settings: ServiceWatchdogSettings;
  readonly isAlive: () => boolean;
  readonly log: Logger;
}

/** Of the time that systemd allows, so that two signs may be lost. */
const PART = 1 / 3;

/**
 * Writes a sign of life to the program that started the worker, until the returned function is called. That program
 * notifies systemd, which starts the worker anew after WatchdogSec without a sign. Protection from scale-in also turns off
 * the automatic repair of the machine, so nothing else would end a worker that hangs.
 *
 * The worker does not notify systemd itself: Node has no datagram sockets of that kind, and whatever its child processes
 * may send, a job could send too. See infra/cloud-init/start-worker.py.
 */
export function feedServiceWatchdog({ settings, isAlive, log }: ServiceWatchdogDeps): () => void {
  let writing = false;
  function writeSign(): void {
    if (writing) return;
    if (!isAlive()) {
      log.error(
        {},
        "receiving stands still; the service watchdog gets no sign of life and will start this worker anew",
      );
      return;
    }
    writing = true;
    write(settings.descriptor, "\n", (error) => {
      writing = false;
      if (error !== null)
        log.error({ error: error.message }, "the sign of life for the service watchdog could not be written");
    });
  }
  writeSign();
  const timer = setInterval(writeSign, settings.watchdogMs * PART);
  timer.unref();
  return () => clearInterval(timer);
}
