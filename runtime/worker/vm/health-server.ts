/**
 * Answers the Application Health extension (version 2, rich states) on this machine: status 200 and a body that says
 * Healthy or Unhealthy. Anything else, no answer included, counts as Unknown, which gets a machine replaced as well.
 * https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension
 *
 * At /readyz people learn the same as from an API instance: whether it is well, and what it could not read.
 */
import type { ServerResponse } from "node:http";
import { WORKER_HEALTH } from "../../core/machine-settings.ts";
import type { Unreadable } from "../../core/unreadable.ts";
import { createLimitedServer, type HttpLimits } from "../../sockets/limit-http.ts";

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** The extension asks every few seconds, by one connection. Other programs of the machine can connect as well. */
const LIMITS: HttpLimits = { maxCount: 256, headersTimeoutMs: 5_000, requestTimeoutMs: 5_000, stalledMs: 5_000 };

export interface HealthFacts {
  readonly isWell: () => boolean;
  /** What other releases wrote and this process could not read. */
  readonly unreadable: Pick<Unreadable, "formats">;
}

/** Rejects when the port is taken. `port` 0: any. */
export async function serveHealth(
  port: number,
  { isWell, unreadable }: HealthFacts,
  limits: Partial<HttpLimits> = {},
): Promise<HealthServer> {
  const server = createLimitedServer({ ...LIMITS, ...limits });
  server.on("request", (incoming, answer) => {
    incoming.resume();
    const isGet = incoming.method === "GET";
    if (isGet && incoming.url === WORKER_HEALTH.path) {
      say(answer, 200, { ApplicationHealthState: isWell() ? "Healthy" : "Unhealthy" });
    } else if (isGet && incoming.url === READY_PATH) {
      const formats = unreadable.formats();
      const status = isWell() ? "ok" : "unavailable";
      say(answer, status === "ok" ? 200 : 503, { status, ...(formats.length > 0 && { unreadable: formats }) });
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

function say(answer: ServerResponse, status: number, body: unknown): void {
  answer.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  answer.end(JSON.stringify(body));
}
