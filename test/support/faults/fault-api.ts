/**
 * The web API of one run, over connections in memory. To build its routes costs more than a run does, so that they are
 * built once and serve one run after the other.
 */
import { retentionOf } from "../../../runtime/core/job/retention.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import { silentEvents, silentLog, silentUnreadable, silentMetrics } from "../silent.ts";
import { randomBytes } from "node:crypto";
import { createServer, request, type IncomingMessage } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import { json } from "node:stream/consumers";
import { createApp } from "../../../runtime/api/app.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { withTimerBatches } from "../../../runtime/timers/run/timer-runs.ts";
import { identifyAs, LOCAL_CALLER } from "../../../runtime/api/auth/caller.ts";
import { createBellOutbox } from "../../../runtime/api/submit/bell-outbox.ts";
import { createIdSource } from "../../../runtime/core/job/ids.ts";
import { NOTHING_PAUSED } from "../../../runtime/core/admission/pause.ts";
import { REQUESTS_PER_MINUTE_MAX } from "../../../runtime/core/limits.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { createMemoryAudit } from "../stores/memory-audit.ts";
import { createMemoryUniqueKeys } from "../stores/memory-unique-keys.ts";
import { createMemoryQuotas } from "../stores/memory-quotas.ts";
import { createMemoryKeys } from "../stores/memory-keys.ts";
import { followed } from "../events/test-events.ts";
import type { Stores } from "./faulty-stores.ts";
import { MemoryTable, atOnce } from "../stores/memory-table.ts";
import { systemClock } from "../../../runtime/core/clock.ts";

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface FaultApi extends Disposable {
  post(path: string, body: unknown): Promise<Answer>;
  /** Sends the bells it keeps. Idempotent. */
  close(): Promise<void>;
  /** Gives the routes to the next run, when no call of this one is under way any more. */
  [Symbol.dispose](): void;
}

type ApiPorts = Stores & { readonly queue: JobQueue };
type RunPorts = ApiPorts & { readonly outbox: ReturnType<typeof createBellOutbox> };

/** Routes that ask the ports of the run they serve. */
interface Routes {
  readonly server: ReturnType<typeof createServer>;
  ports: RunPorts | undefined;
}

/** Those that serve no run now, by pool. */
const idle = new Map<string, Routes[]>();
let builtCount = 0;
/**
 * Of all routes that were built: two count requests, and one looks after followers. They tick as long as the process.
 */
export const timersOfRoutes = (): number => builtCount * 3;

export function startFaultApi(ports: ApiPorts, pool: string): FaultApi {
  const routes = idle.get(pool)?.pop() ?? buildRoutes(pool);
  const outbox = createBellOutbox({ queue: ports.queue, log: silentLog });
  routes.ports = { ...ports, outbox };
  const connections = new Set<Duplex>();
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    await outbox.close();
    for (const connection of connections) connection.destroy();
  }
  return {
    async post(path, body) {
      // Virtual time cannot see what is under way in a socket.
      const [near, far] = duplexPair();
      connections.add(far.once("close", () => connections.delete(far)));
      routes.server.emit("connection", Object.assign(far, { remoteAddress: "127.0.0.1" }));
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { "content-type": "application/json", connection: "close" };
        const asked = request({ createConnection: () => near, method: "POST", path, headers }, resolve);
        asked.once("error", reject).end(JSON.stringify(body));
      });
      return { status: response.statusCode ?? 0, body: (await json(response)) as Record<string, unknown> };
    },
    close: () => (closing ??= close()),
    [Symbol.dispose]() {
      routes.ports = undefined;
      idle.set(pool, [...(idle.get(pool) ?? []), routes]);
    },
  };
}

function buildRoutes(pool: string): Routes {
  const routes: Routes = { server: createServer(), ports: undefined };
  const ids = createIdSource({ now: systemClock.now, random32: () => randomBytes(4).readUInt32BE() });
  const ask = <Name extends keyof RunPorts>(name: Name): RunPorts[Name] =>
    new Proxy({} as RunPorts[Name], {
      get(_target, member) {
        if (routes.ports === undefined) throw new Error("These routes serve no run.");
        return Reflect.get(routes.ports[name], member) as unknown;
      },
    });
  const askedBatches = ask("batches");
  const stores = {
    jobs: ask("jobs"),
    // Method by method, because the API puts one of its own beside the others.
    batches: {
      create: (...request) => askedBatches.create(...request),
      get: (...request) => askedBatches.get(...request),
      update: (...request) => askedBatches.update(...request),
      active: (...request) => askedBatches.active(...request),
      list: (...request) => askedBatches.list(...request),
    } satisfies BatchStore,
    keys: {
      ...createMemoryKeys(new MemoryTable(atOnce)),
      removeExpired: () => Promise.reject(new Error("The API removes no keys.")),
    },
    workers: ask("workers"),
    files: ask("files"),
    index: unasked("index"),
    actions: unasked("actions"),
    packages: unasked("packages"),
    tenants: unasked("tenants"),
    timers: ask("timers"),
    lines: unasked("lines"),
    webhooks: unasked("webhooks"),
    deliveries: unasked("deliveries"),
    settings: unasked("settings"),
    secrets: unasked("secrets"),
    identityGrants: unasked("identityGrants"),
    uniqueKeys: createMemoryUniqueKeys(new MemoryTable(atOnce)),
    quotas: createMemoryQuotas(new MemoryTable(atOnce)),
    audit: createMemoryAudit(new MemoryTable(atOnce)),
    pauses: unasked("pauses"),
    retentions: unasked("retentions"),
    erasures: unasked("erasures"),
    sweepNotes: unasked("sweepNotes"),
  };
  const queue = ask("queue");
  const now = (): Date => new Date();
  const app = createApp({
    stores,
    bus: { queue, outbox: ask("outbox") },
    completion: withTimerBatches(createBatchCompletion({ ...stores, events: silentEvents, now }), { ...stores, queue }),
    indexer: unasked("indexer"),
    events: silentEvents,
    pauseBoard: { current: () => NOTHING_PAUSED, refresh: () => Promise.resolve() },
    followers: followed(),
    timers: { registration: unasked("timerRegistration"), wakeScheduler: () => undefined },
    webhooks: { post: () => Promise.reject(new Error("Nobody has webhooks.")), allowLoopback: false },
    clock: { now, trustedNow: now, monotonicNow: () => performance.now() },
    ids,
    release: undefined,
    pools: [pool],
    identify: identifyAs(LOCAL_CALLER),
    authFacts: { kind: "none" },
    readiness: () => Promise.resolve([]),
    metrics: silentMetrics,
    metricsText: () => Promise.resolve(""),
    unreadable: silentUnreadable,
    traffic: { requestsPerMinute: REQUESTS_PER_MINUTE_MAX, allowedOrigins: [], proxyHops: 0 },
    silentAfterMs: 1_000,
    programs: unasked("programs"),
    defaultRetention: retentionOf({ rowDays: 0, logDays: 0, fileDays: 0, deadLetterDays: 0 }),
    log: silentLog,
  });
  routes.server.on("request", app);
  builtCount++;
  return routes;
}

/** A port no scenario asks. */
const unasked = (name: string): never =>
  new Proxy(
    {},
    {
      get() {
        throw new Error(`A scenario asked for ${name}.`);
      },
    },
  ) as never;
