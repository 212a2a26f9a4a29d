/**
 * Names of blobs. A tenant's blobs have its name as prefix, an attempt's blobs also the id of its claim. Every part is
 * checked here again, so that no name can reach the blobs of another tenant or claim.
 */
import { InvalidRequestError, InvariantError } from "../../core/errors.ts";
import { TENANT_NAME_PATTERN, parseBatchId, parseJobId } from "../../core/job/ids.ts";
import { artifactPathProblem } from "../../core/ports/job-files.ts";
import type { BlobsOf } from "../../core/ports/removal.ts";

const CLAIM_ID = /^[A-Za-z0-9-]{1,64}$/;

/** Whether it is a relative path with forward slashes that does not leave its folder. */
export const isSafePath = (path: string): boolean => artifactPathProblem(path) === undefined;

/** Undefined for an invalid package name. */
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

/** The prefix of all artifacts of a job, whichever attempt left them. */
export const artifactsOf = (jobId: string): string => `${jobFolder(jobId)}/`;

/** The prefix of everything of a batch's, or a tenant's jobs. */
export function blobsPrefix(of: BlobsOf): string {
  if ("tenantName" in of) {
    if (!TENANT_NAME_PATTERN.test(of.tenantName)) throw new InvariantError("Not a tenant name.");
    return `${of.tenantName}/`;
  }
  const parts = parseBatchId(of.batchId);
  if (parts === undefined) throw new InvariantError("Not a batch id.");
  return `${parts.tenantName}/${of.batchId}.`;
}

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
