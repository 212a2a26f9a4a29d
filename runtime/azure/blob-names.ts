/**
 * Names of blobs. A tenant's blobs lie below its name and an attempt's below its claim, so every part is checked again
 * here, whoever made it: no name may lead out of its place.
 */
import { InvalidRequestError, InvariantError } from "../core/errors.ts";
import { parseJobId, TENANT_NAME_PATTERN } from "../core/ids.ts";

/** A blob name has 1,024 characters, of which the ids before an artifact's path need about 150. */
const PATH_MAX_LENGTH = 800;
const CLAIM_ID = /^[A-Za-z0-9-]{1,64}$/;
const CONTROL_OR_BACKSLASH = /[\u0000-\u001f\u007f\\]/;

const isSafeSegment = (segment: string): boolean =>
  segment !== "" &&
  segment !== "." &&
  segment !== ".." &&
  !CONTROL_OR_BACKSLASH.test(segment) &&
  segment.isWellFormed();

/** A relative path with forward slashes that stays where it is put. */
export const isSafePath = (path: string): boolean =>
  path.length <= PATH_MAX_LENGTH && path.split("/").every(isSafeSegment);

/** Undefined for a name no package can have. */
export function packageBlobName(tenantName: string, packageName: string): string | undefined {
  const safe = TENANT_NAME_PATTERN.test(tenantName) && isSafePath(packageName) && !packageName.includes("/");
  return safe ? `${tenantName}/${packageName}` : undefined;
}

/** `{tenantName}/{jobId}` */
function jobFolder(jobId: string): string {
  const parts = parseJobId(jobId);
  if (parts === undefined) throw new InvariantError("Not a job id.");
  return `${parts.tenantName}/${jobId}`;
}

function claimFolder(jobId: string, claimId: string): string {
  if (!CLAIM_ID.test(claimId)) throw new InvariantError("Not a claim id.");
  return `${jobFolder(jobId)}/${claimId}`;
}

export const parametersBlobName = (jobId: string): string => `${jobFolder(jobId)}/parameters.json`;

export const logBlobName = (jobId: string, claimId: string): string => `${claimFolder(jobId, claimId)}.log`;

export const artifactsPrefix = (jobId: string, claimId: string): string => `${claimFolder(jobId, claimId)}/`;

/** Throws InvalidRequestError for a path that is not safe. */
export function artifactBlobName(jobId: string, claimId: string, path: string): string {
  if (!isSafePath(path)) {
    throw new InvalidRequestError(
      "InvalidRequest",
      "An artifact's path must be relative, with plain names between slashes.",
    );
  }
  return artifactsPrefix(jobId, claimId) + path;
}
