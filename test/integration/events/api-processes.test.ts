/** Two API processes as they are deployed, over one broker and one storage: clients of one see changes made at the other. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { JobServiceClient } from "../../../runtime/client/index.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { busTopology, DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { startApiProcess, untilHearing, type ApiProcess } from "../../support/processes/api-process.ts";
import { endsIn, followByClient, followByEventSource, storiesOf } from "../../support/events/followers.ts";
import { startRoundRobinProxy } from "../../support/network/round-robin-proxy.ts";
import { openSse } from "../../support/events/sse-client.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { freshTenant, ownStorage } from "../../support/stores/test-storage.ts";

const WAIT = { timeout: 60_000 };
const QUICK = { retry: { firstDelayMs: 20, maxDelayMs: 200 } };
const tenantName = freshTenant();
let bus: LocalServiceBus;
let first: ApiProcess;
let second: ApiProcess;

beforeAll(async () => {
  bus = await startLocalServiceBus({ port: 0, adminPort: 0, topology: busTopology([DEFAULT_POOL]) });
  const storage = { [SETTING.storageConnectionString]: await ownStorage("apiprocesses") };
  [first, second] = await Promise.all([startApiProcess(bus, "api-a", storage), startApiProcess(bus, "api-b", storage)]);
  await untilHearing([first, second], tenantName);
});
afterAll(async () => {
  await Promise.all([first, second].map((api) => api[Symbol.asyncDispose]()));
  await bus.close();
});

it("share tickets, take over clients of a killed process, and close their followers at shutdown", async () => {
  await using proxy = await startRoundRobinProxy([first, second]);
  const client = new JobServiceClient(proxy.url, QUICK);
  const batchId = await client.management.createBatch({ tenantName, batchName: "One dies" });
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ batchId }) };
  const { ticket } = (await (await fetch(`${first.url}/v1/events/tickets`, init)).json()) as { ticket: string };
  const stream = await openSse(`${second.url}/v1/events?ticket=${ticket}`);
  const followers = [
    await followByEventSource(proxy.url, batchId),
    await followByEventSource(proxy.url, batchId),
    await followByClient(client, batchId),
    await followByClient(new JobServiceClient(proxy.url, QUICK), batchId),
  ];
  const ids: string[] = [];
  /** Jobs that end by a cancel, so no worker is needed. */
  async function someJobs(): Promise<void> {
    for (let i = 0; i < 10; i++) {
      const jobId = await client.management.submitJob(jobRequestOf(tenantName), batchId);
      await client.management.cancelJob(jobId);
      ids.push(jobId);
    }
  }

  await someJobs();
  // Nothing is on its way: an instance reports a gap to a client that comes to it before the client's last event.
  const heardCounts = () => [...followers.map(({ heard }) => heard), stream.messages].map(({ length }) => length);
  await expect.poll(heardCounts, WAIT).toEqual(Array<number>(followers.length + 1).fill(2 * ids.length));
  await first.kill();
  await someJobs();
  await client.management.closeBatch(batchId);
  for (const follower of followers) {
    const { name, heard } = follower;
    await expect.poll(() => endsIn(heard), { ...WAIT, message: name }).toEqual({ jobs: ids.length, batches: 1 });
    expect(follower.missedCount, name).toBe(0);
    const stories = storiesOf(follower);
    const endCounts = ids.map((id) => stories.get(id)?.filter(({ eventType }) => eventType === "jobCompleted").length);
    expect(endCounts, name).toEqual(ids.map(() => 1));
    await follower[Symbol.asyncDispose]();
  }
  const streamed = () => stream.messages.filter(({ event }) => event === "jobCompleted").length;
  await expect.poll(streamed, WAIT).toBe(ids.length);

  await second[Symbol.asyncDispose]();
  await stream.ended;
});
