/**
 * Reads and writes job packages in container `jobprocessorfiles`: one blob per tenant and package name. Its ETag
 * identifies the version. An upload keeps the previous version as a snapshot.
 */
import type { BlockBlobClient } from "@azure/storage-blob";
import { CONTAINERS } from "../../core/deployment/storage-layout.ts";
import { PackageError, UnavailableError } from "../../core/errors.ts";
import { PACKAGE_MAX_BYTES, PACKAGE_SETTLES_MS } from "../../core/limits.ts";
import type { PackageFacts, PackageStore } from "../../core/ports/package-store.ts";
import { sleep } from "../../core/sleep.ts";
import type { StorageClients } from "../connect.ts";
import { isConditionFailed, storageError } from "../translate-error.ts";
import { packageBlobName } from "./blob-names.ts";
import { openBlob, readAll } from "./open-blob.ts";
import { checkedSha256, factsOf, metadataOf, packageBlob } from "./package-blob.ts";
import { deleteOldVersions, itemsOf, keepVersion } from "./package-versions.ts";

export interface PackageStoreDeps {
  readonly storage: Pick<StorageClients, "blobs">;
  /** Default: PACKAGE_SETTLES_MS. */
  readonly settlesMs?: number | undefined;
}

/** Another upload of the same package can conflict. So many conflicts in a row are an error. */
const UPLOAD_TRIES = 10;

export function createPackageStore({ storage, settlesMs = PACKAGE_SETTLES_MS }: PackageStoreDeps): PackageStore {
  const container = storage.blobs.getContainerClient(CONTAINERS.packages);
  return {
    async fetch(tenantName, packageName, knownVersion) {
      const name = packageBlobName(tenantName, packageName);
      if (name === undefined) return undefined;
      const opened = await openBlob(container.getBlobClient(name), { knownVersion });
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
      const blob = packageBlob(container, tenantName, packageName);
      try {
        for (let tries = 0; tries < UPLOAD_TRIES; tries++) {
          const replaced = await keepVersion(blob);
          const writtenAt = await overwrite(blob, replaced, bytes, facts);
          if (writtenAt === undefined) continue;
          const settled = replaced === undefined ? undefined : sleep(settlesMs);
          await deleteOldVersions(blob, await itemsOf(container, blob));
          await settled;
          return writtenAt;
        }
      } catch (error) {
        throw storageError(error, "uploading a package");
      }
      throw new UnavailableError("StorageUnavailable", "The package changed during every attempt to write it.");
    },
  };
}

/**
 * Resolves to the time of the write; undefined, without a write, if another upload changed the blob after its snapshot.
 * `etag`: of the blob at its snapshot; undefined: there was none.
 */
async function overwrite(
  blob: BlockBlobClient,
  etag: string | undefined,
  bytes: Uint8Array,
  facts: PackageFacts | undefined,
): Promise<Date | undefined> {
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
