/** The API over memory and a real local Service Bus of the test file's own. */
import { connectServiceBus, createJobQueue } from "../../runtime/azure/index.ts";
import type { JobQueue, PeekedMessage } from "../../runtime/core/ports/job-queue.ts";
import { busTopology, DEFAULT_POOL } from "../../runtime/core/topology.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../runtime/local/bus/index.ts";
import { apiStores } from "./stores/api-stores.ts";
import { startTestApi, type TestApi, type TestApiOptions } from "./test-api.ts";

export interface ApiWithBus extends AsyncDisposable {
  readonly api: TestApi;
  readonly bus: LocalServiceBus;
  readonly queue: JobQueue;
  /** Bells that wait in a queue, scheduled ones too. */
  bells(queueName?: string): Promise<readonly PeekedMessage[]>;
  /** Ids of the bells that wait for a job. */
  bellIdsOf(jobId: string, queueName?: string): Promise<readonly string[]>;
  /** Another API over the same storage and bus; ends with this one. */
  another(options: TestApiOptions): Promise<TestApi>;
}

const QUEUE = "jobs-default-normal";

export async function startApiWithBus(pools: readonly string[] = [DEFAULT_POOL]): Promise<ApiWithBus> {
  const bus = await startLocalServiceBus({ port: 0, topology: busTopology(pools) });
  const queue = createJobQueue({
    bus: connectServiceBus({ kind: "connection-string", serviceBus: bus.connectionString }),
  });
  const stores = await apiStores();
  const api = await startTestApi(queue, { pools, stores });
  const others: TestApi[] = [];

  async function bells(queueName = QUEUE): Promise<readonly PeekedMessage[]> {
    const all: PeekedMessage[] = [];
    for (let from = "1"; ;) {
      const page = await queue.peek(queueName, { deadLetter: false, fromSequenceNumber: from, maxCount: 250 });
      const last = page.at(-1);
      if (last === undefined) return all;
      all.push(...page);
      from = String(BigInt(last.sequenceNumber) + 1n);
    }
  }

  return {
    api,
    bus,
    queue,
    bells,
    bellIdsOf: async (jobId, queueName) =>
      (await bells(queueName)).map(({ messageId }) => messageId).filter((id) => id.startsWith(`${jobId}:`)),
    async another(options) {
      const other = await startTestApi(queue, { pools, stores, ...options });
      others.push(other);
      return other;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([api, ...others].map((one) => one[Symbol.asyncDispose]()));
      await queue.close();
      await bus.close();
    },
  };
}
