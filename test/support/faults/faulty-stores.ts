/** Puts a fault plan between a process and its tables and blobs. */
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobFiles } from "../../../runtime/core/ports/job-files.ts";
import type { JobStore, JobUpdate } from "../../../runtime/core/ports/job-store.ts";
import type { PackageStore } from "../../../runtime/core/ports/package-store.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import type { WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import type { Job } from "../../../runtime/core/job/job.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import { cancelJob } from "../../../runtime/lifecycle/cancel-job.ts";
import { newTimerRun } from "../../../runtime/core/timer/timer.ts";
import { type PortCall, READ, WRITE } from "./fault-plan.ts";
import { silentEvents } from "../silent.ts";

export interface Stores {
  readonly jobs: JobStore;
  readonly batches: BatchStore;
  readonly workers: WorkerStore;
  readonly files: JobFiles;
  readonly packages: PackageStore;
  readonly timers: TimerStore;
}

export const faultyStores = ({ jobs, batches, workers, files, packages, timers }: Stores, call: PortCall): Stores => ({
  timers: faultyTimers(timers, call),
  jobs: faultyJobs(jobs, call),
  batches: faultyBatches(batches, call),
  workers: faultyWorkers(workers, call),
  files: faultyFiles(files, call),
  packages: {
    fetch: (...request) => call("packages.fetch", READ, () => packages.fetch(...request)),
    upload: (...request) => call("packages.upload", WRITE, () => packages.upload(...request)),
  },
});

function faultyJobs(inner: JobStore, call: PortCall): JobStore {
  const moved = async (update: JobUpdate) => {
    const stored = await inner.get(update.jobId);
    if (stored !== undefined) await touch(inner, stored);
    return inner.update(update);
  };
  const canceled = async (update: JobUpdate) => {
    const stored = await inner.get(update.jobId);
    const workers = { requestCancel: () => Promise.resolve() };
    if (stored !== undefined)
      await cancelJob(stored, { jobs: inner, workers, events: silentEvents, now: () => new Date() });
    return inner.update(update);
  };
  return {
    insert: (job) =>
      call("jobs.insert", WRITE, () => inner.insert(job), {
        "lose-answer": async () => {
          await inner.insert(job);
          return { written: false, current: await inner.get(job.jobId) };
        },
      }),
    get: (jobId) => call("jobs.get", READ, () => inner.get(jobId)),
    update: (update) =>
      call(`jobs.update ${update.from}-${update.to}`, WRITE, () => inner.update(update), {
        "lose-answer": async () => {
          await inner.update(update);
          return { written: false, current: await inner.get(update.jobId) };
        },
        "move-row": () => moved(update),
        cancel: () => canceled(update),
      }),
    list: (batch, request) => call("jobs.list", READ, () => inner.list(batch, request)),
    counts: (batch) => call("jobs.counts", READ, () => inner.counts(batch)),
    snapshot: (batch) => call("jobs.snapshot", READ, () => inner.snapshot(batch)),
    async *outlines(...request) {
      yield* await call("jobs.outlines", READ, () => collect(inner.outlines(...request)));
    },
    async *scan(...request) {
      yield* await call("jobs.scan", READ, () => collect(inner.scan(...request)));
    },
  };
}

/** Moves the ETag of a row that has not ended, and nothing else. */
async function touch(jobs: JobStore, { value: { jobId, state }, etag }: Stored<Job>): Promise<void> {
  if (!isTerminal(state)) await jobs.update({ jobId, etag, from: state, to: state, changes: {} });
}

const faultyBatches = (inner: BatchStore, call: PortCall): BatchStore => ({
  create: (batch) => call("batches.create", WRITE, () => inner.create(batch)),
  get: (batchId) => call("batches.get", READ, () => inner.get(batchId)),
  update: (batchId, etag, changes) =>
    call("batches.update", WRITE, () => inner.update(batchId, etag, changes), {
      "lose-answer": async () => {
        await inner.update(batchId, etag, changes);
        return { written: false, current: await inner.get(batchId) };
      },
      "move-row": async () => {
        const stored = await inner.get(batchId);
        if (stored !== undefined) await inner.update(batchId, stored.etag, { atRest: stored.value.atRest });
        return inner.update(batchId, etag, changes);
      },
    }),
  async *active(onUnreadable) {
    yield* await call("batches.active", READ, () => collect(inner.active(onUnreadable)));
  },
  list: (...request) => call("batches.list", READ, () => inner.list(...request)),
});

/** The rows of timers. Nothing is registered here. */
const faultyTimers = (inner: TimerStore, call: PortCall): TimerStore => ({
  ...inner,
  get: (name) => call("timers.get", READ, () => inner.get(name)),
  run: (batchId) => call("timers.run", READ, () => inner.run(batchId)),
  writeRun: (run, etag) =>
    call("timers.writeRun", WRITE, () => inner.writeRun(run, etag), {
      "lose-answer": async () => {
        await inner.writeRun(run, etag);
        return { written: false, current: await inner.run(run.batchId) };
      },
      "move-row": async () => {
        const current = await inner.run(run.batchId);
        await inner.writeRun(current?.value ?? newTimerRun(run.batchId), current?.etag);
        return inner.writeRun(run, etag);
      },
    }),
});

const faultyWorkers = (inner: WorkerStore, call: PortCall): WorkerStore => ({
  beat: (record, etag) =>
    call("workers.beat", WRITE, () => inner.beat(record, etag), {
      "move-row": async () => {
        await inner.requestCancel(record.pool, record.workerId, { jobId: "none", claimId: "none" });
        return inner.beat(record, etag);
      },
    }),
  get: (...request) => call("workers.get", READ, () => inner.get(...request)),
  list: (...request) => call("workers.list", READ, () => inner.list(...request)),
  requestCancel: (...request) => call("workers.requestCancel", WRITE, () => inner.requestCancel(...request)),
  requestDrain: (...request) => call("workers.requestDrain", WRITE, () => inner.requestDrain(...request)),
});

const faultyFiles = (inner: JobFiles, call: PortCall): JobFiles => ({
  putParameters: (...request) => call("files.putParameters", WRITE, () => inner.putParameters(...request)),
  getParameters: (...request) => call("files.getParameters", READ, () => inner.getParameters(...request)),
  putArtifact: (...request) => call("files.putArtifact", WRITE, () => inner.putArtifact(...request)),
  listArtifacts: (...request) => call("files.listArtifacts", READ, () => inner.listArtifacts(...request)),
  openArtifact: (...request) => call("files.openArtifact", READ, () => inner.openArtifact(...request)),
  appendLog: (...request) => call("files.appendLog", WRITE, () => inner.appendLog(...request)),
  openLog: (...request) => call("files.openLog", READ, () => inner.openLog(...request)),
});

async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
