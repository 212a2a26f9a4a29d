/** Two API processes as they are deployed, over one broker and one storage: what one is told, the other's clients hear. */
import { expect, it } from "vitest";
import { busTopology, DEFAULT_POOL } from "../../../runtime/core/topology.ts";
import { startLocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { startApiProcess } from "../../support/api-process.ts";
import { openSse } from "../../support/sse-client.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";
import { freshTenant } from "../../support/test-storage.ts";

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

it("tell a client that came before they could hear to read what it follows", async () => {
  const tenantName = freshTenant();
  const bus = await startLocalServiceBus({ port: 0, adminPort: 0, topology: busTopology([DEFAULT_POOL]) });
  const adminPort = Number(/:(\d+)\/?;/.exec(bus.adminConnectionString ?? "")?.[1]);
  await using proxy = await TcpProxy.to(adminPort);
  proxy.stall();
  const adminConnectionString = bus.adminConnectionString?.replace(`:${adminPort}`, `:${proxy.port}`);
  await using api = await startApiProcess({ ...bus, adminConnectionString }, "api-deaf");
  await using client = await openSse(`${api.url}/v1/events?tenantName=${tenantName}`);
  proxy.resume();
  await expect.poll(() => client.messages.map(({ event }) => event), { timeout: 20_000 }).toEqual(["missed"]);
  await bus.close();
});
