/**
 * Removes for good: rows and blobs of jobs that are forgotten, or of a tenant that is erased. Every call can be repeated: what
 * is gone counts as removed. Only the sweeper's leader and the erasing of a tenant use it.
 */
import type { KeyName } from "../job/keys.ts";
import type { Batch, Job } from "../job/job.ts";
import type { OnUnreadable, Stored } from "./stored.ts";

/** Part of a table, read in order. */
export interface Part<T> {
  readonly items: readonly T[];
  /** Where to go on, for the same kind of call. Undefined: the end was reached. */
  readonly next: string | undefined;
}

export interface PartRequest {
  /** Undefined: from the beginning. */
  readonly from: string | undefined;
  readonly onUnreadable?: OnUnreadable | undefined;
}

/** Rows of a tenant that are removed without being read. `limits`: of its lines; `deliveries`: of its webhooks. */
export type TenantRowKind =
  "jobs" | "counters" | "batches" | "keys" | "index" | "limits" | "timers" | "actions" | "webhooks" | "deliveries";

/** Which blobs: all of one batch's jobs, or all of a tenant's jobs. */
export type BlobsOf = { readonly batchId: string } | { readonly tenantName: string };

export interface Removal {
  /** Batches of all tenants, or of one. */
  batches(request: PartRequest & { readonly tenantName?: string }): Promise<Part<Stored<Batch>>>;
  /** Jobs of a batch, shard by shard. */
  jobs(batch: Batch, request: PartRequest): Promise<Part<Stored<Job>>>;
  /** Removes a job's row if it still has this version (R45). False: it has another one. Its counter stays (R48). */
  job(jobId: string, etag: string): Promise<boolean>;
  /** Removes the counter rows of a batch without jobs. */
  counters(batch: Batch): Promise<void>;
  /** Removes a batch's row if it still has this version (R49). False: it has another one. */
  batch(batchId: string, etag: string): Promise<boolean>;
  /** Removes a key if it names this job. */
  key(tenantName: string, name: KeyName, id: string): Promise<void>;
  logs(jobId: string, claimIds: readonly string[]): Promise<void>;
  artifacts(jobId: string): Promise<void>;
  parameters(jobId: string): Promise<void>;
  /** Removes up to `maxCount` logs, artifacts and parameters. Resolves to their number; fewer: there are no more. */
  blobs(of: BlobsOf, maxCount: number): Promise<number>;
  /** The same with a tenant's packages, all their versions included. */
  packages(tenantName: string, maxCount: number): Promise<number>;
  /** Jobs of a tenant that are queued or running, also those whose batch is gone. A part may be empty and not the last. */
  openJobs(tenantName: string, request: Pick<PartRequest, "from">): Promise<Part<Stored<Job>>>;
  /** Removes a page of the tenant's rows, whatever their versions. Resolves to their number; 0: there are none. */
  rows(tenantName: string, kind: TenantRowKind): Promise<number>;
}
