/**
 * What happened in one run, seen from beside the services: every write that landed, with the version it was made on, and
 * every execution of a job. It lies below the fault plan, so a lost answer hides nothing from it. Its moments are counted,
 * not measured: what happens later has the greater one, also where no time passes.
 */
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import type { BatchChanges, BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobStore, JobUpdate } from "../../../runtime/core/ports/job-store.ts";
import type { JobProcesses } from "../../../runtime/worker/process/job-processes.ts";
import type { ProcessResult } from "../../../runtime/worker/process/spec.ts";
import type { Stores } from "./faulty-stores.ts";

/** A version of a row: what it was made from, and the row as it then was. */
export interface Version<T> {
  readonly basedOn: string | undefined;
  readonly etag: string;
  readonly row: T;
  readonly by: string;
  readonly at: number;
}

export interface Execution {
  readonly jobId: string;
  readonly claimId: string;
  /** Of a run of a timer. */
  readonly fence: number | undefined;
  readonly startedAt: number;
  readonly pid: () => number | undefined;
  endedAt: number | undefined;
  result: ProcessResult | undefined;
}

export interface RunRecord {
  readonly jobIds: readonly string[];
  readonly batchIds: readonly string[];
  readonly executions: readonly Execution[];
  /** Oldest first; a version that does not follow from the others is left out. */
  jobVersions(jobId: string): readonly Version<Job>[];
  batchVersions(batchId: string): readonly Version<Batch>[];
  /** Versions that were made on one that had a successor already, or on none that is known. */
  readonly strayVersions: () => readonly Version<Job | Batch>[];
  job(jobId: string): Job;
  batch(batchId: string): Batch;
  /** Puts the record between a process and its stores. */
  stores(by: string, inner: Stores): Stores;
  processes(inner: Pick<JobProcesses, "start">): Pick<JobProcesses, "start">;
  /** Resolves as soon as the condition holds. Rejects when it does not within the time. */
  until(what: string, condition: () => boolean, withinMs: number): Promise<void>;
}

type Landed<T, C> = Omit<Version<T>, "row"> & { readonly inserted?: T; readonly changes?: C };
type JobWrite = Landed<Job, Pick<JobUpdate, "to" | "changes">>;
type BatchWrite = Landed<Batch, BatchChanges>;

export function createRunRecord(): RunRecord {
  const jobs = new Map<string, JobWrite[]>();
  const batches = new Map<string, BatchWrite[]>();
  const executions: Execution[] = [];
  const watchers = new Set<() => void>();
  let moments = 0;
  const moment = (): number => ++moments;

  function note<T>(into: Map<string, T[]>, id: string, write: T): void {
    into.set(id, [...(into.get(id) ?? []), write]);
    for (const watcher of watchers) watcher();
  }
  const jobVersions = (jobId: string) => chain(jobs.get(jobId) ?? [], afterUpdate);
  const batchVersions = (batchId: string) =>
    chain(batches.get(batchId) ?? [], (row, changes): Batch => ({ ...row, ...changes }));
  const latest = <T>(versions: readonly Version<T>[], id: string): T => {
    const last = versions.at(-1);
    if (last === undefined) throw new Error(`Nothing was written as ${id}.`);
    return last.row;
  };

  return {
    get jobIds() {
      return [...jobs.keys()];
    },
    get batchIds() {
      return [...batches.keys()];
    },
    executions,
    jobVersions,
    batchVersions,
    strayVersions: () => [
      ...[...jobs].flatMap(([id, writes]) => strays(writes, jobVersions(id))),
      ...[...batches].flatMap(([id, writes]) => strays(writes, batchVersions(id))),
    ],
    job: (jobId) => latest(jobVersions(jobId), jobId),
    batch: (batchId) => latest(batchVersions(batchId), batchId),
    stores: (by, inner) => ({
      ...inner,
      jobs: recordJobs(inner.jobs, (id, write) => note(jobs, id, { ...write, by, at: moment() })),
      batches: recordBatches(inner.batches, (id, write) => note(batches, id, { ...write, by, at: moment() })),
    }),
    processes: (inner) => ({
      start(spec) {
        const { jobId, claimId, fence } = spec.job;
        const startedAt = moment();
        const process = inner.start(spec);
        const pid = (): number | undefined => process.pid;
        const execution: Execution = { jobId, claimId, fence, startedAt, pid, endedAt: undefined, result: undefined };
        executions.push(execution);
        for (const watcher of watchers) watcher();
        void process.result.then((result) => Object.assign(execution, { result, endedAt: moment() }));
        return process;
      },
    }),
    until(what, condition, withinMs) {
      return new Promise((resolve, reject) => {
        const end = (settle: () => void) => {
          clearTimeout(timer);
          watchers.delete(watch);
          settle();
        };
        const watch = (): void => {
          if (condition()) end(resolve);
        };
        const timer = setTimeout(() => {
          end(() => reject(new Error(`I7: not within ${withinMs} ms: ${what}`)));
        }, withinMs);
        watchers.add(watch);
        watch();
      });
    },
  };
}

/** Follows the versions from the insert on. */
function chain<T, C>(writes: readonly Landed<T, C>[], apply: (row: T, changes: C) => T): Version<T>[] {
  const versions: Version<T>[] = [];
  let next = writes.find(({ inserted }) => inserted !== undefined);
  let row = next?.inserted;
  while (next !== undefined && row !== undefined) {
    const { basedOn, etag, by, at, changes } = next;
    if (changes !== undefined) row = apply(row, changes);
    versions.push({ basedOn, etag, by, at, row });
    next = writes.find((write) => write.basedOn === etag);
  }
  return versions;
}

const strays = <T, C>(writes: readonly Landed<T, C>[], versions: readonly Version<T>[]): Version<T>[] =>
  writes
    .filter(({ etag }) => !versions.some((version) => version.etag === etag))
    .map(({ basedOn, etag, by, at, inserted }) => ({ basedOn, etag, by, at, row: (inserted ?? {}) as T }));

/** The row after an update, as the store keeps it. */
function afterUpdate(row: Job, { to, changes }: Pick<JobUpdate, "to" | "changes">): Job {
  const { history: entries = [], ...rest } = changes;
  const kept = row.history.filter((old) => !entries.some(({ execution }) => execution === old.execution));
  const history = [...kept, ...entries].sort((a, b) => a.execution - b.execution);
  return { ...row, ...rest, history, state: to };
}

type Note<W extends JobWrite | BatchWrite> = (id: string, write: Omit<W, "by" | "at">) => void;

const recordJobs = (inner: JobStore, note: Note<JobWrite>): JobStore => ({
  ...inner,
  async insert(job) {
    const result = await inner.insert(job);
    if (result.written) note(job.jobId, { basedOn: undefined, etag: result.etag, inserted: job });
    return result;
  },
  async update(update) {
    const result = await inner.update(update);
    const { jobId, etag: basedOn, to, changes } = update;
    if (result.written) note(jobId, { basedOn, etag: result.etag, changes: { to, changes } });
    return result;
  },
});

const recordBatches = (inner: BatchStore, note: Note<BatchWrite>): BatchStore => ({
  ...inner,
  async create(batch) {
    const created = await inner.create(batch);
    const stored = await inner.get(batch.batchId);
    if (stored !== undefined) note(batch.batchId, { basedOn: undefined, etag: stored.etag, inserted: stored.value });
    return created;
  },
  async update(batchId, etag, changes) {
    const result = await inner.update(batchId, etag, changes);
    if (result.written) note(batchId, { basedOn: etag, etag: result.etag, changes });
    return result;
  },
});
