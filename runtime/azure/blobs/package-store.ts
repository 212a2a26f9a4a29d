/**
 * Job packages in container `jobprocessorfiles`, one blob per tenant and package name; its ETag tells versions apart.
 * Before a blob is overwritten a snapshot keeps what it was: that is how older versions can be listed and restored.
 */
import type { BlobItem, BlockBlobClient } from "@azure/storage-blob";
import { InvalidRequestError, PackageError, UnavailableError } from "../../core/errors.ts";
import { PACKAGE_MAX_BYTES, PACKAGE_VERSIONS_KEPT } from "../../core/limits.ts";
import type { PackageCatalog, PackageFacts, PackageStore, StoredPackage } from "../../core/ports/package-store.ts";
import { packageName as packageNameSchema } from "../../core/http/requests.ts";
import { CONTAINERS } from "../../core/deployment/storage-layout.ts";
import { openBlob, packageBlobName, readAll } from "./open-blob.ts";
import type { StorageClients } from "../connect.ts";
import { checkedSha256, factsOf, metadataOf, sha256Of } from "./package-blob.ts";
import { decodePosition, encodePosition } from "../tables/rows.ts";
import { isConditionFailed, isMissing, storageError } from "../translate-error.ts";

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

  /** The blob and its snapshots, newest first. */
  async function itemsOf(tenantName: string, packageName: string): Promise<readonly BlobItem[]> {
    const { name } = blobOf(tenantName, packageName);
    const items: BlobItem[] = [];
    // A prefix also finds longer names.
    for await (const item of container.listBlobsFlat({ prefix: name, includeSnapshots: true, includeMetadata: true })) {
      if (item.name === name) items.push(item);
    }
    return items.toSorted(newestFirst);
  }

  /** The newest copy of a version whose bytes are still those. */
  async function findVersion(
    tenantName: string,
    packageName: string,
    sha256: string,
  ): Promise<FoundVersion | undefined> {
    try {
      const items = await itemsOf(tenantName, packageName);
      for (const item of items.filter(({ metadata }) => factsOf(metadata).sha256 === sha256)) {
        const bytes = await fetchItem(tenantName, packageName, item);
        if (bytes !== undefined && (await sha256Of(bytes)) === sha256) return { item, bytes };
      }
      return undefined;
    } catch (error) {
      throw storageError(error, "looking for a version");
    }
  }

  /** Undefined: it has gone meanwhile. */
  async function fetchItem(
    tenantName: string,
    packageName: string,
    { snapshot }: BlobItem,
  ): Promise<Uint8Array | undefined> {
    const blob = blobOf(tenantName, packageName);
    const opened = await openBlob(snapshot ? blob.withSnapshot(snapshot) : blob);
    if (opened === undefined || opened === "unchanged") return undefined;
    return readAll(opened);
  }

  /** When it was written. Undefined: somebody else wrote the blob since its snapshot was made, and it stays as it is. */
  async function overwrite(
    blob: BlockBlobClient,
    bytes: Uint8Array,
    facts: PackageFacts | undefined,
  ): Promise<Date | undefined> {
    const etag = await snapshotOf(blob);
    try {
      const { lastModified } = await blob.uploadData(bytes, {
        blobHTTPHeaders: { blobContentType: "application/zip" },
        conditions: etag === undefined ? { ifNoneMatch: "*" } : { ifMatch: etag },
        ...(facts && { metadata: metadataOf(facts) }),
      });
      return lastModified ?? new Date();
    } catch (error) {
      if (isConditionFailed(error)) return undefined;
      throw error;
    }
  }

  /**
   * Deletes what is older than the versions that are kept. A newer snapshot may show a version once more, and stays:
   * another upload may just have made it and be about to overwrite the blob.
   */
  async function prune(blob: BlockBlobClient, items: readonly BlobItem[]): Promise<void> {
    const oldestKept = versionsIn(items)[PACKAGE_VERSIONS_KEPT];
    if (oldestKept === undefined) return;
    for (const { snapshot } of items.slice(items.indexOf(oldestKept) + 1)) {
      if (snapshot) await blob.withSnapshot(snapshot).deleteIfExists();
    }
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
      const bytes = await readAll(opened);
      const sha256 = await checkedSha256(bytes, factsOf(opened.metadata).sha256);
      return { bytes, sha256, version: opened.version };
    },

    async upload(tenantName, packageName, bytes, facts) {
      const blob = blobOf(tenantName, packageName);
      try {
        for (let tries = 0; tries < UPLOAD_TRIES; tries++) {
          const writtenAt = await overwrite(blob, bytes, facts);
          if (writtenAt === undefined) continue;
          await prune(blob, await itemsOf(tenantName, packageName));
          return writtenAt;
        }
      } catch (error) {
        throw storageError(error, "uploading a package");
      }
      throw new UnavailableError("StorageUnavailable", "The package changed each time it was to be written.");
    },

    async list(tenantName, { pageSize, continuationToken }) {
      // Whatever else lies in the folder is nothing a job could name.
      const isName = (name: string): boolean => packageNameSchema.safeParse(name).success;
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
        const items = await itemsOf(tenantName, packageName);
        return versionsIn(items).map((item) => ({
          ...storedOf(item),
          isCurrent: !item.snapshot,
          publishedAt: firstOf(items, versionOf(item)),
        }));
      } catch (error) {
        throw storageError(error, "listing the versions of a package");
      }
    },

    async fetchVersion(tenantName, packageName, sha256) {
      return (await findVersion(tenantName, packageName, sha256))?.bytes;
    },

    async restore(tenantName, packageName, sha256, restoredBy) {
      const found = await findVersion(tenantName, packageName, sha256);
      if (found === undefined) return false;
      const { item, bytes } = found;
      // The current one already.
      if (!item.snapshot) return true;
      const { jobTypes, timerCount = 0 } = factsOf(item.metadata);
      await store.upload(tenantName, packageName, bytes, { sha256, jobTypes, timerCount, uploadedBy: restoredBy });
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

interface FoundVersion {
  readonly item: BlobItem;
  readonly bytes: Uint8Array;
}

/** Undefined: nothing a job could name lies there. */
function placeOf(blobName: string): { readonly tenantName: string; readonly packageName: string } | undefined {
  const [tenantName = "", packageName = ""] = blobName.split("/", 2);
  const isOne =
    packageBlobName(tenantName, packageName) === blobName && packageNameSchema.safeParse(packageName).success;
  return isOne ? { tenantName, packageName } : undefined;
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

/** By when they were replaced, as the name of a snapshot says; the blob itself has not been. */
function newestFirst({ snapshot: a }: BlobItem, { snapshot: b }: BlobItem): number {
  if (!a || !b) return a ? 1 : b ? -1 : 0;
  return a < b ? 1 : -1;
}

/** A snapshot has the ETag of what it shows, so that one without facts is told from others too. */
const versionOf = ({ metadata, properties }: BlobItem): string => factsOf(metadata).sha256 ?? properties.etag;

const firstOf = (items: readonly BlobItem[], version: string): Date =>
  new Date(
    Math.min(
      ...items.filter((item) => versionOf(item) === version).map(({ properties }) => properties.lastModified.getTime()),
    ),
  );

/** Of items newest first. What was published twice, or kept twice by two uploads at a time, is shown once, as the newer. */
function versionsIn(items: readonly BlobItem[]): readonly BlobItem[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const version = versionOf(item);
    const isNew = !seen.has(version);
    seen.add(version);
    return isNew;
  });
}
