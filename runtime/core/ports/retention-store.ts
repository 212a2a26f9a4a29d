/** How long tenants want what is left of their jobs kept. */
import type { TenantRetention } from "../job/retention.ts";

export interface RetentionStore {
  /** Undefined: the tenant has the defaults. */
  get(tenantName: string): Promise<TenantRetention | undefined>;
  put(retention: TenantRetention): Promise<void>;
  /** The tenant has the defaults again. Resolves if it had before, too. */
  remove(tenantName: string): Promise<void>;
  /** Of all tenants that have set theirs. */
  all(): Promise<readonly TenantRetention[]>;
}
