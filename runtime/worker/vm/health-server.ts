/**
 * Answers the Application Health extension (version 2, rich states) on this machine: status 200 and a body that says
 * Healthy or Unhealthy. Anything else, no answer included, counts as Unknown, which gets a machine replaced as well.
 * https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension
 */
import { WORKER_HEALTH } from "../../core/machine-settings.ts";
import { createLimitedServer, type HttpLimits } from "../../sockets/limit-http.ts";

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** The extension asks every few seconds, by one connection. Other programs of the machine can connect as well. */
const LIMITS: HttpLimits = { maxCount: 256, headersTimeoutMs: 5_000, requestTimeoutMs: 5_000, stalledMs: 5_000 };

/** Rejects when the port is taken. `port` 0: any. */
export async function serveHealth(
  port: number,
  isWell: () => boolean,
  limits: Partial<HttpLimits> = {},
): Promise<HealthServer> {
  const server = createLimitedServer({ ...LIMITS, ...limits });
  server.on("request", (incoming, answer) => {
    incoming.resume();
    if (incoming.url !== WORKER_HEALTH.path || incoming.method !== "GET") {
      answer.writeHead(404).end();
      return;
    }
    answer.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" });
    answer.end(JSON.stringify({ ApplicationHealthState: isWell() ? "Healthy" : "Unhealthy" }));
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
