/** The API over memory, with a queue that tests look into. */
import type { JobQueue, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { apiQueue, apiStores } from "../stores/api-stores.ts";
import { startTestApi, type TestApi, type TestApiOptions } from "./test-api.ts";

export interface ApiWithQueue extends AsyncDisposable {
  readonly api: TestApi;
  readonly queue: JobQueue;
  /** Sends what is no bell, as message `poison-…`. */
  post(queueName: string, body: unknown): Promise<void>;
  /** Bells that wait in a queue, scheduled ones too. */
  bells(queueName?: string): Promise<readonly PeekedMessage[]>;
  /** Ids of the bells that wait for a job. */
  bellIdsOf(jobId: string, queueName?: string): Promise<readonly string[]>;
  /** Another API over the same stores and queue; ends with this one. */
  another(options: TestApiOptions): Promise<TestApi>;
}

const QUEUE = "jobs-default-normal";

export async function startApiWithQueue(pools: readonly string[] = [DEFAULT_POOL]): Promise<ApiWithQueue> {
  const backing = await apiQueue(pools);
  const queue = backing.connect();
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
    queue,
    post: (queueName, body) => backing.post(queueName, body),
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
      await backing[Symbol.asyncDispose]();
    },
  };
}
