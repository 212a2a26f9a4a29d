/**
 * Receives the telemetry of the programs on this machine (OTLP/HTTP with JSON) and keeps the last hour in memory. Any
 * program of this machine may send, so that spans of callers and jobs appear too. Reading needs the key in the stack's
 * folder, because spans name jobs of all tenants. Pages of browsers can do neither.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import * as z from "zod";
import { localOnly } from "../../core/loopback.ts";
import { createLimitedServer } from "../../platform/server-limits.ts";
import { readPoints, readSpans, type Span } from "./otlp-json.ts";
import { createRecentMetrics, SLOT_MS, type GroupViews } from "./recent-metrics.ts";
import { createRecentSpans } from "./recent-spans.ts";

export interface ReceiverOptions {
  readonly now: () => Date;
  /** Called with unexpected errors. */
  readonly onFailure: (error: unknown) => void;
  /** Default RECEIVER_LIMITS. */
  readonly limits?: Partial<typeof RECEIVER_LIMITS>;
}

export interface Receiver {
  readonly endpoint: string;
  readonly readKey: string;
  close(): Promise<void>;
}

export const RECEIVER_LIMITS = {
  keepMs: 60 * 60_000,
  /** Of all spans. Metrics need a few MiB at most, because the number of their groups is limited. */
  spansMaxBytes: 48 * 1024 * 1024,
  /** Of one request, after decompression. */
  bodyMaxBytes: 4 * 1024 * 1024,
};

export interface TraceView {
  readonly jobId: string;
  /** There are no spans from before. */
  readonly since: string;
  readonly spans: readonly Span[];
}

export interface StatsView extends GroupViews {
  readonly since: string;
  readonly until: string;
  /** Each mark is that long. The last one ends at `until`. */
  readonly markSeconds: number;
}

/** Paths of the questions that `jobyard stats` and `jobyard trace` ask. */
export const QUESTIONS = { stats: "/recent/stats", trace: "/recent/trace" } as const;

const HOST = "127.0.0.1";
const MAX_CONNECTIONS = 200;
const statsQuery = z.object({
  minutes: z.coerce.number().int().min(1).max(60).optional(),
  marks: z.coerce.number().int().min(1).max(60),
});
const traceQuery = z.object({ job: z.string().min(1) });
/** Lengths of the window of `stats` when none is asked for. */
const WINDOWS_MIN = [1, 2, 5, 10, 20, 30, 60];

/** Lengths of a mark, in whole intervals of the metrics. */
const MARKS_MS = [1, 2, 3, 6, 12, 18, 30, 60, 90].map((slots) => slots * SLOT_MS);

/** A request that is answered with this status and message. */
class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export async function startReceiver({ now, onFailure, limits: given = {} }: ReceiverOptions): Promise<Receiver> {
  const limits = { ...RECEIVER_LIMITS, ...given };
  const { keepMs } = limits;
  const nowMs = (): number => now().getTime();
  const startedMs = nowMs();
  const spans = createRecentSpans({ nowMs, keepMs, maxBytes: limits.spansMaxBytes });
  const metrics = createRecentMetrics({ nowMs, keepMs });
  const readKey = randomBytes(24).toString("base64url");

  const takers: Readonly<Record<string, (body: unknown) => void>> = {
    "/v1/traces": (body) => spans.add(readSpans(body)),
    "/v1/metrics": (body) => metrics.add(readPoints(body)),
    // Logs are files of the stack already.
    "/v1/logs": () => undefined,
  };

  function stats(query: object): StatsView {
    const { minutes: asked, marks } = statsQuery.parse(query);
    const sinceMs = Math.max(startedMs, nowMs() - keepMs);
    const minutes = asked ?? WINDOWS_MIN.find((window) => window * 60_000 >= nowMs() - sinceMs) ?? 60;
    const markMs = MARKS_MS.find((one) => one * marks >= minutes * 60_000) ?? keepMs;
    return {
      since: instant(sinceMs),
      until: instant(nowMs()),
      markSeconds: markMs / 1_000,
      ...metrics.view({ marks: Math.ceil((minutes * 60_000) / markMs), markMs }),
    };
  }

  function trace(query: object): TraceView {
    const { job: jobId } = traceQuery.parse(query);
    return { jobId, since: instant(spans.sinceMs), spans: spans.ofJob(jobId) };
  }

  const questions: Readonly<Record<string, (query: object) => object>> = {
    [QUESTIONS.stats]: stats,
    [QUESTIONS.trace]: trace,
  };

  async function answer(request: IncomingMessage): Promise<object> {
    const { pathname, searchParams } = new URL(request.url ?? "/", `http://${HOST}`);
    const take = takers[pathname];
    if (take !== undefined && request.method === "POST") {
      take(await jsonBody(request, limits.bodyMaxBytes));
      return {};
    }
    const question = questions[pathname];
    if (question === undefined || request.method !== "GET") throw new Refused(404, "There is no such operation.");
    if (!isSame(request.headers.authorization ?? "", `Bearer ${readKey}`)) {
      throw new Refused(401, "Reading needs the key in telemetry.json.");
    }
    return question(Object.fromEntries(searchParams));
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request)
      .catch((error: unknown) => {
        const refused = refusalOf(error);
        if (refused === undefined) onFailure(error);
        return refused ?? new Refused(500, "This request failed. The output of npm start has the reason.");
      })
      .then((result) => {
        const status = result instanceof Refused ? result.status : 200;
        const body = result instanceof Refused ? { message: result.message } : result;
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      })
      // The sender has gone.
      .catch(() => response.destroy());
  };
  const server = createLimitedServer({ maxCount: MAX_CONNECTIONS });
  server.on("request", localOnly(listener, { changes: () => false }));
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  return {
    endpoint: `http://${HOST}:${port}`,
    readKey,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const unzip = promisify(gunzip);

async function jsonBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const { "content-type": type = "", "content-encoding": encoding, "content-length": length = 0 } = request.headers;
  if (!/^application\/json\b/i.test(type)) {
    throw new Refused(415, "Send JSON: OTEL_EXPORTER_OTLP_PROTOCOL=http/json.");
  }
  const tooLarge = new Refused(413, "The request is too large.");
  if (Number(length) > maxBytes) throw tooLarge;
  let received = 0;
  request.on("data", (chunk: Buffer) => {
    received += chunk.length;
    // A sender without a content-length gets no answer.
    if (received > maxBytes) request.destroy(tooLarge);
  });
  const sent = await buffer(request);
  const bytes = encoding === "gzip" ? await unzip(sent, { maxOutputLength: maxBytes }) : sent;
  return JSON.parse(bytes.toString()) as unknown;
}

/** For errors of the sender. The message of an invalid field names its place, not its value. */
function refusalOf(error: unknown): Refused | undefined {
  if (error instanceof Refused) return error;
  if (error instanceof z.ZodError) return new Refused(400, z.prettifyError(error));
  if (error instanceof SyntaxError) return new Refused(400, "The body is not JSON.");
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ERR_BUFFER_TOO_LARGE") return new Refused(413, "The request is too large.");
  if (code.startsWith("Z_")) return new Refused(400, "The body is not gzip.");
  // The sender has gone.
  if (code === "ECONNRESET") return new Refused(400, "The request ended early.");
  return undefined;
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const instant = (ms: number): string => new Date(ms).toISOString();
