/** Tenants, and who may act for them. */
import type { Grant } from "../http/access.ts";
import type { Page, PageRequest } from "./stored.ts";

export interface Tenant {
  readonly tenantName: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  /** Its share of slots in proportion to other tenants. Undefined: DEFAULT_WEIGHT. */
  readonly weight?: number | undefined;
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
  /** Resolves to the changed tenant. Undefined: there is none. */
  setWeight(tenantName: string, weight: number): Promise<Tenant | undefined>;
  /** By name. Throws InvalidRequestError for a token it did not make. */
  list(request: PageRequest): Promise<Page<Tenant>>;
  /** Takes all grants first, then the tenant; broken off, it can be called again. False: there was none. */
  remove(tenantName: string): Promise<boolean>;
  /** All grants of one principal. */
  grantsOf(principalId: string): Promise<readonly TenantGrant[]>;
  /** All grants on a tenant, by principal. Throws InvalidRequestError for a token it did not make. */
  listGrants(tenantName: string, request: PageRequest): Promise<Page<TenantGrant>>;
  /** Adds the grant, or replaces the existing one. */
  putGrant(grant: TenantGrant): Promise<void>;
  /** False: there was none. */
  removeGrant(tenantName: string, principalId: string): Promise<boolean>;
}
