/**
 * The versions of a package: its blob, and a snapshot of the blob from before each upload. A version is identified by
 * its SHA-256. Two uploads at the same time can leave two snapshots of one version.
 */
import type { BlobItem, BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { PACKAGE_VERSIONS_KEPT } from "../../core/limits.ts";
import { isMissing } from "../translate-error.ts";
import { factsOf } from "./package-blob.ts";

/** The blob and its snapshots, newest first. */
export async function itemsOf(container: ContainerClient, { name }: BlockBlobClient): Promise<readonly BlobItem[]> {
  const items: BlobItem[] = [];
  // The prefix also matches longer names.
  for await (const item of container.listBlobsFlat({ prefix: name, includeSnapshots: true, includeMetadata: true })) {
    if (item.name === name) items.push(item);
  }
  return items.toSorted(newestFirst);
}

/** A snapshot's name is the time at which it was replaced. The blob itself, without such a time, is the newest. */
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

/** The time of a version's first upload, as far as its copies are kept. */
export function firstUploadOf(items: readonly BlobItem[], version: BlobItem): Date {
  const copies = items.filter((item) => versionOf(item) === versionOf(version));
  return new Date(Math.min(...copies.map(({ properties }) => properties.lastModified.getTime())));
}

/** A snapshot keeps the ETag of its content, which identifies versions without a recorded SHA-256. */
const versionOf = ({ metadata, properties }: BlobItem): string => factsOf(metadata).sha256 ?? properties.etag;

/** Makes a snapshot of the blob. Resolves to the blob's ETag; undefined if there is no blob. */
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
 * Deletes snapshots that are older than the versions to keep. A newer snapshot stays even if it is a second copy of a
 * version, because another upload may have made it just now and be about to overwrite the blob.
 */
export async function deleteOldVersions(blob: BlockBlobClient, items: readonly BlobItem[]): Promise<void> {
  const oldestKept = versionsIn(items)[PACKAGE_VERSIONS_KEPT];
  if (oldestKept === undefined) return;
  for (const { snapshot } of items.slice(items.indexOf(oldestKept) + 1)) {
    if (snapshot) await blob.withSnapshot(snapshot).deleteIfExists();
  }
}
