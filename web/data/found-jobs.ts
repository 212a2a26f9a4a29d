/** Jobs across batches, and what can be done with many at once. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { JobFilterFields, JobServiceClient, JobState, JobView } from "../../runtime/client/index.ts";
import { REQUEUE_MAX_JOBS } from "../../runtime/core/limits.ts";
import { instantOf } from "../components/address.ts";
import { useLongList, type LongList } from "./listing.ts";
import { useClient } from "./session.ts";

/** As in the address. */
export interface JobFilter {
  /** Empty: in any. `delayed` stands alone. */
  readonly states: readonly (JobState | "delayed")[];
  readonly jobType?: string | undefined;
  readonly jobProcessorPackageName?: string | undefined;
  readonly tag?: string | undefined;
  readonly batchId?: string | undefined;
  /** In the name, an id or the failure's message. */
  readonly text?: string | undefined;
  /** An instant, or a span before now. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** The states that a filter names. Undefined: all, or those that are delayed. */
const statesOf = ({ states }: JobFilter): readonly JobState[] | undefined => {
  const named = states.filter((state) => state !== "delayed");
  return named.length === 0 ? undefined : named;
};

export function optionsOf({ states, since, until, ...filter }: JobFilter): JobFilterFields {
  const now = Date.now();
  return {
    ...filter,
    ...(states.includes("delayed") ? { delayed: true } : { state: statesOf({ states }) }),
    since: instantOf(since, now),
    until: instantOf(until, now),
  };
}

/** Jobs of a tenant across its batches, newest first. */
export function useFoundJobs(tenantName: string | undefined, filter: JobFilter): LongList<JobView> {
  const client = useClient();
  return useLongList({
    queryKey: ["jobs", tenantName, "found", filter],
    enabled: tenantName !== undefined,
    list: (options) => client.monitoring.findJobs(tenantName ?? "", { ...optionsOf(filter), ...options }),
  });
}

/** What became of a command for many jobs. */
export interface ManyDone {
  readonly done: number;
  readonly refused: number;
  /** Of the first that was refused. */
  readonly why?: string;
}

/** Cancels that run at once. There is no call for many. */
const CANCELS_AT_ONCE = 6;

async function cancelMany({ management }: JobServiceClient, jobIds: readonly string[]): Promise<ManyDone> {
  const left = [...jobIds];
  const refusals: unknown[] = [];
  const next = async (): Promise<void> => {
    for (let jobId = left.shift(); jobId !== undefined; jobId = left.shift()) {
      await management.cancelJob(jobId).catch((error: unknown) => refusals.push(error));
    }
  };
  await Promise.all(Array.from({ length: CANCELS_AT_ONCE }, next));
  const [first] = refusals;
  if (refusals.length === jobIds.length) throw first;
  return outcome(jobIds.length, refusals.length, first instanceof Error ? first.message : undefined);
}

async function requeueMany({ management }: JobServiceClient, jobIds: readonly string[]): Promise<ManyDone> {
  const refusals: string[] = [];
  for (let from = 0; from < jobIds.length; from += REQUEUE_MAX_JOBS) {
    for (const result of await management.requeueJobs(jobIds.slice(from, from + REQUEUE_MAX_JOBS)))
      if ("error" in result) refusals.push(`${result.error.message} (${result.error.code})`);
  }
  if (refusals.length === jobIds.length) throw new Error(refusals[0]);
  return outcome(jobIds.length, refusals.length, refusals[0]);
}

const outcome = (all: number, refused: number, why: string | undefined): ManyDone => ({
  done: all - refused,
  refused,
  ...(why !== undefined && { why }),
});

export function useManyJobs() {
  const client = useClient();
  const queries = useQueryClient();
  const onSuccess = (): void => {
    for (const kind of ["jobs", "errors", "dead-letters"]) void queries.invalidateQueries({ queryKey: [kind] });
  };
  return {
    cancel: useMutation({ mutationFn: (jobIds: readonly string[]) => cancelMany(client, jobIds), onSuccess }),
    requeue: useMutation({ mutationFn: (jobIds: readonly string[]) => requeueMany(client, jobIds), onSuccess }),
  };
}
