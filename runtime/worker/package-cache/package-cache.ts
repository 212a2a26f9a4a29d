/**
 * Keeps the package versions a worker uses unpacked on its disk. Unpacking happens once per content. What the store says
 * about a package serves all runs that begin within `answerForMs` after the question. An upload waits for longer
 * than that before it resolves, so it counts for every run that is submitted after it.
 *
 * | state of a version | meaning                                   | leaves by                                            |
 * |--------------------|-------------------------------------------|------------------------------------------------------|
 * | unpacking          | written to a temporary directory          | done → ready; PackageError → refused; disk → forgotten |
 * | ready              | complete in its directory                 | least recently used and unused → removed             |
 * | refused            | nothing on disk, the reason is remembered | least recently used and unused → forgotten           |
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { InvariantError, PackageError } from "../../core/errors.ts";
import { PACKAGE_ANSWER_FOR_MS, PACKAGE_CACHE_MAX_VERSIONS } from "../../core/limits.ts";
import type { Manifest, ManifestJob, PackagePlatform } from "../../core/package/manifest.ts";
import type { PackageStore } from "../../core/ports/package-store.ts";
import type { Clock } from "../../core/clock.ts";
import { abortable } from "../../core/sleep.ts";
import { didYouMean } from "../../core/text.ts";
import { type UnpackedPackage, copyPackage, unpackAndCheck } from "./unpack.ts";

export interface PackageCacheDeps {
  readonly store: Pick<PackageStore, "fetch">;
  /** Belongs to this cache alone: what an earlier process left there is removed at first use. */
  readonly directory: string;
  /** Packages made for another one are refused. */
  readonly platform: PackagePlatform;
  readonly monotonicNow: Clock["monotonicNow"];
  /** How long an answer of the store is used. Default: PACKAGE_ANSWER_FOR_MS. */
  readonly answerForMs?: number;
  /** Default: PACKAGE_CACHE_MAX_VERSIONS. Versions in use do not count as removable, so there may be more. */
  readonly maxVersions?: number;
  /** Called for every lease. `miss`: its version was downloaded for it. */
  readonly onLease?: ((outcome: "hit" | "miss") => void) | undefined;
}

/** One run's hold on a package version, which stays on disk until it is released. */
export interface PackageLease {
  /** SHA-256 of the ZIP, in hexadecimal: what the run records. */
  readonly hash: string;
  /** Shared by all runs of this version: to be read only. */
  readonly directory: string;
  readonly manifest: Manifest;
  /**
   * Puts a private copy into `target`, which must not exist. After an error removing what is there is up to the caller.
   */
  copyTo(target: string, signal?: AbortSignal): Promise<void>;
  /** Idempotent. */
  release(): void;
}

export interface PackageCache {
  /**
   * The version of a package that is, or was PACKAGE_ANSWER_FOR_MS ago or less, the newest. Throws PackageError
   * ("PackageNotFound" if there is none of this exact name for this tenant, else what is wrong with it), UnavailableError,
   * or the signal's reason.
   */
  acquire(tenantName: string, packageName: string, signal?: AbortSignal): Promise<PackageLease>;
  /** Resolves when removals under way are done. Leases stay valid. */
  settled(): Promise<void>;
}

interface Version {
  readonly hash: string;
  readonly unpacked: Promise<UnpackedPackage>;
  users: number;
  /** It has not been leased. */
  isNew: boolean;
}

/** What the store said last. */
interface KnownVersion {
  readonly version: string;
  readonly hash: string;
  readonly askedAt: number;
}

/** A question to the store without an answer yet. */
interface Question {
  readonly askedAt: number;
  /** Held once for each who waits. */
  readonly version: Promise<Version>;
  waiting: number;
}

const VERSION_DIRECTORY = /^(?:unpacking-)?[0-9a-f]{64}$/;

export function createPackageCache(deps: PackageCacheDeps): PackageCache {
  const { store, directory, platform, monotonicNow } = deps;
  const { answerForMs = PACKAGE_ANSWER_FOR_MS, maxVersions = PACKAGE_CACHE_MAX_VERSIONS } = deps;
  /** By hash, the least recently used first. */
  const versions = new Map<string, Version>();
  /** Both by tenant and package. */
  const known = new Map<string, KnownVersion>();
  const questions = new Map<string, Question>();
  const removals = new Map<string, Promise<void>>();
  let swept: Promise<void> | undefined;

  async function sweep(): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const leftovers = (await readdir(directory)).filter((name) => VERSION_DIRECTORY.test(name));
    await Promise.all(leftovers.map((name) => rm(join(directory, name), { recursive: true, force: true })));
  }

  async function acquire(tenantName: string, packageName: string, signal?: AbortSignal): Promise<PackageLease> {
    await (swept ??= sweep().catch((error: unknown) => {
      swept = undefined;
      throw error;
    }));
    const version = await newest(tenantName, packageName, signal);
    try {
      const unpacked = await abortable(version.unpacked, signal);
      deps.onLease?.(version.isNew ? "miss" : "hit");
      version.isNew = false;
      return lease(version, unpacked);
    } catch (error) {
      release(version);
      throw error;
    }
  }

  const isFresh = ({ askedAt }: { readonly askedAt: number }): boolean => monotonicNow() - askedAt < answerForMs;

  /** The version to use, held. */
  async function newest(tenantName: string, packageName: string, signal?: AbortSignal): Promise<Version> {
    const key = `${tenantName}/${packageName}`;
    for (;;) {
      signal?.throwIfAborted();
      const last = known.get(key);
      const here = versions.get(last?.hash ?? "");
      if (last !== undefined && here !== undefined && isFresh(last)) return hold(here);
      const open = questions.get(key);
      if (open === undefined || (here !== undefined && !isFresh(open))) {
        return waitFor(ask(tenantName, packageName, last, here), signal);
      }
      if (isFresh(open)) return waitFor(open, signal);
      // It downloads the package. Another question now would download it again.
      await abortable(open.version.then(ignore, ignore), signal);
    }
  }

  /** A caller that does not wait any longer does not disturb the others. */
  async function waitFor(question: Question, signal?: AbortSignal): Promise<Version> {
    question.waiting++;
    try {
      return await abortable(question.version, signal);
    } catch (error) {
      question.version.then(release, ignore);
      throw error;
    }
  }

  function ask(tenantName: string, packageName: string, last?: KnownVersion, here?: Version): Question {
    const key = `${tenantName}/${packageName}`;
    const askedAt = monotonicNow();

    async function answer(): Promise<Version> {
      // Held while the store is asked: its answer may be that this is the version.
      if (here !== undefined) hold(here);
      try {
        const blob = await store.fetch(tenantName, packageName, here && last?.version);
        const version = versionIn(blob);
        for (let holds = 0; holds < question.waiting; holds++) hold(version);
        return version;
      } finally {
        if (here !== undefined) release(here);
        if (questions.get(key) === question) questions.delete(key);
      }
    }

    function versionIn(blob: Awaited<ReturnType<PackageStore["fetch"]>>): Version {
      if (blob === "unchanged") {
        if (here === undefined || last === undefined)
          throw new InvariantError('The package store answered "unchanged" about a version that is not here.');
        learn({ ...last, askedAt });
        return here;
      }
      if (blob === undefined) {
        known.delete(key);
        const message = `Tenant ${tenantName} has no package ${JSON.stringify(packageName)}.`;
        throw new PackageError("PackageNotFound", message);
      }
      learn({ version: blob.version, hash: blob.sha256, askedAt });
      return versions.get(blob.sha256) ?? add(blob.sha256, blob.bytes);
    }

    /** The answer to a later question may have come before. */
    function learn(news: KnownVersion): void {
      if ((known.get(key)?.askedAt ?? -Infinity) <= askedAt) known.set(key, news);
    }

    const asking = Promise.withResolvers<Version>();
    const question: Question = { askedAt, version: asking.promise, waiting: 0 };
    questions.set(key, question);
    answer().then(asking.resolve, asking.reject);
    return question;
  }

  function add(hash: string, bytes: Uint8Array): Version {
    const unpacked = (removals.get(hash) ?? Promise.resolve()).then(() =>
      unpackAndCheck({
        bytes,
        directory: join(directory, hash),
        temporary: join(directory, `unpacking-${hash}`),
        platform,
      }),
    );
    const version: Version = { hash, unpacked, users: 0, isNew: true };
    versions.set(hash, version);
    unpacked.catch((error: unknown) => {
      // What is wrong with a package stays wrong; a full disk does not.
      if (!(error instanceof PackageError)) versions.delete(hash);
    });
    return version;
  }

  function hold(version: Version): Version {
    version.users++;
    if (versions.delete(version.hash)) versions.set(version.hash, version);
    return version;
  }

  function release(version: Version): void {
    version.users--;
    for (const candidate of versions.values()) {
      if (versions.size <= maxVersions) return;
      if (candidate.users === 0) remove(candidate);
    }
  }

  function remove({ hash }: Version): void {
    versions.delete(hash);
    for (const [key, { hash: knownHash }] of known) if (knownHash === hash) known.delete(key);
    // What cannot be removed now is removed before the version is unpacked again, or by the next process.
    const removal = rm(join(directory, hash), { recursive: true, force: true })
      .catch(ignore)
      .finally(() => removals.delete(hash));
    removals.set(hash, removal);
  }

  function lease(version: Version, unpacked: UnpackedPackage): PackageLease {
    let held = true;
    return {
      hash: version.hash,
      directory: unpacked.directory,
      manifest: unpacked.manifest,
      copyTo: (target, signal) => copyPackage(unpacked, target, signal),
      release() {
        if (held) release(version);
        held = false;
      },
    };
  }

  return {
    acquire,
    async settled() {
      await Promise.all(removals.values());
    },
  };
}

const ignore = (): void => undefined;

export interface PackageRequest {
  readonly tenantName: string;
  readonly packageName: string;
  readonly jobType: string;
}

/** Disposed when the attempt is over. */
export interface PreparedPackage extends Disposable, Pick<PackageLease, "hash" | "copyTo"> {
  readonly job: ManifestJob;
  readonly manifest: Manifest;
}

/** Gives an attempt a hold on a package, and the declaration of its job type. Throws as `acquire`, or JobTypeUnknown. */
export async function preparePackage(
  cache: Pick<PackageCache, "acquire">,
  { tenantName, packageName, jobType }: PackageRequest,
  signal: AbortSignal,
): Promise<PreparedPackage> {
  const lease = await cache.acquire(tenantName, packageName, signal);
  try {
    const job = findJob(lease.manifest, jobType);
    return { ...lease, job, [Symbol.dispose]: () => lease.release() };
  } catch (error) {
    lease.release();
    throw error;
  }
}

/** Types listed in the error; a package with more is not helped by a longer list. */
const LISTED_TYPES = 20;

/** Throws PackageError "JobTypeUnknown", naming the types the package has. */
export function findJob({ name, jobs }: Manifest, jobType: string): ManifestJob {
  const job = jobs.find((candidate) => candidate.jobType === jobType);
  if (job !== undefined) return job;
  const types = jobs.slice(0, LISTED_TYPES).map((one) => one.jobType);
  const more = jobs.length > LISTED_TYPES ? ` and ${jobs.length - LISTED_TYPES} more` : "";
  const meant = didYouMean(
    jobType,
    jobs.map((one) => one.jobType),
  );
  const message = `Package ${name} has no job of type ${JSON.stringify(jobType)}${meant}; it has ${types.join(", ")}${more}.`;
  throw new PackageError("JobTypeUnknown", message);
}
