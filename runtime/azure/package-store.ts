/** Job packages in container `jobprocessorfiles`, one blob per tenant and package name; the ETag is the version. */
import { InvalidRequestError, PackageError } from "../core/errors.ts";
import { PACKAGE_MAX_BYTES } from "../core/limits.ts";
import type { PackageStore } from "../core/ports.ts";
import { CONTAINERS } from "../core/topology.ts";
import { packageBlobName } from "./blob-names.ts";
import type { StorageClients } from "./connect.ts";
import { openBlob, readAll } from "./open-blob.ts";
import { storageError } from "./translate-error.ts";

export function createPackageStore({ storage }: { readonly storage: Pick<StorageClients, "blobs"> }): PackageStore {
  const container = storage.blobs.getContainerClient(CONTAINERS.packages);

  return {
    async fetch(tenantName, packageName, knownVersion, signal) {
      const name = packageBlobName(tenantName, packageName);
      if (name === undefined) return undefined;
      const opened = await openBlob(container.getBlobClient(name), { knownVersion, signal });
      if (opened === undefined || opened === "unchanged") return opened;
      if (opened.bytes > PACKAGE_MAX_BYTES) {
        opened.close();
        const message = `The package has ${opened.bytes} bytes; at most ${PACKAGE_MAX_BYTES} are allowed.`;
        throw new PackageError("PackageTooLarge", message);
      }
      return { bytes: await readAll(opened), version: opened.version };
    },

    async upload(tenantName, packageName, bytes) {
      const name = packageBlobName(tenantName, packageName);
      if (name === undefined) throw new InvalidRequestError("InvalidRequest", "Not a package name.");
      try {
        await container
          .getBlockBlobClient(name)
          .uploadData(bytes, { blobHTTPHeaders: { blobContentType: "application/zip" } });
      } catch (error) {
        throw storageError(error, "uploading a package");
      }
    },
  };
}
