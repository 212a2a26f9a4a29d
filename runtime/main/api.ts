/** The API process. */
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import { isIP } from "node:net";
import { createApp } from "../api/app.ts";
import { identifyAs, LOCAL_CALLER } from "../api/caller.ts";
import { createRinger } from "../api/ringer.ts";
import { createIdSource } from "../core/ids.ts";
import { lockMarginMs } from "../core/limits.ts";
import { parseApiSettings, SETTING, SettingsError } from "../core/settings.ts";
import { createBatchCompletion } from "../jobs/batch-completion.ts";
import { startSweeper } from "../sweeper/sweeper.ts";
import { connect } from "./connect.ts";
import { createLogger } from "./logger.ts";
import { runService, type Service } from "./service-process.ts";

/** A client that sends its headers or body slower than this is not one. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** Requests under way get this long when the process is told to stop. */
const CLOSE_AFTER_MS = 10_000;

async function start(): Promise<Service> {
  const settings = parseApiSettings(process.env);
  if (!isLoopback(settings.host)) {
    throw new SettingsError(
      `${SETTING.apiHost} is ${settings.host}, but without authentication the API serves this machine only: use 127.0.0.1.`,
    );
  }
  const log = createLogger("api", settings.logLevel);
  const { jobs, batches, keys, workers, queue, files, lease } = await connect(settings.connection, {
    writerId: settings.instanceId,
  });
  const ringer = createRinger({ queue, log });
  const ids = createIdSource({ now: Date.now, random32: () => randomBytes(4).readUInt32BE() });
  const now = (): Date => new Date();

  const { pools } = settings;
  const app = createApp({
    jobs,
    batches,
    keys,
    workers,
    files,
    queue,
    ringer,
    ids,
    now,
    pools,
    identify: identifyAs(LOCAL_CALLER),
    log,
  });
  const server = createServer(app);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
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
  log.info({ host: settings.host, port }, "listening");
  return {
    ready: { port },
    async stop() {
      await close(server);
      await stopSweeper();
      await ringer.close();
      await queue.close();
    },
  };
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

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
