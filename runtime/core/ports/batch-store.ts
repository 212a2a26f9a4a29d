/** Batches as rows. */
import type { Batch } from "../job/job.ts";
import type { OnUnreadable, Page, PageRequest, Stored } from "./stored.ts";

export interface BatchStore {
  /** Inserts the batch unless it exists; returns the stored one. */
  create(batch: Batch): Promise<Batch>;
  get(batchId: string): Promise<Stored<Batch> | undefined>;
  /** Writes on the given version. Not written: `current` is the batch as read afterwards. */
  update(batchId: string, etag: string, changes: BatchChanges): Promise<BatchWriteResult>;
  /** Batches of all tenants that are not at rest. */
  active(onUnreadable?: OnUnreadable): AsyncIterable<Stored<Batch>>;
  /** Newest first. Throws InvalidRequestError for a token it did not make. */
  list(tenantName: string, request: PageRequest): Promise<Page<Batch>>;
}

/** `undefined` clears a field; an absent one stays. */
export type BatchChanges = {
  readonly [K in MutableBatchField]?: Batch[K];
};

type MutableBatchField =
  | "state"
  | "generation"
  | "completedGeneration"
  | "completedAt"
  | "unannounced"
  | "failureNotice"
  | "atRest"
  | "forgetAt"
  | "forgottenAt"
  | "frozenCounts"
  | "indexedAt";

export type BatchWriteResult =
  | { readonly written: true; readonly etag: string }
  | { readonly written: false; readonly current: Stored<Batch> | undefined };
