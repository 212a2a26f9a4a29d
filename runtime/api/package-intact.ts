/** Whether the bytes of a published package are still those that were published. */
import { PackageError } from "../core/errors.ts";
import type { PackageStore } from "../core/ports/package-store.ts";

/** Reads the whole package. Throws UnavailableError. */
export async function isIntact(
  packages: Pick<PackageStore, "fetch">,
  tenantName: string,
  packageName: string,
): Promise<boolean> {
  try {
    return (await packages.fetch(tenantName, packageName, undefined)) !== undefined;
  } catch (error) {
    if (error instanceof PackageError) return false;
    throw error;
  }
}
