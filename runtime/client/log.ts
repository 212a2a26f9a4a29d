/** Logs as text: the current content, or followed as they grow, across broken connections and retries. */
import { isTerminal } from "../core/job/states.ts";
import type { JobView } from "../core/http/views.ts";
import { type CallOptions, type Transport, path, wholeText } from "./transport.ts";
import { chunksOf } from "./bytes.ts";
import { isJobServiceError, networkFailed } from "./job-service-error.ts";
import { type Attempt, sleepOrThrow, withRetries } from "./with-retries.ts";

export interface ReadLogOptions extends CallOptions {
  /** Which start of the job, as counted in its history. Default: the latest. */
  readonly execution?: number | undefined;
}

export interface FollowLogOptions extends CallOptions {
  /** Only this start of the job. Default: from the latest start until the job has ended. */
  readonly execution?: number | undefined;
}

/** How often to check a job that has not started. */
const LOOK_EVERY_MS = 1_000;

export async function readLog(
  transport: Transport,
  jobId: string,
  { execution, signal }: ReadLogOptions,
): Promise<string> {
  const request = { path: path`/v1/jobs/${jobId}/log`, query: { execution }, signal };
  try {
    return await withRetries(transport.policy, signal, async ({ leftMs }) =>
      wholeText(await transport.open(request, leftMs)),
    );
  } catch (error) {
    if (isJobServiceError(error) && error.code === "LogNotFound") return "";
    throw error;
  }
}

export interface FollowedJob {
  readonly jobId: string;
  readonly getJob: (jobId: string, options: CallOptions) => Promise<JobView>;
}

/** Yields pieces of text, not lines. */
export async function* followLog(
  transport: Transport,
  { jobId, getJob }: FollowedJob,
  { execution, signal }: FollowLogOptions,
): AsyncGenerator<string> {
  let wanted = execution;
  for (;;) {
    const { state, history } = await getJob(jobId, { signal });
    const latest = history.at(-1)?.execution ?? 0;
    wanted ??= Math.max(1, latest);
    if (latest >= wanted) {
      yield* followOne(transport, { jobId, execution: wanted, getJob }, signal);
      if (execution !== undefined) return;
      wanted++;
    } else if (isTerminal(state)) return;
    else await sleepOrThrow(LOOK_EVERY_MS, signal);
  }
}

/** Follows the log of one started attempt until it has ended. */
async function* followOne(
  transport: Transport,
  { jobId, execution, getJob }: FollowedJob & { readonly execution: number },
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let fromByte = 0;
  let open: AsyncGenerator<Uint8Array> | undefined;

  /** Undefined: the whole log was in one response. */
  const next = async ({ progressed, leftMs }: Attempt): Promise<Uint8Array | undefined> => {
    const request = { path: path`/v1/jobs/${jobId}/log`, query: { execution, fromByte, follow: true }, signal };
    try {
      open ??= chunksOf((await transport.open(request, leftMs)).body);
      const piece = await open.next();
      progressed();
      return piece.done === true ? undefined : piece.value;
    } catch (error) {
      open = undefined;
      if (isJobServiceError(error)) throw error;
      throw networkFailed(error, { status: 200 });
    }
  };

  try {
    for (;;) {
      const chunk = await withRetries(transport.policy, signal, next);
      if (chunk !== undefined) {
        fromByte += chunk.byteLength;
        yield decoder.decode(chunk, { stream: true });
        continue;
      }
      open = undefined;
      // A response ends after an hour, even if the log has not ended.
      if (hasEnded(await getJob(jobId, { signal }), execution)) return;
    }
  } finally {
    await open?.return(undefined);
  }
}

function hasEnded({ state, history }: JobView, execution: number): boolean {
  const last = history.at(-1);
  const entry = history.find((one) => one.execution === execution);
  return isTerminal(state) || entry?.outcome !== undefined || (last?.execution ?? 0) > execution;
}
