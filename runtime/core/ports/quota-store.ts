/** What tenants may use, and what they have used. A tenant without a row has no quotas. */
import type { Stored } from "./stored.ts";

export const QUOTA_NAMES = ["jobsPerDay", "storedBytes"] as const;
export type QuotaName = (typeof QUOTA_NAMES)[number];

/** A quota was full: the first time that day, for webhooks. */
export interface FullQuota {
  readonly quota: QuotaName;
  /** As 2030-01-31. */
  readonly day: string;
  readonly at: Date;
  readonly limit: number;
  readonly used: number;
  /** Its deliveries exist. */
  readonly isMade: boolean;
}

export interface TenantQuota {
  readonly tenantName: string;
  /** Jobs that may be submitted in a day (UTC). Undefined: any number. */
  readonly jobsPerDay: number | undefined;
  /** Bytes of packages, inputs, logs and artifacts. Undefined: any number. */
  readonly storedBytes: number | undefined;
  readonly setAt: Date;
  readonly setBy: string;
  /** The day that `jobsTaken` is of, as 2030-01-31; empty: none yet. */
  readonly day: string;
  /** Taken from the quota of that day by API instances, which submit them or not. */
  readonly jobsTaken: number;
  /** As counted last. Undefined: not yet. */
  readonly storedNow: number | undefined;
  readonly storedAt: Date | undefined;
  /** The latest of each quota. Undefined: none was full. */
  readonly full?: readonly FullQuota[] | undefined;
}

export interface QuotaStore {
  get(tenantName: string): Promise<Stored<TenantQuota> | undefined>;
  /** False: the row has another version now, or the answer was lost. `etag` undefined: there must be no row. */
  put(quota: TenantQuota, etag: string | undefined): Promise<boolean>;
  /** Does nothing if there is none. */
  remove(tenantName: string): Promise<void>;
  /** Of all tenants that have quotas. */
  all(): AsyncIterable<Stored<TenantQuota>>;
}

/** Counts what a tenant has stored, blob by blob. Throws UnavailableError. */
export type CountStored = (tenantName: string) => Promise<number>;
