/**
 * Answers the Application Health extension (version 2, rich states) on this machine: status 200 and a body that says
 * Healthy or Unhealthy. Anything else, no answer included, counts as Unknown, which gets a machine replaced as well.
 * https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension
 */
import { createServer } from "node:http";
import { WORKER_HEALTH } from "../../core/machine-settings.ts";

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 5_000;

/** Rejects when the port is taken. `port` 0: any. */
export async function serveHealth(port: number, isWell: () => boolean): Promise<HealthServer> {
  const server = createServer((incoming, answer) => {
    incoming.resume();
    if (incoming.url !== WORKER_HEALTH.path || incoming.method !== "GET") {
      answer.writeHead(404).end();
      return;
    }
    answer.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" });
    answer.end(JSON.stringify({ ApplicationHealthState: isWell() ? "Healthy" : "Unhealthy" }));
  });
  server.headersTimeout = HEADERS_TIMEOUT_MS;
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
