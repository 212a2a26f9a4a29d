/** Submits one job or many, into a batch of the caller's choice. */
import { useRef } from "react";
import { useQueryClient } from "@tanstack/react-query";
import type { JobServiceClient, JobSubmission, SubmitJobBody } from "../../runtime/client/index.ts";
import { useSendOnce } from "./send-once.ts";
import { useClient } from "./session.ts";

/** Where the jobs go. */
export type BatchChoice =
  /** The tenant's batch of the day. */
  | { readonly kind: "day" }
  | { readonly kind: "existing"; readonly batchId: string }
  | { readonly kind: "new"; readonly batchName: string; readonly pool: string };

export interface RefusedLine {
  /** Counts from 0 in the order of the jobs. */
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

export interface ManySubmitted {
  readonly submitted: number;
  readonly refused: readonly RefusedLine[];
  readonly batchId: string | undefined;
}

export interface SubmitManyOptions {
  /** The same key for the same jobs: what was sent before a break is not submitted twice. */
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  readonly onProgress: (soFar: ManySubmitted) => void;
}

/** How often progress is shown. */
const SHOWN_EVERY = 100;

export function useSubmit(tenantName: string) {
  const client = useClient();
  const queries = useQueryClient();
  const [job, batch] = [useSendOnce(), useSendOnce()];
  /** A batch that was made for a submit that was then refused is used by the next try. */
  const made = useRef(new Map<string, string>());
  const batchOf = async (choice: BatchChoice): Promise<string | undefined> => {
    if (choice.kind === "day") return undefined;
    if (choice.kind === "existing") return choice.batchId;
    const key = JSON.stringify([tenantName, choice]);
    const batchId =
      made.current.get(key) ??
      (await batch.send(key, (idempotencyKey) => createBatch(client, tenantName, choice, idempotencyKey)));
    made.current.set(key, batchId);
    return batchId;
  };
  const done = (): void => {
    made.current.clear();
    void queries.invalidateQueries({ queryKey: ["jobs"] });
    void queries.invalidateQueries({ queryKey: ["batches"] });
  };
  return {
    /** Whether the last job may have been accepted. */
    isUnknown: () => job.isUnknown(),
    /** Without a key it gets one of its own. */
    async one(body: SubmitJobBody, choice: BatchChoice, key: string | undefined): Promise<string> {
      const batchId = await batchOf(choice);
      const jobId = await job.send([body, batchId, key], (ownKey) =>
        client.management.submitJob(body, batchId, { idempotencyKey: key ?? ownKey }),
      );
      done();
      return jobId;
    },
    async many(jobs: readonly JobSubmission[], choice: BatchChoice, options: SubmitManyOptions) {
      const { idempotencyKey, signal, onProgress } = options;
      const batchId = await batchOf(choice);
      const refused: RefusedLine[] = [];
      let submitted = 0;
      const state = (): ManySubmitted => ({ submitted, refused: [...refused], batchId });
      for await (const result of client.management.submitJobs(jobs, batchId, { idempotencyKey, signal })) {
        if ("jobId" in result) submitted++;
        else refused.push({ index: result.index, ...result.error });
        if ((submitted + refused.length) % SHOWN_EVERY === 0) onProgress(state());
      }
      done();
      return state();
    },
  };
}

const createBatch = (
  { management }: JobServiceClient,
  tenantName: string,
  { batchName, pool }: Extract<BatchChoice, { readonly kind: "new" }>,
  idempotencyKey: string,
): Promise<string> =>
  management.createBatch({ tenantName, batchName, ...(pool !== "" && { pool }) }, { idempotencyKey });
