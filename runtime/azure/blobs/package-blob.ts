/** The blob of a package: where it lies, what its metadata say of the package, and whether its bytes are the published ones. */
import { webcrypto } from "node:crypto";
import type { BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { InvalidRequestError, PackageError } from "../../core/errors.ts";
import type { PackageFacts } from "../../core/ports/package-store.ts";
import { packageBlobName } from "./blob-names.ts";

/** Throws InvalidRequestError for a name no package can have. */
export function packageBlob(container: ContainerClient, tenantName: string, packageName: string): BlockBlobClient {
  const name = packageBlobName(tenantName, packageName);
  if (name === undefined) throw new InvalidRequestError("InvalidRequest", "Not a package name.");
  return container.getBlockBlobClient(name);
}

// --- Metadata: ASCII only, so texts are encoded ------------------------------------------------------------------------

/** All metadata of a blob may have 8 KiB. A longer list of job types is left out. */
const JOB_TYPES_MAX_LENGTH = 6_000;

const encode = (text: string): string => Buffer.from(text).toString("base64url");
const decode = (text: string): string => Buffer.from(text, "base64url").toString();

export function metadataOf({ sha256, uploadedBy, jobTypes, timerCount = 0 }: PackageFacts): Record<string, string> {
  const types = jobTypes && encode(JSON.stringify(jobTypes));
  return {
    sha256,
    uploadedby: encode(uploadedBy),
    ...(timerCount > 0 && { timercount: String(timerCount) }),
    ...(types !== undefined && types.length <= JOB_TYPES_MAX_LENGTH && { jobtypes: types }),
  };
}

/** Nothing for a blob that was put there by other means, and none of what somebody else may have written. */
export function factsOf(metadata: Readonly<Record<string, string>> = {}): Partial<PackageFacts> {
  const { sha256, uploadedby, jobtypes, timercount = "0" } = metadata;
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256)) return {};
  const jobTypes = jobtypes === undefined ? undefined : namesIn(decode(jobtypes));
  return {
    sha256,
    ...(uploadedby !== undefined && { uploadedBy: decode(uploadedby) }),
    ...(/^\d{1,4}$/.test(timercount) && { timerCount: Number(timercount) }),
    ...(jobTypes && { jobTypes }),
  };
}

function namesIn(json: string): readonly string[] | undefined {
  try {
    const names: unknown = JSON.parse(json);
    return Array.isArray(names) && names.every((name) => typeof name === "string") ? names : undefined;
  } catch {
    // Not ours: as good as absent.
    return undefined;
  }
}

// --- Bytes -----------------------------------------------------------------------------------------------------------

/** In hexadecimal. Does not block the event loop: a package has up to hundreds of megabytes. */
export async function sha256Of(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", bytes)).toString("hex");
}

/**
 * The SHA-256 of the bytes. Throws PackageError "PackageCorrupt" when another one was recorded: a process with write
 * access to the container can replace a package and leave its metadata, and such a package must not run. A package that
 * was put into the container by other means has no record to compare.
 */
export async function checkedSha256(bytes: Uint8Array, recorded: string | undefined): Promise<string> {
  const sha256 = await sha256Of(bytes);
  if (recorded === undefined || recorded === sha256) return sha256;
  throw new PackageError(
    "PackageCorrupt",
    `The package's bytes were replaced after it was published: their SHA-256 is ${sha256}, not ${recorded}. Publish it again.`,
  );
}
