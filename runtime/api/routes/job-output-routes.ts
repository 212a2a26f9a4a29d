/** Operations on what a job wrote: its artifacts and its log. */
import * as z from "zod";
import { type Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import { NotFoundError } from "../../core/errors.ts";
import { artifactParams, jobParams, readLogSchema } from "../../core/http/requests.ts";
import { artifactSchema } from "../../core/http/views.ts";
import type { Job } from "../../core/job/job.ts";
import { FOLLOWED_LOGS_MAX_COUNT, FOLLOWED_LOGS_PER_CALLER_MAX_COUNT } from "../../core/limits.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import { type Caller, callerKey, stillMay } from "../auth/caller.ts";
import { entryOf, followLog } from "../events/follow-log.ts";
import { type Operation, operation } from "../http/operation.ts";
import { createShares } from "../http/rate-limit.ts";
import type { Lookup } from "../lookup.ts";
import { zipArtifacts } from "../zip-artifacts.ts";

export interface JobOutputOperationDeps {
  readonly lookup: Pick<Lookup, "job">;
  readonly jobs: Pick<JobStore, "get">;
  readonly files: Pick<JobFiles, "listArtifacts" | "openArtifact" | "openLog">;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: Clock["monotonicNow"];
  /** Between two looks at a log that is followed. Default FOLLOW_LOG_EVERY_MS. */
  readonly followLogEveryMs?: number | undefined;
}

const ZIP_MEDIA_TYPE = "application/zip";

export const jobOutputOperations = (deps: JobOutputOperationDeps): readonly Operation[] => [
  listArtifacts(deps),
  getArtifact(deps),
  getArtifactsZip(deps),
  getLog(deps),
];

const listArtifacts = ({ lookup, files }: JobOutputOperationDeps) =>
  operation({
    id: "listArtifacts",
    method: "get",
    path: "/v1/jobs/{jobId}/artifacts",
    tag: "Jobs",
    summary: "List the artifacts of the latest attempt",
    needs: "read",
    params: jobParams,
    responses: {
      200: {
        description: "All artifacts.",
        schema: z.object({ items: z.array(artifactSchema) }).meta({ id: "Artifacts" }),
      },
    },
    errors: ["JobNotFound"],
    async handle({ caller, params }) {
      const { value: job } = await lookup.job(caller, params.jobId);
      const items = job.claim === undefined ? [] : await files.listArtifacts(job.jobId, job.claim.id);
      return { status: 200, body: { items } };
    },
  });

const getArtifact = ({ lookup, files }: JobOutputOperationDeps) =>
  operation({
    id: "getArtifact",
    method: "get",
    path: "/v1/jobs/{jobId}/artifacts/{+path}",
    tag: "Jobs",
    summary: "Download an artifact of the latest attempt",
    needs: "read",
    params: artifactParams,
    responses: { 200: { description: "The file, as an attachment.", file: "*/*" } },
    errors: ["JobNotFound", "ArtifactNotFound"],
    async handle({ caller, params: { jobId, path } }) {
      const { value: job } = await lookup.job(caller, jobId);
      const blob = job.claim && (await files.openArtifact(job.jobId, job.claim.id, path));
      if (blob === undefined) throw new NotFoundError("ArtifactNotFound", `The job has no artifact ${path}.`);
      return { status: 200, file: { blob, saveAs: path.slice(path.lastIndexOf("/") + 1) } };
    },
  });

const getArtifactsZip = ({ lookup, files }: JobOutputOperationDeps) =>
  operation({
    id: "getArtifactsZip",
    method: "get",
    path: "/v1/jobs/{jobId}/artifacts.zip",
    tag: "Jobs",
    summary: "Download all artifacts of the latest attempt as one ZIP",
    description:
      "The files are stored, not compressed. Characters that some systems do not take in names are replaced by `_`.",
    needs: "read",
    params: jobParams,
    responses: { 200: { description: "The ZIP, as an attachment.", file: ZIP_MEDIA_TYPE } },
    errors: ["JobNotFound", "ArtifactNotFound"],
    async handle({ caller, params: { jobId }, gone }) {
      const { value: job } = await lookup.job(caller, jobId);
      const { claim, startedAt, endedAt = startedAt ?? job.submittedAt } = job;
      const artifacts = claim === undefined ? [] : await files.listArtifacts(jobId, claim.id);
      if (claim === undefined || artifacts.length === 0)
        throw new NotFoundError("ArtifactNotFound", "The job has left no files.");
      const open = (path: string) => files.openArtifact(jobId, claim.id, path);
      const { bytes, stream } = zipArtifacts({ artifacts, open, modifiedAt: endedAt });
      gone.addEventListener("abort", () => stream.destroy());
      return { status: 200, file: { blob: { bytes, contentType: ZIP_MEDIA_TYPE, stream }, saveAs: `${jobId}.zip` } };
    },
  });

const getLog = (deps: JobOutputOperationDeps) => {
  const follow = createFollow(deps);
  return operation({
    id: "getLog",
    method: "get",
    path: "/v1/jobs/{jobId}/log",
    tag: "Jobs",
    summary: "Read the log of an attempt, or follow it",
    description: "Lines of text: time, source (`out`, `err`, `log`, `sys`), text.",
    needs: "read",
    params: jobParams,
    query: readLogSchema,
    responses: {
      200: { description: "The log so far. With `follow`, the log until the attempt ends.", file: "text/plain" },
    },
    errors: ["JobNotFound", "LogNotFound"],
    async handle({ caller, params, query: { execution, fromByte, follow: isFollowed }, gone }) {
      const { value: job } = await deps.lookup.job(caller, params.jobId);
      if (isFollowed === "true") {
        const stream = follow({ caller, job, execution, fromByte, gone });
        return { status: 200, file: { blob: { contentType: "text/plain; charset=utf-8", stream } } };
      }
      const claimId = entryOf(job, execution)?.claimId;
      const blob = claimId === undefined ? undefined : await deps.files.openLog(job.jobId, claimId, fromByte);
      if (blob === undefined) throw new NotFoundError("LogNotFound", "This attempt has written no log yet.");
      return { status: 200, file: { blob } };
    },
  });
};

interface FollowRequest {
  readonly caller: Caller;
  readonly job: Job;
  readonly execution: number | undefined;
  readonly fromByte: number;
  readonly gone: AbortSignal;
}

/** A followed log takes a place until it ends or its client disconnects. */
function createFollow(deps: JobOutputOperationDeps): (request: FollowRequest) => AsyncIterable<Uint8Array> {
  const followedLogs = createShares({
    what: "followed logs",
    maxCount: FOLLOWED_LOGS_MAX_COUNT,
    maxPerCaller: FOLLOWED_LOGS_PER_CALLER_MAX_COUNT,
  });
  return ({ caller, job, execution, fromByte, gone }) => {
    const leave = followedLogs.take(callerKey(caller));
    // The client may have disconnected already; then the answer never ends.
    if (gone.aborted) leave();
    gone.addEventListener("abort", leave);
    const mayRead = () => stillMay(caller, [job.tenantName]);
    const log = followLog({ jobId: job.jobId, execution, fromByte, gone, mayRead }, { ...deps, sleep });
    return leavingAtItsEnd(log, leave);
  };
}

async function* leavingAtItsEnd(stream: AsyncIterable<Uint8Array>, leave: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } finally {
    leave();
  }
}
