/**
 * The blob of a package: its name, the facts in its metadata, and the check of its bytes against their recorded
 * SHA-256. Metadata must be ASCII, so texts are encoded.
 */
import { webcrypto } from "node:crypto";
import type { BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { InvalidRequestError, PackageError } from "../../core/errors.ts";
import { type DeclaredSetting, SETTING_NAME_PATTERN } from "../../core/package/manifest-settings.ts";
import type { PackageFacts } from "../../core/ports/package-store.ts";
import { packageBlobName } from "./blob-names.ts";

/** Throws InvalidRequestError for an invalid package name. */
export function packageBlob(container: ContainerClient, tenantName: string, packageName: string): BlockBlobClient {
  const name = packageBlobName(tenantName, packageName);
  if (name === undefined) throw new InvalidRequestError("InvalidRequest", "Not a package name.");
  return container.getBlockBlobClient(name);
}

/** The metadata of a blob is limited to 8 KiB. Settings take up to 3,350; a list of job types with too little room is left out. */
const LISTS_MAX_LENGTH = 6_000;

const encode = (text: string): string => Buffer.from(text).toString("base64url");
const decode = (text: string): string => Buffer.from(text, "base64url").toString();

export function metadataOf(facts: PackageFacts): Record<string, string> {
  const { sha256, uploadedBy, jobTypes, timerCount = 0, schemaCount = 0, limitedCount = 0, settings = [] } = facts;
  const types = jobTypes && encode(JSON.stringify(jobTypes));
  const declared = settings.map(settingText).join(",");
  return {
    sha256,
    uploadedby: encode(uploadedBy),
    ...(timerCount > 0 && { timercount: String(timerCount) }),
    ...(schemaCount > 0 && { schemacount: String(schemaCount) }),
    ...(limitedCount > 0 && { limitedcount: String(limitedCount) }),
    ...(declared !== "" && { settings: declared }),
    ...(types !== undefined && types.length + declared.length <= LISTS_MAX_LENGTH && { jobtypes: types }),
  };
}

/** Empty for a blob that was not uploaded by Jobyard. Invalid values are ignored. */
export function factsOf(metadata: Readonly<Record<string, string>> = {}): Partial<PackageFacts> {
  const {
    sha256,
    uploadedby,
    jobtypes,
    timercount = "0",
    schemacount = "",
    limitedcount = "",
    settings = "",
  } = metadata;
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256)) return {};
  const jobTypes = jobtypes === undefined ? undefined : namesIn(decode(jobtypes));
  const declared = settings.split(",").flatMap(settingIn);
  return {
    sha256,
    ...(uploadedby !== undefined && { uploadedBy: decode(uploadedby) }),
    ...(/^\d{1,4}$/.test(timercount) && { timerCount: Number(timercount) }),
    ...(/^\d{1,4}$/.test(schemacount) && { schemaCount: Number(schemacount) }),
    ...(/^\d{1,4}$/.test(limitedcount) && { limitedCount: Number(limitedcount) }),
    ...(jobTypes && { jobTypes }),
    ...(declared.length > 0 && { settings: declared }),
  };
}

/** `API_KEY#!`: a secret, and required. */
const settingText = ({ name, secret, required }: DeclaredSetting): string =>
  `${name}${secret ? "#" : ""}${required ? "!" : ""}`;

function settingIn(text: string): readonly DeclaredSetting[] {
  const { name = "", secret, required } = /^(?<name>[^#!]*)(?<secret>#)?(?<required>!)?$/.exec(text)?.groups ?? {};
  return SETTING_NAME_PATTERN.test(name) ? [{ name, secret: secret === "#", required: required === "!" }] : [];
}

function namesIn(json: string): readonly string[] | undefined {
  try {
    const names: unknown = JSON.parse(json);
    return Array.isArray(names) && names.every((name) => typeof name === "string") ? names : undefined;
  } catch {
    // Not written by Jobyard: ignored.
    return undefined;
  }
}

/** In hexadecimal. Does not block the event loop, because a package can have hundreds of megabytes. */
export async function sha256Of(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", bytes)).toString("hex");
}

/**
 * The SHA-256 of the bytes. Throws PackageError "PackageCorrupt" if the recorded one differs: a process with write
 * access to the container can replace the bytes and keep the metadata, and such a package must not run. A package that
 * was put into the container by other means has no recorded SHA-256.
 */
export async function checkedSha256(bytes: Uint8Array, recorded: string | undefined): Promise<string> {
  const sha256 = await sha256Of(bytes);
  if (recorded === undefined || recorded === sha256) return sha256;
  throw new PackageError(
    "PackageCorrupt",
    `The package's bytes were replaced after it was published: their SHA-256 is ${sha256}, not ${recorded}. Publish it again.`,
  );
}
