/**
 * Job packages in container `jobprocessorfiles`, one blob per tenant and package name; its ETag tells versions apart.
 * Before a blob is overwritten a snapshot keeps what it was: that is how older versions can be listed and restored.
 */
import type { BlobItem, BlockBlobClient } from "@azure/storage-blob";
import { InvalidRequestError, PackageError, UnavailableError } from "../core/errors.ts";
import { PACKAGE_MAX_BYTES, PACKAGE_VERSIONS_KEPT } from "../core/limits.ts";
import type { PackageCatalog, PackageFacts, PackageStore, PackageVersion, StoredPackage } from "../core/ports.ts";
import { CONTAINERS } from "../core/topology.ts";
import { packageBlobName } from "./blob-names.ts";
import type { StorageClients } from "./connect.ts";
import { openBlob, readAll } from "./open-blob.ts";
import { factsOf, metadataOf } from "./package-metadata.ts";
import { decodePosition, encodePosition } from "./page-token.ts";
import { isConditionFailed, isMissing, storageError } from "./translate-error.ts";

/** Somebody else may publish the same package at the same time; so often in a row is no coincidence. */
const UPLOAD_TRIES = 10;

export function createPackageStore({
  storage,
}: {
  readonly storage: Pick<StorageClients, "blobs">;
}): PackageStore & PackageCatalog {
  const container = storage.blobs.getContainerClient(CONTAINERS.packages);

  function blobOf(tenantName: string, packageName: string): BlockBlobClient {
    const name = packageBlobName(tenantName, packageName);
    if (name === undefined) throw new InvalidRequestError("InvalidRequest", "Not a package name.");
    return container.getBlockBlobClient(name);
  }

  /** The blob and its snapshots, oldest first and the blob itself last, as the service lists them. */
  async function itemsOf(tenantName: string, packageName: string): Promise<readonly BlobItem[]> {
    const { name } = blobOf(tenantName, packageName);
    const items: BlobItem[] = [];
    // A prefix also finds longer names.
    for await (const item of container.listBlobsFlat({ prefix: name, includeSnapshots: true, includeMetadata: true })) {
      if (item.name === name) items.push(item);
    }
    return items;
  }

  /** False: the blob was written since its snapshot was made, and stays as it is. */
  async function overwrite(
    blob: BlockBlobClient,
    bytes: Uint8Array,
    facts: PackageFacts | undefined,
  ): Promise<boolean> {
    const etag = await snapshotOf(blob);
    try {
      await blob.uploadData(bytes, {
        blobHTTPHeaders: { blobContentType: "application/zip" },
        conditions: etag === undefined ? { ifNoneMatch: "*" } : { ifMatch: etag },
        ...(facts && { metadata: metadataOf(facts) }),
      });
      return true;
    } catch (error) {
      if (isConditionFailed(error)) return false;
      throw error;
    }
  }

  async function prune(blob: BlockBlobClient, items: readonly BlobItem[]): Promise<void> {
    const snapshots = items.flatMap(({ snapshot }) => snapshot || []).toSorted();
    for (const old of snapshots.slice(0, -PACKAGE_VERSIONS_KEPT)) await blob.withSnapshot(old).deleteIfExists();
  }

  const store: PackageStore & PackageCatalog = {
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

    async upload(tenantName, packageName, bytes, facts) {
      const blob = blobOf(tenantName, packageName);
      try {
        for (let tries = 0; tries < UPLOAD_TRIES; tries++) {
          if (!(await overwrite(blob, bytes, facts))) continue;
          await prune(blob, await itemsOf(tenantName, packageName));
          return;
        }
      } catch (error) {
        throw storageError(error, "uploading a package");
      }
      throw new UnavailableError("StorageUnavailable", "The package changed each time it was to be written.");
    },

    async list(tenantName, { pageSize, continuationToken }) {
      const isName = (name: string): boolean => packageBlobName(tenantName, name) !== undefined;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isName).after;
      const prefix = `${tenantName}/`;
      const items: StoredPackage[] = [];
      try {
        // The service cannot start a list in its middle. A tenant has some dozens of packages, and 5,000 come at once.
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
        return versionsOf(await itemsOf(tenantName, packageName));
      } catch (error) {
        throw storageError(error, "listing the versions of a package");
      }
    },

    async restore(tenantName, packageName, sha256, restoredBy) {
      const items = await itemsOf(tenantName, packageName).catch((error: unknown) => {
        throw storageError(error, "looking for a version");
      });
      const item = items.find(({ metadata }) => factsOf(metadata).sha256 === sha256);
      if (item === undefined) return false;
      // The current one already.
      if (!item.snapshot) return true;
      const opened = await openBlob(blobOf(tenantName, packageName).withSnapshot(item.snapshot));
      if (opened === undefined || opened === "unchanged") return false;
      const { jobTypes = [] } = factsOf(item.metadata);
      await store.upload(tenantName, packageName, await readAll(opened), { sha256, jobTypes, uploadedBy: restoredBy });
      return true;
    },

    async remove(tenantName, packageName) {
      try {
        const { succeeded } = await blobOf(tenantName, packageName).deleteIfExists({ deleteSnapshots: "include" });
        return succeeded;
      } catch (error) {
        throw storageError(error, "deleting a package");
      }
    },
  };
  return store;
}

/** Keeps what the blob is now; undefined: there is none. */
async function snapshotOf(blob: BlockBlobClient): Promise<string | undefined> {
  try {
    const { etag } = await blob.createSnapshot();
    return etag;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

const tokenAfter = (last: StoredPackage | undefined): string =>
  encodePosition({ shard: 0, after: last?.packageName ?? "" });

const storedOf = ({ properties, metadata }: BlobItem): Omit<StoredPackage, "packageName"> => ({
  bytes: properties.contentLength ?? 0,
  uploadedAt: properties.lastModified,
  ...factsOf(metadata),
});

/** Newest first. What was published twice is shown once, as the newer of the two. */
function versionsOf(items: readonly BlobItem[]): readonly PackageVersion[] {
  const seen = new Set<string>();
  return items
    .toSorted((a, b) => orderOf(b) - orderOf(a))
    .map((item) => ({ ...storedOf(item), isCurrent: !item.snapshot }))
    .filter(({ sha256 }) => {
      if (sha256 === undefined) return true;
      const isNew = !seen.has(sha256);
      seen.add(sha256);
      return isNew;
    });
}

/** By when they were written; the current one is the newest, whatever clocks say. */
const orderOf = ({ snapshot, properties }: BlobItem): number =>
  snapshot ? properties.lastModified.getTime() : Infinity;
