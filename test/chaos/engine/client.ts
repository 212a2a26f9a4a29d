/** The API as a patient caller uses it: what is not answered is submitted again, and may then be there twice. */
import { setTimeout as pause } from "node:timers/promises";
import type { JobRequestBody } from "../../../runtime/core/requests.ts";
import type { BatchView } from "../../../runtime/core/views.ts";
import type { Authorize } from "../../../runtime/local/identity/token-client.ts";

export interface ChaosClient {
  createBatch(tenantName: string): Promise<string>;
  /** Ids of the accepted jobs, as many as were given. */
  submit(batchId: string, jobs: readonly JobRequestBody[]): Promise<readonly string[]>;
}

const PATIENCE_MS = 120_000;
const PAUSE_MS = 250;
/** A paused API answers late; its caller does not wait for it longer than this. */
const ANSWER_WITHIN_MS = 10_000;

export function createChaosClient(apiUrl: string, authorize: Authorize): ChaosClient {
  async function post<T>(path: string, body: unknown): Promise<T> {
    const response = await fetch(`${apiUrl}/v1${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: await authorize() },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async function patiently<T>(step: () => Promise<T>): Promise<T> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (performance.now() > until) throw error;
        await pause(PAUSE_MS);
      }
    }
  }

  return {
    async createBatch(tenantName) {
      const { batchId } = await patiently(() => post<BatchView>("/batches", { tenantName, batchName: "Chaos" }));
      return batchId;
    },
    async submit(batchId, jobs) {
      const accepted: string[] = [];
      for (let rest = jobs; rest.length > 0; rest = jobs.slice(accepted.length)) {
        const { results } = await patiently(() =>
          post<{ results: readonly { readonly jobId?: string }[] }>("/jobs/bulk", { batchId, jobs: rest }),
        );
        accepted.push(...results.flatMap(({ jobId }) => (jobId === undefined ? [] : [jobId])));
        if (results.some(({ jobId }) => jobId === undefined)) await pause(PAUSE_MS);
      }
      return accepted;
    },
  };
}
