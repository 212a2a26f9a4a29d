/**
 * The services in memory, with the semantics of the real ones: exact versions, counters, peek-locks that end, duplicate
 * detection, dead letters. Faults are put around them by others.
 */
import { sha256Of } from "../../../runtime/azure/blobs/package-blob.ts";
import { InvariantError } from "../../../runtime/core/errors.ts";
import { jobIdParts } from "../../../runtime/core/job/ids.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobFiles } from "../../../runtime/core/ports/job-files.ts";
import type { CounterSnapshot, JobStore } from "../../../runtime/core/ports/job-store.ts";
import type { PackageStore } from "../../../runtime/core/ports/package-store.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import type { WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import { addCounts, assertTransition, countChange, NO_COUNTS } from "../../../runtime/core/job/states.ts";
import { batchIdOf, type Timer, type TimerRun } from "../../../runtime/core/timer/timer.ts";
import type { WorkerRecord } from "../../../runtime/core/job/worker-record.ts";
import type { Stores } from "./faulty-stores.ts";
import { afterUpdate } from "./run-record.ts";

/** Rows under exact versions; every access takes a turn of the event loop, as one over a network would. */
class Rows<T> {
  readonly #rows = new Map<string, Stored<T>>();
  #version = 0;

  async get(id: string): Promise<Stored<T> | undefined> {
    await turn();
    return this.#rows.get(id);
  }

  /** Undefined: refused. `etag` undefined: there must be no row. */
  async write(id: string, etag: string | undefined, change: (row: T | undefined) => T): Promise<string | undefined> {
    await turn();
    const current = this.#rows.get(id);
    if (current?.etag !== etag) return undefined;
    const stored = { value: change(current?.value), etag: `v${++this.#version}` };
    this.#rows.set(id, stored);
    return stored.etag;
  }

  all(): readonly Stored<T>[] {
    return [...this.#rows.values()];
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const existing = <T>(row: T | undefined): T => {
  if (row === undefined) throw new InvariantError("An update found no row.");
  return row;
};

export function createMemoryStores(): Stores {
  const jobs = new Rows<Job>();
  return {
    jobs: memoryJobs(jobs),
    batches: memoryBatches(new Rows<Batch>()),
    workers: memoryWorkers(new Rows<WorkerRecord>()),
    files: memoryFiles(),
    packages: memoryPackages(),
    timers: memoryTimers(new Rows<Timer>(), new Rows<TimerRun>()),
  };
}

function memoryJobs(rows: Rows<Job>): JobStore {
  const counters = new Map<string, CounterSnapshot>();
  const counterOf = (batchId: string): CounterSnapshot =>
    counters.get(batchId) ?? { counts: NO_COUNTS, version: "", changedAt: undefined };
  function count(jobId: string, from: Job["state"] | undefined, to: Job["state"]): void {
    if (from === to) return;
    const { batchId } = jobIdParts(jobId);
    const { counts, version } = counterOf(batchId);
    const sum = addCounts(counts, countChange(from, to));
    counters.set(batchId, { counts: sum, version: `${version}.`, changedAt: new Date() });
  }
  const unsupported = (): never => {
    throw new Error("Not part of any scenario.");
  };
  return {
    async insert(job) {
      const etag = await rows.write(job.jobId, undefined, () => job);
      if (etag === undefined) return { written: false, current: await rows.get(job.jobId) };
      count(job.jobId, undefined, job.state);
      return { written: true, etag };
    },
    get: (jobId) => rows.get(jobId),
    async update(update) {
      const { jobId, from, to } = update;
      assertTransition(from, to);
      const etag = await rows.write(jobId, update.etag, (row) => afterUpdate(existing(row), update));
      if (etag === undefined) return { written: false, current: await rows.get(jobId) };
      count(jobId, from, to);
      return { written: true, etag };
    },
    list: unsupported,
    counts: ({ batchId }) => turn().then(() => counterOf(batchId).counts),
    snapshot: ({ batchId }) => turn().then(() => counterOf(batchId)),
    async *scan(batch, state) {
      await turn();
      yield* rows.all().filter(({ value }) => value.batchId === batch.batchId && value.state === state);
    },
  };
}

function memoryBatches(rows: Rows<Batch>): BatchStore {
  return {
    async create(batch) {
      await rows.write(batch.batchId, undefined, () => batch);
      return existing((await rows.get(batch.batchId))?.value);
    },
    get: (batchId) => rows.get(batchId),
    async update(batchId, etag, changes) {
      const written = await rows.write(batchId, etag, (row) => ({ ...existing(row), ...changes }));
      return written === undefined
        ? { written: false, current: await rows.get(batchId) }
        : { written: true, etag: written };
    },
    async *active() {
      await turn();
      yield* rows.all().filter(({ value }) => !value.atRest);
    },
    list: () => Promise.resolve({ items: rows.all().map(({ value }) => value), continuationToken: undefined }),
  };
}

function memoryWorkers(rows: Rows<WorkerRecord>): WorkerStore {
  async function leave(id: string, change: (row: WorkerRecord) => WorkerRecord): Promise<void> {
    for (;;) {
      const stored = await rows.get(id);
      if (stored === undefined) return;
      if ((await rows.write(id, stored.etag, (row) => change(existing(row)))) !== undefined) return;
    }
  }
  return {
    async beat(record, etag) {
      const before = await rows.get(record.workerId);
      // An earlier boot's row is replaced; one of this boot is a lost answer's.
      const basedOn = etag ?? (before?.value.bootId === record.bootId ? undefined : before?.etag);
      const written = await rows.write(record.workerId, basedOn, () => record);
      return written === undefined
        ? { written: false, current: await rows.get(record.workerId) }
        : { written: true, etag: written };
    },
    get: async (_pool, workerId) => (await rows.get(workerId))?.value,
    list: () => Promise.resolve(rows.all().map(({ value }) => value)),
    requestCancel: (_pool, id, intent) => leave(id, (row) => ({ ...row, cancel: [...row.cancel, intent] })),
    requestDrain: (_pool, id) => leave(id, (row) => ({ ...row, drain: true })),
  };
}

function memoryTimers(timers: Rows<Timer>, runs: Rows<TimerRun>): TimerStore {
  async function write<T>(rows: Rows<T>, id: string, row: T, etag: string | undefined) {
    const written = await rows.write(id, etag, () => row);
    return written === undefined
      ? { written: false as const, current: await rows.get(id) }
      : { written: true as const, etag: written };
  }
  const unsupported = (): never => {
    throw new Error("Not part of any scenario.");
  };
  return {
    get: (name) => timers.get(batchIdOf(name)),
    write: (timer, etag) => write(timers, batchIdOf(timer), timer, etag),
    run: (batchId) => runs.get(batchId),
    writeRun: (run, etag) => write(runs, run.batchId, run, etag),
    remove: unsupported,
    all: unsupported,
    ofPackage: unsupported,
    list: unsupported,
  };
}

function memoryFiles(): JobFiles {
  const blobs = new Map<string, string>();
  const put = (...path: readonly string[]): Promise<void> => turn().then(() => void blobs.set(path.join("/"), ""));
  return {
    putParameters: (jobId, json) => turn().then(() => void blobs.set(jobId, json)),
    getParameters: (jobId) => turn().then(() => blobs.get(jobId)),
    putArtifact: (jobId, claimId, path) => put(jobId, claimId, path),
    appendLog: (jobId, claimId) => put(jobId, claimId, "log"),
    listArtifacts: () => Promise.resolve([]),
    openArtifact: () => Promise.resolve(undefined),
    openLog: () => Promise.resolve(undefined),
  };
}

function memoryPackages(): PackageStore {
  const packages = new Map<string, Uint8Array>();
  return {
    async fetch(tenantName, packageName) {
      await turn();
      const bytes = packages.get(`${tenantName}/${packageName}`);
      return bytes && { bytes, sha256: await sha256Of(bytes), version: "1" };
    },
    async upload(tenantName, packageName, bytes) {
      await turn();
      packages.set(`${tenantName}/${packageName}`, bytes);
      return new Date();
    },
  };
}
