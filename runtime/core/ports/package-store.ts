/** Job packages as blobs: to run them (PackageStore), and to look after them (PackageCatalog). */
import type { DeclaredSetting } from "../package/manifest-settings.ts";
import type { Page, PageRequest } from "./stored.ts";

/** A package as stored: `version` changes with every upload. */
export interface PackageBlob {
  readonly bytes: Uint8Array;
  /** Of the bytes, in hexadecimal. */
  readonly sha256: string;
  readonly version: string;
}

export interface PackageStore {
  /**
   * The package, `"unchanged"` when its version is the known one, or undefined when there is none of this exact name.
   * Throws PackageError "PackageCorrupt" when the bytes are not those whose SHA-256 was recorded at the upload.
   */
  fetch(
    tenantName: string,
    packageName: string,
    knownVersion: string | undefined,
  ): Promise<PackageBlob | "unchanged" | undefined>;
  /**
   * Creates or replaces; the version that was there before is kept. Resolves to when it was written, after
   * PACKAGE_SETTLES_MS if it replaced one: no attempt that begins later runs the version before.
   */
  upload(tenantName: string, packageName: string, bytes: Uint8Array, facts?: PackageFacts): Promise<Date>;
}

/** The packages of a tenant, to list, restore and delete them. */
export interface PackageCatalog extends PackageStore {
  /** By name. Throws InvalidRequestError for a token it did not make. */
  list(tenantName: string, request: PageRequest): Promise<Page<StoredPackage>>;
  get(tenantName: string, packageName: string): Promise<StoredPackage | undefined>;
  /** Of all tenants, read page by page while they are consumed. */
  all(): AsyncIterable<StoredPackage & { readonly tenantName: string }>;
  /** Newest first: the current one, and up to PACKAGE_VERSIONS_KEPT before it. Empty: no such package. */
  versions(tenantName: string, packageName: string): Promise<readonly PackageVersion[]>;
  /** The ZIP of a version that is kept. Copies whose bytes do not have that SHA-256 are passed over. */
  fetchVersion(tenantName: string, packageName: string, sha256: string): Promise<Uint8Array | undefined>;
  /**
   * Makes a version the current one again, unless its bytes are the current ones already. False: there is no such
   * version.
   */
  restore(tenantName: string, packageName: string, sha256: string, restoredBy: string): Promise<boolean>;
  /** With all its versions; resolves after PACKAGE_SETTLES_MS. False: there was none. */
  remove(tenantName: string, packageName: string): Promise<boolean>;
}

/**
 * Facts about a package that was published through the API. A package that was put into the container otherwise has
 * none.
 */
export interface PackageFacts {
  readonly sha256: string;
  readonly uploadedBy: string;
  /** Undefined: too many to be noted. */
  readonly jobTypes: readonly string[] | undefined;
  /** Timers it declares. Default 0. */
  readonly timerCount?: number;
  /** Job types whose parameters have a schema. Default 0. */
  readonly schemaCount?: number;
  /** Job types with limits. Default 0. */
  readonly limitedCount?: number;
  /** Settings it declares. Default: none. */
  readonly settings?: readonly DeclaredSetting[];
}

export interface StoredPackage extends Partial<PackageFacts> {
  readonly packageName: string;
  readonly bytes: number;
  readonly uploadedAt: Date;
}

export interface PackageVersion extends Omit<StoredPackage, "packageName"> {
  readonly isCurrent: boolean;
  /** Of all uploads of this version that are kept, the first: the same however often it is published or restored. */
  readonly publishedAt: Date;
}
