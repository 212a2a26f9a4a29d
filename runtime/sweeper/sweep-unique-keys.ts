/** Removes holds on unique keys whose jobs have ended: a page of the table at each call, and a pause between two passes. */
import { isTerminal } from "../core/job/states.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { UniqueKeyStore } from "../core/ports/unique-key-store.ts";
import type { Clock } from "../core/clock.ts";

export interface UniqueKeySweepDeps {
  readonly uniqueKeys: Pick<UniqueKeyStore, "removeOver">;
  readonly jobs: Pick<JobStore, "get">;
  readonly now: Clock["now"];
}

export interface UniqueKeySweep {
  /** Resolves to the number of holds removed. Throws UnavailableError. */
  sweep(): Promise<number>;
}

/** Younger ones are left: a submit may still be under way. */
const AGE_MS = 24 * 60 * 60_000;
const PASS_EVERY_MS = 60 * 60_000;

/** A key is free when its job has ended, also while its row is there. So this keeps the table small and nothing else. */
export function createUniqueKeySweep({ uniqueKeys, jobs, now }: UniqueKeySweepDeps): UniqueKeySweep {
  let continuationToken: string | undefined;
  let nextPassAt = 0;
  return {
    async sweep() {
      if (now().getTime() < nextPassAt) return 0;
      const isOver = async ({ jobId }: { readonly jobId: string }): Promise<boolean> => {
        const job = await jobs.get(jobId);
        return job === undefined || isTerminal(job.value.state);
      };
      const before = new Date(now().getTime() - AGE_MS);
      const result = await uniqueKeys.removeOver(before, isOver, continuationToken);
      continuationToken = result.continuationToken;
      if (continuationToken === undefined) nextPassAt = now().getTime() + PASS_EVERY_MS;
      return result.removed;
    },
  };
}
