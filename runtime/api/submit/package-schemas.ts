/**
 * The schemas of parameters in published packages, by version. A version never changes, so it is read once. Only packages that
 * are known to have schemas are read at all.
 */
import { PackageError, UnreadableError } from "../../core/errors.ts";
import { KNOWN_SCHEMAS_MAX_COUNT } from "../../core/limits.ts";
import type { JsonSchema } from "../../core/package/json-schema.ts";
import type { PackageCatalog } from "../../core/ports/package-store.ts";
import { manifestIn } from "../../package/read/inspect-package.ts";

export interface PackageVersionName {
  readonly tenantName: string;
  readonly packageName: string;
  readonly sha256: string;
}

/** By job type. Types without a schema are left out. */
export type SchemasOfParameters = ReadonlyMap<string, JsonSchema>;

/** Throws UnavailableError. A version that is gone or cannot be read has none: a worker says what is wrong with it. */
export type ReadSchemasOf = (version: PackageVersionName) => Promise<SchemasOfParameters>;

export function createPackageSchemas(packages: Pick<PackageCatalog, "fetchVersion">): ReadSchemasOf {
  /** The latest used last. Versions of other tenants with the same bytes have the same schemas. */
  const known = new Map<string, Promise<SchemasOfParameters>>();

  async function read({ tenantName, packageName, sha256 }: PackageVersionName): Promise<SchemasOfParameters> {
    const bytes = await packages.fetchVersion(tenantName, packageName, sha256);
    if (bytes === undefined) {
      // It may have been replaced just now.
      known.delete(sha256);
      return new Map();
    }
    try {
      const { jobs } = await manifestIn(bytes);
      return new Map(jobs.flatMap(({ jobType, parameters }) => (parameters ? [[jobType, parameters]] : [])));
    } catch (error) {
      if (error instanceof PackageError || error instanceof UnreadableError) return new Map();
      throw error;
    }
  }

  return (version) => {
    const { sha256 } = version;
    const schemas = known.get(sha256) ?? read(version);
    known.delete(sha256);
    known.set(sha256, schemas);
    // Waiting requests get the error. The next request reads again.
    schemas.catch(() => known.delete(sha256));
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size > KNOWN_SCHEMAS_MAX_COUNT) known.delete(oldest);
    return schemas;
  };
}
