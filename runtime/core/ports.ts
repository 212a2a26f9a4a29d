/**
 * What the API and the workers need from the world: tables, messages and blobs, in the system's own words. Adapters in
 * runtime/azure implement them; every method may throw UnavailableError, which says that trying later may help.
 */
import type { Bell, BellParse } from "./bell.ts";
import type { PublishedEvent } from "./events.ts";
import type { Grant } from "./grants.ts";
import type { Batch, Job } from "./job.ts";
import type { KeyName, KeyRecord } from "./keys.ts";
import type { ReleasePointer } from "./release.ts";
import type { JobState, StateCounts } from "./states.ts";
import type { CancelIntent, WorkerRecord } from "./worker-record.ts";

// --- Rows ------------------------------------------------------------------------------------------------------------

export interface Stored<T> {
  readonly value: T;
  readonly etag: string;
}

/**
 * A conditional write was made, or it was refused, or its fate is unknown (a lost answer). In the last two cases
 * `current` is the row as read afterwards, and the caller decides by the protocol again: its own write may be in it.
 */
export type WriteResult =
  | { readonly written: true; readonly etag: string }
  | { readonly written: false; readonly current: Stored<Job> | undefined };

/** The fields of a job that change after submit. `undefined` clears a field; an absent one stays. */
export type JobChanges = {
  readonly [K in MutableJobField]?: Job[K];
};

type MutableJobField =
  | "ring"
  | "attempts"
  | "interruptions"
  | "executions"
  | "claim"
  | "cancelWanted"
  | "reopen"
  | "runAt"
  | "expiresAt"
  | "startedAt"
  | "endedAt"
  | "progress"
  | "output"
  | "artifactCount"
  | "failure"
  | "packageHash"
  /** Entries given here are written beside those already kept; an entry of the same `execution` is replaced. */
  | "history";

export interface JobUpdate {
  readonly jobId: string;
  /** The row must still have this ETag. */
  readonly etag: string;
  readonly from: JobState;
  readonly to: JobState;
  readonly changes: JobChanges;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; absent on the last page. */
  readonly continuationToken: string | undefined;
}

export interface PageRequest {
  readonly pageSize: number;
  readonly continuationToken?: string | undefined;
}

/** Jobs and their exact counts. Writes of one process to one partition that wait at the same time leave together. */
export interface JobStore {
  /** Inserts a queued row, its counter with it. Not written: the id exists, or the answer was lost. */
  insert(job: Job): Promise<WriteResult>;
  get(jobId: string): Promise<Stored<Job> | undefined>;
  /** A legal transition on an exact ETag, counters with it. Throws InvariantError for an illegal one. */
  update(update: JobUpdate): Promise<WriteResult>;
  /** Jobs in the order of their ids, shard by shard. Throws InvalidRequestError for a token it did not make. */
  list(batch: Batch, request: PageRequest & { readonly state?: JobState | undefined }): Promise<Page<Job>>;
  /** The sum of all writers' counters: equals the members' states at every moment nobody writes. */
  counts(batch: Batch): Promise<StateCounts>;
  /** The same sum, with the versions of the rows it was made from. */
  snapshot(batch: Batch): Promise<CounterSnapshot>;
  /** All jobs of a batch in one state, as stored; read page by page while they are consumed. */
  scan(batch: Batch, state: JobState): AsyncIterable<Stored<Job>>;
}

export interface CounterSnapshot {
  readonly counts: StateCounts;
  /** The same text if, and only if, no counter was written between two snapshots. */
  readonly version: string;
  /** When a counter was last written, by the service's clock; undefined: there is none. */
  readonly changedAt: Date | undefined;
}

export interface BatchStore {
  /** Inserts the batch unless it exists; returns the stored one. */
  create(batch: Batch): Promise<Batch>;
  get(batchId: string): Promise<Stored<Batch> | undefined>;
  /** Writes on the given version. Not written: `current` is the batch as read afterwards. */
  update(batchId: string, etag: string, changes: BatchChanges): Promise<BatchWriteResult>;
  /** Batches of all tenants that are not at rest. */
  active(): AsyncIterable<Stored<Batch>>;
  /** Newest first. Throws InvalidRequestError for a token it did not make. */
  list(tenantName: string, request: PageRequest): Promise<Page<Batch>>;
}

/** `undefined` clears a field; an absent one stays. */
export type BatchChanges = {
  readonly [K in "state" | "generation" | "completedGeneration" | "completedAt" | "atRest"]?: Batch[K];
};

export type BatchWriteResult =
  | { readonly written: true; readonly etag: string }
  | { readonly written: false; readonly current: Stored<Batch> | undefined };

// --- Tenants ---------------------------------------------------------------------------------------------------------

export interface Tenant {
  readonly tenantName: string;
  readonly createdAt: Date;
  readonly createdBy: string;
}

export interface TenantGrant extends Grant {
  /** Object id of the user or application. */
  readonly principalId: string;
  /** Of the principal, for people. */
  readonly name: string;
  readonly grantedAt: Date;
  readonly grantedBy: string;
}

/** Tenants, and who may act for them. */
export interface TenantStore {
  /** Inserts the tenant unless it exists; returns the stored one. */
  create(tenant: Tenant): Promise<Tenant>;
  get(tenantName: string): Promise<Tenant | undefined>;
  /** By name. Throws InvalidRequestError for a token it did not make. */
  list(request: PageRequest): Promise<Page<Tenant>>;
  /** Takes all grants first, then the tenant; broken off, it can be called again. False: there was none. */
  remove(tenantName: string): Promise<boolean>;
  /** All grants of one principal. */
  grantsOf(principalId: string): Promise<readonly TenantGrant[]>;
  /** All grants on a tenant, by principal. Throws InvalidRequestError for a token it did not make. */
  listGrants(tenantName: string, request: PageRequest): Promise<Page<TenantGrant>>;
  /** Gives the grant, or replaces the one there is. */
  putGrant(grant: TenantGrant): Promise<void>;
  /** False: there was none. */
  removeGrant(tenantName: string, principalId: string): Promise<boolean>;
}

/** Which keys of callers stand for which jobs and batches. */
export interface KeyStore {
  /** In the order of the names; expired ones are not there. */
  find(tenantName: string, names: readonly KeyName[], expiredBefore: Date): Promise<readonly (KeyRecord | undefined)[]>;
  /**
   * Inserts each wish unless its key is taken, replacing expired ones; resolves to what each key stands for then, in the
   * order given. A record with the wished id is the wish itself: ids are never used twice. Keys must differ. When this
   * throws UnavailableError, any of the wishes may have been inserted, or still be.
   */
  reserve(tenantName: string, wishes: readonly KeyWish[], expiredBefore: Date): Promise<readonly KeyRecord[]>;
  /** Removes expired keys of all tenants, a part of the table at a time. */
  removeExpired(expiredBefore: Date, continuationToken: string | undefined): Promise<RemovedKeys>;
}

export interface KeyWish extends KeyName, KeyRecord {}

export interface RemovedKeys {
  readonly removed: number;
  /** Where to go on; absent: the end of the table was reached. */
  readonly continuationToken: string | undefined;
}

// --- Workers ---------------------------------------------------------------------------------------------------------

export interface WorkerStore {
  /**
   * Writes the worker's row. On its own ETag; `etag` undefined replaces whatever an earlier boot left. Not written:
   * somebody left an intent, which is in `current`.
   */
  beat(record: WorkerRecord, etag: string | undefined): Promise<BeatResult>;
  get(pool: string, workerId: string): Promise<WorkerRecord | undefined>;
  /** All workers of a pool, or of all pools. */
  list(pool?: string): Promise<readonly WorkerRecord[]>;
  /** Leaves the intent on the worker's row; does nothing when there is no such row. */
  requestCancel(pool: string, workerId: string, intent: CancelIntent): Promise<void>;
  requestDrain(pool: string, workerId: string): Promise<void>;
}

export type BeatResult =
  | { readonly written: true; readonly etag: string }
  | { readonly written: false; readonly current: Stored<WorkerRecord> | undefined };

/** One process at a time holds it; a holder that dies loses it within `durationMs`. */
export interface LeaderLease {
  /** Whether this process holds the lease now; tries to get it, or to keep it. Throws UnavailableError. */
  hold(): Promise<boolean>;
  release(): Promise<void>;
}

// --- Messages --------------------------------------------------------------------------------------------------------

export interface OutgoingBell {
  readonly bell: Bell;
  /** `bellMessageId(...)`; a repeat within the duplicate window is swallowed by the broker. */
  readonly messageId: string;
  /** Not delivered before. */
  readonly enqueueAt?: Date | undefined;
}

/** A received message under lock. A settlement that comes too late throws LockLostError. */
export interface Delivery {
  readonly parsed: BellParse;
  readonly messageId: string;
  readonly queue: string;
  /** Unique per queue, unchanged by redelivery. */
  readonly sequenceNumber: string;
  /** From 1. */
  readonly deliveryCount: number;
  /** When the broker ends the lock, by the broker's clock, in ms since the epoch. */
  readonly lockedUntil: number;
  /** Starts the lock's time again; resolves to the new end. */
  renew(): Promise<number>;
  complete(): Promise<void>;
  /** Gives the message back at once. */
  abandon(): Promise<void>;
  /** At most 4,096 characters each. */
  deadLetter(reason: string, description: string): Promise<void>;
}

export interface BellReceiver {
  /** The next message, or undefined when none came within `waitMs` or the receiver was closed. One call at a time. */
  receive(waitMs: number): Promise<Delivery | undefined>;
  /** Returns waiting calls; messages already received can still be settled. */
  close(): Promise<void>;
}

export interface JobQueue {
  /** Sends all, in as few messages as the broker takes; resolves when every one is accepted. */
  send(queue: string, bells: readonly OutgoingBell[]): Promise<void>;
  /** A receiver with its own link. */
  receiver(queue: string): BellReceiver;
  /** Messages from a sequence number on, oldest first, locked and scheduled ones too, without locking any. */
  peek(queue: string, request: PeekRequest): Promise<readonly PeekedMessage[]>;
  /**
   * Takes dead letters under lock, oldest first, up to `maxCount`; fewer when there are no more. Each must be completed
   * (removed) or abandoned (kept).
   */
  takeDeadLetters(queue: string, maxCount: number): Promise<readonly Delivery[]>;
  close(): Promise<void>;
}

export interface PeekRequest {
  readonly deadLetter: boolean;
  /** Default: from the beginning. */
  readonly fromSequenceNumber?: string | undefined;
  /** At most 250: more the service does not give at a time. */
  readonly maxCount: number;
}

export interface PeekedMessage {
  readonly parsed: BellParse;
  readonly messageId: string;
  readonly sequenceNumber: string;
  readonly enqueuedAt: Date;
  /** For dead letters. */
  readonly reason: string | undefined;
  readonly description: string | undefined;
}

// --- Events ----------------------------------------------------------------------------------------------------------

export interface EventPublisher {
  /**
   * Takes an event and returns at once: it is sent when the broker takes it, in the order given, and dropped when too
   * many wait. Never throws.
   */
  publish(event: PublishedEvent): void;
  /** Sends what waits, for a short time, and gives up the rest. */
  close(): Promise<void>;
}

export interface EventSource {
  /**
   * Hands over every event published from the moment this resolves, until the source is closed: also those of other
   * processes, in the order the broker has them, rarely one twice. After a lost connection it goes on by itself; `onGap`
   * says that events may have been missed. Throws UnavailableError.
   */
  listen(onEvent: (event: PublishedEvent) => void, onGap: () => void): Promise<void>;
  close(): Promise<void>;
}

// --- Blobs -----------------------------------------------------------------------------------------------------------

/** A package as stored: `version` changes with every upload. */
export interface PackageBlob {
  readonly bytes: Uint8Array;
  readonly version: string;
}

export interface PackageStore {
  /** The package, `"unchanged"` when its version is the known one, or undefined when there is none of this exact name. */
  fetch(
    tenantName: string,
    packageName: string,
    knownVersion: string | undefined,
    signal?: AbortSignal,
  ): Promise<PackageBlob | "unchanged" | undefined>;
  /** Creates or replaces; the version that was there before is kept. Resolves to when it was written. */
  upload(tenantName: string, packageName: string, bytes: Uint8Array, facts?: PackageFacts): Promise<Date>;
}

/** The packages of a tenant as its people look after them. */
export interface PackageCatalog extends Pick<PackageStore, "upload"> {
  /** By name. Throws InvalidRequestError for a token it did not make. */
  list(tenantName: string, request: PageRequest): Promise<Page<StoredPackage>>;
  get(tenantName: string, packageName: string): Promise<StoredPackage | undefined>;
  /** Newest first: the current one, and up to PACKAGE_VERSIONS_KEPT before it. Empty: no such package. */
  versions(tenantName: string, packageName: string): Promise<readonly PackageVersion[]>;
  /** Makes an older version the current one again. False: there is no such version. */
  restore(tenantName: string, packageName: string, sha256: string, restoredBy: string): Promise<boolean>;
  /** With all its versions. False: there was none. */
  remove(tenantName: string, packageName: string): Promise<boolean>;
}

/** What is known of a package that came through the API; one put into the container by other means has none of it. */
export interface PackageFacts {
  readonly sha256: string;
  readonly uploadedBy: string;
  /** Undefined: too many to be noted. */
  readonly jobTypes: readonly string[] | undefined;
}

export interface StoredPackage extends Partial<PackageFacts> {
  readonly packageName: string;
  readonly bytes: number;
  readonly uploadedAt: Date;
}

export interface PackageVersion extends Omit<StoredPackage, "packageName"> {
  readonly isCurrent: boolean;
}

export interface Artifact {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
}

/** What attempts read and leave behind. Paths contain the claim id, because blobs are not fenced. */
export interface JobFiles {
  putParameters(jobId: string, json: string): Promise<void>;
  getParameters(jobId: string): Promise<string | undefined>;
  putArtifact(jobId: string, claimId: string, path: string, localFile: string, signal?: AbortSignal): Promise<void>;
  listArtifacts(jobId: string, claimId: string): Promise<readonly Artifact[]>;
  /** Undefined: no such artifact. */
  openArtifact(jobId: string, claimId: string, path: string): Promise<OpenedBlob | undefined>;
  /** Starts a log; `append` may be called any number of times, one at a time. */
  appendLog(jobId: string, claimId: string, chunk: Uint8Array): Promise<void>;
  /** From a byte on; a log that has no more yet is an empty one. Undefined: there is none. */
  openLog(jobId: string, claimId: string, fromByte?: number): Promise<OpenedBlob | undefined>;
}

export interface OpenedBlob {
  readonly bytes: number;
  readonly contentType: string;
  readonly stream: AsyncIterable<Uint8Array>;
}

export interface ReleaseReader {
  /** Undefined while there is none, as in the moment between the old and the new one. */
  current(signal: AbortSignal): Promise<ReleasePointer | undefined>;
}
