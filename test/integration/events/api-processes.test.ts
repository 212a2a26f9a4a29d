/** Two API processes as they are deployed, over one broker and one storage: what one is told, the other's clients hear. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, inject, it } from "vitest";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { busTopology, DEFAULT_POOL } from "../../../runtime/core/topology.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { openSse } from "../../support/sse-client.ts";
import { freshTenant } from "../../support/test-storage.ts";

const LAUNCHER = join(import.meta.dirname, "../../../runtime/main/start.mjs");

async function startApiProcess(bus: LocalServiceBus, instanceId: string) {
  const child = fork(LAUNCHER, ["api"], {
    env: {
      PATH: process.env["PATH"],
      [SETTING.storageConnectionString]: inject("storageConnectionString"),
      [SETTING.serviceBusConnectionString]: bus.connectionString,
      [SETTING.serviceBusAdminConnectionString]: bus.adminConnectionString,
      [SETTING.auth]: "none",
      [SETTING.apiPort]: "0",
      [SETTING.instanceId]: instanceId,
      [SETTING.logLevel]: "warn",
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [ready] = (await once(child, "message")) as [{ readonly port: number }];
  return {
    url: `http://127.0.0.1:${ready.port}`,
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
}

it("share what happens, and tickets, and let their followers go when they stop", async () => {
  const tenantName = freshTenant();
  const bus = await startLocalServiceBus({ port: 0, adminPort: 0, topology: busTopology([DEFAULT_POOL]) });
  const first = await startApiProcess(bus, "api-a");
  const second = await startApiProcess(bus, "api-b");
  const post = async (path: string, body: object) => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    return (await (await fetch(`${first.url}${path}`, init)).json()) as { jobId: string; ticket: string };
  };
  const { ticket } = await post("/v1/events/tickets", { tenantName });
  const streams = [
    await openSse(`${first.url}/v1/events?tenantName=${tenantName}`),
    await openSse(`${second.url}/v1/events?ticket=${ticket}`),
  ];
  const request = { tenantName, jobType: "T", jobName: "n", jobProcessorPackageName: "p.zip" };
  // An instance answers before it hears; each job asks again whether it does.
  await expect
    .poll(
      async () => {
        const { jobId } = await post("/v1/jobs", request);
        await post(`/v1/jobs/${jobId}/cancel`, {});
        return streams.every(({ messages }) => messages.some(({ event }) => event === "jobCompleted"));
      },
      { timeout: 20_000, interval: 200 },
    )
    .toBe(true);
  await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]);
  await Promise.all(streams.map(({ ended }) => ended));
  await bus.close();
});
