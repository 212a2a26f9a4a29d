/** Which tenants may use the identity that a pool gives to its jobs, and for which services of Azure. */

export interface IdentityGrant {
  readonly tenantName: string;
  readonly pool: string;
  /** As in manifests: `https://management.azure.com`. At least one. */
  readonly audiences: readonly string[];
  readonly grantedAt: Date;
  readonly grantedBy: string;
}

/** What a worker needs. */
export interface IdentityGrantReader {
  /** Undefined: the tenant may not use the identity of this pool. */
  get(tenantName: string, pool: string): Promise<IdentityGrant | undefined>;
}

export interface IdentityGrantStore extends IdentityGrantReader {
  /** All of a tenant's, by pool. */
  of(tenantName: string): Promise<readonly IdentityGrant[]>;
  /** Adds the grant, or replaces the existing one. */
  put(grant: IdentityGrant): Promise<void>;
  /** False: there was none. */
  remove(tenantName: string, pool: string): Promise<boolean>;
}
