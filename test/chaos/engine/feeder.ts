/**
 * Submits the jobs of a run to batches, one batch after the other, and closes each when it is full. Some batches are
 * canceled while their last jobs arrive. Jobs that such a batch refuses go into the next one.
 */
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobRequestBody } from "../../../runtime/core/http/requests.ts";
import { type ChaosClient, expected } from "./client.ts";
import type { Commander } from "./commander.ts";

export interface FeederDeps {
  readonly client: ChaosClient;
  readonly commander: Pick<Commander, "cancelBatch">;
  readonly batchStore: Pick<BatchStore, "get">;
  /** Batches are theirs in turns. */
  readonly tenants: readonly string[];
  readonly jobs: readonly JobRequestBody[];
  readonly batchSize: number;
  /** Numbers of the batches to cancel, from 0. */
  readonly victims: ReadonlySet<number>;
}

export interface Feeder {
  /** The batches, as they were when created. */
  readonly batches: readonly Batch[];
  readonly accepted: readonly string[];
  /** All jobs are accepted and all batches closed. */
  readonly done: boolean;
  /** Submits a few jobs. One call at a time. */
  feed(): Promise<void>;
}

const SUBMIT_AT_ONCE = 20;

export function createFeeder(deps: FeederDeps): Feeder {
  const { client, commander, batchStore, tenants, batchSize, victims } = deps;
  const batches: Batch[] = [];
  const accepted: string[] = [];
  let rest = deps.jobs;
  /** The current batch, and how many more jobs it takes. */
  let current: { readonly batchId: string; room: number } | undefined;

  async function openBatch(): Promise<{ readonly batchId: string; room: number }> {
    const tenantName = tenants[batches.length % tenants.length] ?? "";
    const batchId = await client.createBatch(tenantName, `Chaos ${batches.length + 1}`);
    const stored = await batchStore.get(batchId);
    if (stored === undefined) throw new Error(`The batch ${batchId} does not exist.`);
    batches.push(stored.value);
    return { batchId, room: batchSize };
  }

  return {
    batches,
    accepted,
    get done() {
      return rest.length === 0 && current === undefined;
    },
    async feed() {
      current ??= await openBatch();
      const { batchId } = current;
      const { tenantName = "" } = batches.at(-1) ?? {};
      const jobs = rest.slice(0, Math.min(SUBMIT_AT_ONCE, current.room)).map((job) => ({ ...job, tenantName }));
      current.room -= jobs.length;
      const isLast = current.room === 0 || jobs.length === rest.length;
      const isVictim = isLast && victims.has(batches.length - 1);
      const [outcome] = await Promise.all([
        client.submit(batchId, jobs),
        isVictim ? commander.cancelBatch(batchId) : undefined,
      ]);
      accepted.push(...outcome.accepted);
      rest = [...outcome.refused, ...rest.slice(jobs.length)];
      if (!isLast) return;
      if (!isVictim) expected(await client.command(`/batches/${batchId}/close`, {}));
      current = undefined;
    },
  };
}
