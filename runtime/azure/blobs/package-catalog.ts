/** Management of a tenant's packages: lists packages and versions, restores and removes them. */
import type { BlobItem, BlockBlobClient } from "@azure/storage-blob";
import { CONTAINERS } from "../../core/deployment/storage-layout.ts";
import { packageName as packageNameSchema } from "../../core/http/requests.ts";
import { PACKAGE_SETTLES_MS } from "../../core/limits.ts";
import type { PackageCatalog, StoredPackage } from "../../core/ports/package-store.ts";
import { sleep } from "../../core/sleep.ts";
import { decodePosition, encodePosition } from "../tables/rows.ts";
import { isMissing, storageError } from "../translate-error.ts";
import { packageBlobName } from "./blob-names.ts";
import { openBlob, readAll } from "./open-blob.ts";
import { factsOf, packageBlob, sha256Of } from "./package-blob.ts";
import { type PackageStoreDeps, createPackageStore } from "./package-store.ts";
import { firstUploadOf, itemsOf, versionsIn } from "./package-versions.ts";

export function createPackageCatalog({ storage, settlesMs = PACKAGE_SETTLES_MS }: PackageStoreDeps): PackageCatalog {
  const container = storage.blobs.getContainerClient(CONTAINERS.packages);
  const store = createPackageStore({ storage, settlesMs });
  const blobOf = (tenantName: string, packageName: string): BlockBlobClient =>
    packageBlob(container, tenantName, packageName);

  /** The newest copy of a version whose bytes have its SHA-256. */
  async function findVersion(blob: BlockBlobClient, sha256: string): Promise<FoundVersion | undefined> {
    try {
      const items = await itemsOf(container, blob);
      for (const item of items.filter(({ metadata }) => factsOf(metadata).sha256 === sha256)) {
        const bytes = await fetchItem(blob, item);
        if (bytes !== undefined && (await sha256Of(bytes)) === sha256) return { item, bytes };
      }
      return undefined;
    } catch (error) {
      throw storageError(error, "looking for a version");
    }
  }

  return {
    ...store,

    async list(tenantName, { pageSize, continuationToken }) {
      // Blobs whose name is not a valid package name are left out.
      const isName = (name: string): boolean => packageNameSchema.safeParse(name).success;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isName).after;
      const prefix = `${tenantName}/`;
      const items: StoredPackage[] = [];
      try {
        // The service cannot start a list at a name. A tenant has dozens of packages, and one request returns 5,000.
        for await (const item of container.listBlobsFlat({ prefix, includeMetadata: true })) {
          const packageName = item.name.slice(prefix.length);
          if (packageName <= after || !isName(packageName)) continue;
          if (items.length === pageSize) return { items, continuationToken: tokenAfter(items.at(-1)) };
          items.push({ packageName, ...storedOf(item) });
        }
      } catch (error) {
        throw storageError(error, "listing packages");
      }
      return { items, continuationToken: undefined };
    },

    async *all() {
      try {
        for await (const item of container.listBlobsFlat({ includeMetadata: true })) {
          const place = placeOf(item.name);
          if (place !== undefined) yield { ...place, ...storedOf(item) };
        }
      } catch (error) {
        throw storageError(error, "listing packages");
      }
    },

    async get(tenantName, packageName) {
      try {
        const { contentLength = 0, lastModified, metadata } = await blobOf(tenantName, packageName).getProperties();
        return { packageName, bytes: contentLength, uploadedAt: lastModified ?? new Date(0), ...factsOf(metadata) };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw storageError(error, "looking at a package");
      }
    },

    async versions(tenantName, packageName) {
      try {
        const items = await itemsOf(container, blobOf(tenantName, packageName));
        return versionsIn(items).map((item) => ({
          ...storedOf(item),
          isCurrent: !item.snapshot,
          publishedAt: firstUploadOf(items, item),
        }));
      } catch (error) {
        throw storageError(error, "listing the versions of a package");
      }
    },

    async fetchVersion(tenantName, packageName, sha256) {
      return (await findVersion(blobOf(tenantName, packageName), sha256))?.bytes;
    },

    async restore(tenantName, packageName, sha256, restoredBy) {
      const found = await findVersion(blobOf(tenantName, packageName), sha256);
      if (found === undefined) return false;
      const { item, bytes } = found;
      // It is already the current version.
      if (!item.snapshot) return true;
      const { jobTypes, ...counts } = factsOf(item.metadata);
      const facts = { ...counts, sha256, jobTypes, uploadedBy: restoredBy };
      await store.upload(tenantName, packageName, bytes, facts);
      return true;
    },

    async remove(tenantName, packageName) {
      try {
        const { succeeded } = await blobOf(tenantName, packageName).deleteIfExists({ deleteSnapshots: "include" });
        if (succeeded) await sleep(settlesMs);
        return succeeded;
      } catch (error) {
        throw storageError(error, "deleting a package");
      }
    },
  };
}

interface FoundVersion {
  readonly item: BlobItem;
  readonly bytes: Uint8Array;
}

/** Undefined if it was deleted meanwhile. */
async function fetchItem(blob: BlockBlobClient, { snapshot }: BlobItem): Promise<Uint8Array | undefined> {
  const opened = await openBlob(snapshot ? blob.withSnapshot(snapshot) : blob);
  return opened === undefined || opened === "unchanged" ? undefined : readAll(opened);
}

/** Undefined if the blob's name is not that of a package. */
function placeOf(blobName: string): { readonly tenantName: string; readonly packageName: string } | undefined {
  const [tenantName = "", packageName = ""] = blobName.split("/", 2);
  const isOne =
    packageBlobName(tenantName, packageName) === blobName && packageNameSchema.safeParse(packageName).success;
  return isOne ? { tenantName, packageName } : undefined;
}

const tokenAfter = (last: StoredPackage | undefined): string =>
  encodePosition({ shard: 0, after: last?.packageName ?? "" });

const storedOf = ({ properties, metadata }: BlobItem): Omit<StoredPackage, "packageName"> => ({
  bytes: properties.contentLength ?? 0,
  uploadedAt: properties.lastModified,
  ...factsOf(metadata),
});
