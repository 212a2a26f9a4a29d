/** What is known of a package, as metadata of its blob: ASCII only, so texts are encoded. */
import { webcrypto } from "node:crypto";
import { PackageError } from "../../core/errors.ts";
import type { PackageFacts } from "../../core/ports/package-store.ts";

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

// The SHA-256 of a package's bytes, and whether they are the bytes that were published. Whoever can write into the
// container can replace a package and leave its metadata as it was; nothing of such a package may be used.

/** In hexadecimal. Does not hold up the event loop: a package has up to hundreds of megabytes. */
export async function sha256Of(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", bytes)).toString("hex");
}

/**
 * The SHA-256 of the bytes. Throws PackageError "PackageCorrupt" when another one was recorded; a package that was put
 * into the container by other means has no record to compare.
 */
export async function checkedSha256(bytes: Uint8Array, recorded: string | undefined): Promise<string> {
  const sha256 = await sha256Of(bytes);
  if (recorded === undefined || recorded === sha256) return sha256;
  throw new PackageError(
    "PackageCorrupt",
    `The package's bytes were replaced after it was published: their SHA-256 is ${sha256}, not ${recorded}. Publish it again.`,
  );
}
