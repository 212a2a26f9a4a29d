/** The API process. */
import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { createApp } from "../api/app.ts";
import { createHttpServer } from "../api/http-server.ts";
import { keepPublishing } from "../api/publish-release.ts";
import { createReadiness } from "../api/readiness.ts";
import { createRinger } from "../api/ringer.ts";
import { createIdSource, defaultBatchId } from "../core/ids.ts";
import { lockMarginMs } from "../core/limits.ts";
import { isLoopback, parseApiSettings, SETTING, SettingsError } from "../core/settings.ts";
import { DEFAULT_PRIORITY } from "../core/priority.ts";
import { DEFAULT_POOL, jobQueueName, RELEASES } from "../core/topology.ts";
import { createBatchCompletion } from "../jobs/batch-completion.ts";
import { startSweeper } from "../sweeper/sweeper.ts";
import { composeAuth } from "./compose-auth.ts";
import { connect } from "./connect.ts";
import { createLogger } from "./logger.ts";
import { runService, type Service } from "./service-process.ts";

/** Beside the program, in a release. */
const RELEASED_PACKAGES = join(import.meta.dirname, RELEASES.packagesFolder);
/** Requests under way get this long when the process is told to stop. */
const CLOSE_AFTER_MS = 10_000;

async function start(): Promise<Service> {
  const settings = parseApiSettings(process.env);
  if (settings.auth.kind === "none" && !isLoopback(settings.host)) {
    throw new SettingsError(
      `${SETTING.apiHost} is ${settings.host}, but without authentication the API serves this machine only: use 127.0.0.1.`,
    );
  }
  const log = createLogger("api", settings.logLevel);
  const connected = await connect(settings.connection, {
    writerId: settings.instanceId,
  });
  const { jobs, batches, keys, workers, queue, files, packages, lease, tenants: tenantStore } = connected;
  const ringer = createRinger({ queue, log });
  const ids = createIdSource({ now: Date.now, random32: () => randomBytes(4).readUInt32BE() });
  const now = (): Date => new Date();

  const { pools, traffic, lockMs } = settings;
  const { identify, facts: authFacts, tenants } = await composeAuth({ ...settings, tenants: tenantStore, log });
  const monotonicNow = (): number => performance.now();
  const isReady = createReadiness({
    checks: {
      // Neither has to find anything.
      storage: () => batches.get(defaultBatchId("none", 0)),
      broker: () =>
        queue.peek(jobQueueName(pools[0] ?? DEFAULT_POOL, DEFAULT_PRIORITY), { deadLetter: false, maxCount: 1 }),
    },
    monotonicNow,
    log,
  });
  const app = createApp({
    ...{ jobs, batches, keys, workers, files, queue, packages, tenants, ringer },
    ...{ ids, now, monotonicNow, pools, identify, authFacts, isReady, traffic, log },
    silentAfterMs: lockMs + lockMarginMs(lockMs),
  });
  const server = createHttpServer(app);
  const port = await listen(server, settings.port, settings.host);
  const stopSweeper = startSweeper({
    jobs,
    queue,
    workers,
    keys,
    batchStore: batches,
    batches: createBatchCompletion({ batches, jobs, now }),
    lease: lease("sweeper"),
    lockMs: settings.lockMs,
    marginMs: lockMarginMs(settings.lockMs),
    now,
    log,
  });
  const stopping = new AbortController();
  const { packagesTenant: tenantName } = settings;
  const publishing =
    tenantName !== undefined &&
    keepPublishing({ packages, tenants, directory: RELEASED_PACKAGES, tenantName, now, pause, log }, stopping.signal);
  log.info({ host: settings.host, port }, "listening");
  return {
    ready: { port },
    async stop() {
      stopping.abort();
      await close(server);
      await publishing;
      await stopSweeper();
      await ringer.close();
      await queue.close();
    },
  };
}

/** Ends early, and well, when it is not to go on. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  wait(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Lets requests under way end, but not for ever. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_AFTER_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

await runService(start);
