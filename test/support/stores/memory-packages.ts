/** A PackageStore and PackageCatalog in memory. */
import { blobsPrefix, packageBlobName } from "../../../runtime/azure/blobs/blob-names.ts";
import { checkedSha256, factsOf, metadataOf, sha256Of } from "../../../runtime/azure/blobs/package-blob.ts";
import { decodePosition, encodePosition } from "../../../runtime/azure/tables/rows.ts";
import { InvalidRequestError, PackageError } from "../../../runtime/core/errors.ts";
import { PACKAGE_MAX_BYTES, PACKAGE_VERSIONS_KEPT } from "../../../runtime/core/limits.ts";
import type { PackageCatalog, PackageStore, StoredPackage } from "../../../runtime/core/ports/package-store.ts";
import { packageName as packageNameSchema } from "../../../runtime/core/http/requests.ts";
import { nextTurn, type Turn } from "./memory-table.ts";

interface Upload {
  readonly bytes: Uint8Array;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  readonly uploadedAt: Date;
  readonly version: string;
}

/** The packages, and what removes them for good. */
export interface MemoryPackages extends PackageStore, PackageCatalog {
  removeAll(tenantName: string, maxCount: number): Promise<number>;
}

export function createMemoryPackages(turn: Turn = nextTurn): MemoryPackages {
  /** By blob name; newest first. */
  const blobs = new Map<string, readonly Upload[]>();
  let version = 0;

  async function uploadsOf(tenantName: string, packageName: string): Promise<readonly Upload[]> {
    const name = nameOf(tenantName, packageName);
    await turn();
    return blobs.get(name) ?? [];
  }

  async function findVersion(tenantName: string, packageName: string, sha256: string): Promise<Upload | undefined> {
    for (const upload of await uploadsOf(tenantName, packageName)) {
      if (factsOf(upload.metadata).sha256 === sha256 && (await sha256Of(upload.bytes)) === sha256) return upload;
    }
    return undefined;
  }

  /** What a job could name, in the order of their names. */
  async function current(): Promise<readonly (StoredPackage & { readonly tenantName: string })[]> {
    await turn();
    return [...blobs]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, [newest]]) => {
        const [tenantName = "", packageName = ""] = name.split("/");
        const isOne = newest !== undefined && packageNameSchema.safeParse(packageName).success;
        return isOne ? [{ tenantName, packageName, ...storedOf(newest) }] : [];
      });
  }

  const store: MemoryPackages = {
    async fetch(tenantName, packageName, knownVersion) {
      const name = packageBlobName(tenantName, packageName);
      await turn();
      const [newest] = (name !== undefined && blobs.get(name)) || [];
      if (newest === undefined) return undefined;
      if (newest.version === knownVersion) return "unchanged";
      if (newest.bytes.length > PACKAGE_MAX_BYTES) {
        const message = `The package has ${newest.bytes.length} bytes; at most ${PACKAGE_MAX_BYTES} are allowed.`;
        throw new PackageError("PackageTooLarge", message);
      }
      const sha256 = await checkedSha256(newest.bytes, factsOf(newest.metadata).sha256);
      return { bytes: newest.bytes, sha256, version: newest.version };
    },

    async upload(tenantName, packageName, bytes, facts) {
      const older = await uploadsOf(tenantName, packageName);
      // HTTP has times in whole seconds.
      const uploadedAt = new Date(Math.floor(Date.now() / 1_000) * 1_000);
      const metadata = facts && metadataOf(facts);
      const all = [{ bytes: Buffer.from(bytes), metadata, uploadedAt, version: `"${++version}"` }, ...older];
      const oldestKept = versionsIn(all)[PACKAGE_VERSIONS_KEPT];
      blobs.set(
        nameOf(tenantName, packageName),
        oldestKept === undefined ? all : all.slice(0, all.indexOf(oldestKept) + 1),
      );
      return uploadedAt;
    },

    async list(tenantName, { pageSize, continuationToken }) {
      const isName = (name: string): boolean => packageNameSchema.safeParse(name).success;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isName).after;
      const found = (await current()).filter((one) => one.tenantName === tenantName && one.packageName > after);
      const last = found.length > pageSize ? found[pageSize - 1] : undefined;
      return {
        items: found.slice(0, pageSize).map(({ tenantName: _, ...item }) => item),
        continuationToken: last && encodePosition({ shard: 0, after: last.packageName }),
      };
    },

    async *all() {
      yield* await current();
    },

    async get(tenantName, packageName) {
      const [newest] = await uploadsOf(tenantName, packageName);
      return newest && { packageName, ...storedOf(newest) };
    },

    async versions(tenantName, packageName) {
      const uploads = await uploadsOf(tenantName, packageName);
      return versionsIn(uploads).map((upload, index) => ({
        ...storedOf(upload),
        isCurrent: index === 0,
        publishedAt: uploads.findLast((other) => versionOf(other) === versionOf(upload))?.uploadedAt ?? new Date(0),
      }));
    },

    fetchVersion: async (tenantName, packageName, sha256) =>
      (await findVersion(tenantName, packageName, sha256))?.bytes,

    async restore(tenantName, packageName, sha256, restoredBy) {
      const found = await findVersion(tenantName, packageName, sha256);
      if (found === undefined) return false;
      if (blobs.get(nameOf(tenantName, packageName))?.[0] === found) return true;
      const { jobTypes, ...counts } = factsOf(found.metadata);
      await store.upload(tenantName, packageName, found.bytes, {
        sha256,
        jobTypes,
        ...counts,
        uploadedBy: restoredBy,
      });
      return true;
    },

    async remove(tenantName, packageName) {
      const name = nameOf(tenantName, packageName);
      await turn();
      return blobs.delete(name);
    },

    async removeAll(tenantName, maxCount) {
      await turn();
      const names = [...blobs.keys()].filter((name) => name.startsWith(blobsPrefix({ tenantName })));
      for (const name of names.slice(0, maxCount)) blobs.delete(name);
      return Math.min(names.length, maxCount);
    },
  };
  return store;
}

function nameOf(tenantName: string, packageName: string): string {
  const name = packageBlobName(tenantName, packageName);
  if (name === undefined) throw new InvalidRequestError("InvalidRequest", "Not a package name.");
  return name;
}

const storedOf = ({ bytes, metadata, uploadedAt }: Upload): Omit<StoredPackage, "packageName"> => ({
  bytes: bytes.length,
  uploadedAt,
  ...factsOf(metadata),
});

const versionOf = ({ metadata, version }: Upload): string => factsOf(metadata).sha256 ?? version;

/** Of uploads newest first: what was published twice is shown once, as the newer. */
const versionsIn = (uploads: readonly Upload[]): readonly Upload[] =>
  uploads.filter((upload, index) => uploads.findIndex((other) => versionOf(other) === versionOf(upload)) === index);
