/**
 * The versions of a package: its blob, and a snapshot of what the blob was before each upload. A version is known by its
 * SHA-256. Two uploads at the same time can leave two snapshots of one version.
 */
import type { BlobItem, BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { PACKAGE_VERSIONS_KEPT } from "../../core/limits.ts";
import { isMissing } from "../translate-error.ts";
import { factsOf } from "./package-blob.ts";

/** The blob and its snapshots, newest first. */
export async function itemsOf(container: ContainerClient, { name }: BlockBlobClient): Promise<readonly BlobItem[]> {
  const items: BlobItem[] = [];
  // A prefix also finds longer names.
  for await (const item of container.listBlobsFlat({ prefix: name, includeSnapshots: true, includeMetadata: true })) {
    if (item.name === name) items.push(item);
  }
  return items.toSorted(newestFirst);
}

/** A snapshot is named by the time at which its content was replaced. The blob itself has not been replaced. */
function newestFirst({ snapshot: a }: BlobItem, { snapshot: b }: BlobItem): number {
  if (!a || !b) return a ? 1 : b ? -1 : 0;
  return a < b ? 1 : -1;
}

/** Each version once, as its newest copy. `items`: newest first. */
export function versionsIn(items: readonly BlobItem[]): readonly BlobItem[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const version = versionOf(item);
    const isNew = !seen.has(version);
    seen.add(version);
    return isNew;
  });
}

/** When a version was first uploaded, as far as its copies are kept. */
export function firstUploadOf(items: readonly BlobItem[], version: BlobItem): Date {
  const copies = items.filter((item) => versionOf(item) === versionOf(version));
  return new Date(Math.min(...copies.map(({ properties }) => properties.lastModified.getTime())));
}

/** A snapshot has the ETag of what it shows. So a version without recorded facts is told from others too. */
const versionOf = ({ metadata, properties }: BlobItem): string => factsOf(metadata).sha256 ?? properties.etag;

/** Keeps what the blob is now. Resolves to the blob's ETag; undefined: there is no blob. */
export async function keepVersion(blob: BlockBlobClient): Promise<string | undefined> {
  try {
    const { etag } = await blob.createSnapshot();
    return etag;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Deletes what is older than the versions that are kept. A newer snapshot may be a second copy of a version, and stays:
 * another upload may just have made it and be about to overwrite the blob.
 */
export async function deleteOldVersions(blob: BlockBlobClient, items: readonly BlobItem[]): Promise<void> {
  const oldestKept = versionsIn(items)[PACKAGE_VERSIONS_KEPT];
  if (oldestKept === undefined) return;
  for (const { snapshot } of items.slice(items.indexOf(oldestKept) + 1)) {
    if (snapshot) await blob.withSnapshot(snapshot).deleteIfExists();
  }
}
