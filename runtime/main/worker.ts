/** The worker process. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { parseWorkerMachineSettings } from "../core/settings/machine-settings.ts";
import { createBatchCompletion } from "../lifecycle/batch-completion.ts";
import { createJobEvents } from "../lifecycle/job-events.ts";
import { createShare } from "../core/job/priority.ts";
import { parseWorkerSettings, type WorkerSettings } from "../core/settings/worker-settings.ts";
import { createUnreadable } from "../core/unreadable.ts";
import { WorkerFault } from "../worker/attempt/machine-fault.ts";
import { createPackageCache } from "../worker/package-cache/package-cache.ts";
import { currentPlatform } from "../worker/package-cache/unpack.ts";
import { hostFile } from "../worker/process/host-child.ts";
import { ownFolder } from "../platform/own-folder.ts";
import { findJobUsers, type JobUserChoice } from "../worker/process/users/job-user.ts";
import { createJobProcesses, type JobProcessesConfig } from "../worker/process/job-processes.ts";
import { createWorkspaces } from "../worker/process/files/workspace.ts";
import { openMachine } from "../worker/machine/machine.ts";
import { startWorkerNode } from "../worker/worker.ts";
import { connect, connectReleases, createLogger } from "./connect.ts";
import { GIVEN_UP, ownerPatience, runService, type Service } from "./service-process.ts";

/** Children kept ready. More would only hold memory: a machine cannot start them faster than a few at a time anyway. */
const SPARES_MAX = 4;
const PATH = process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";

async function start(): Promise<Service> {
  const settings = parseWorkerSettings(process.env);
  const log = createLogger(settings.workerId, settings.logLevel);
  // Before anything else: the sweeps below end whatever runs in it.
  const owned = await ownFolder({ ...ownerPatience, directory: settings.directory });
  let ending = false;
  /** As if told from outside, but never a second time: that would cut short what is under way. */
  const end = (): void => {
    if (!ending) process.kill(process.pid, "SIGTERM");
    ending = true;
  };
  const monotonicNow = (): number => performance.now();
  const unreadable = createUnreadable({ monotonicNow, log });
  const machine = await openMachine({
    ...settings,
    unreadable,
    settings: parseWorkerMachineSettings(process.env),
    connectReleases,
    path: PATH,
    end,
    now: Date.now,
    monotonicNow,
    random: Math.random,
    log,
  });
  const connected = await connect(settings.connection, { writerId: settings.workerId });
  const { jobs, batches, timers, queue, packages, files, workers, eventPublisher } = connected;

  const publisher = eventPublisher(log);
  const events = createJobEvents({ publisher, level: settings.events, now: () => new Date(), log });
  const users = settings.jobUser === undefined ? undefined : await findJobUsers(settings.jobUser);
  const workspaces = createWorkspaces({ root: join(settings.directory, "attempts") });
  const hostEntry = await hostFile(settings.directory);
  const processes = createJobProcesses({
    ...processConfig(settings, hostEntry, users),
    onUserClosed(why) {
      log.error({ why }, "a job cannot be ended");
      machine.reportDefect();
    },
  });
  const cache = createPackageCache({
    store: packages,
    directory: join(settings.directory, "packages"),
    platform: currentPlatform(),
  });
  // In this order: what a crashed worker left running may still use what it left lying.
  await processes.sweep();
  await workspaces.sweep();

  const worker = await startWorkerNode({
    jobs,
    queue,
    files,
    workers,
    timers,
    batches: batches,
    completion: createBatchCompletion({
      ...{ batches, jobs, timers, queue, events },
      pool: settings.pool,
      now: () => new Date(),
    }),
    events,
    packages: cache,
    workspaces,
    processes,
    share: createShare(settings.weights),
    pool: settings.pool,
    slots: settings.slots,
    version: settings.version,
    directory: settings.directory,
    workerId: settings.workerId,
    bootId: randomUUID(),
    newId: randomUUID,
    now: Date.now,
    monotonicNow,
    random: Math.random,
    lockMs: settings.lockMs,
    permit: machine.permit,
    unreadable,
    onDrainWanted: end,
    onGiveUp: (reason) => {
      log.error({ reason }, "giving up; the supervisor starts this worker again");
      process.exit(GIVEN_UP);
    },
    log,
  });
  machine.attach(worker);
  log.info({ pool: settings.pool, slots: settings.slots, healthPort: machine.healthPort }, "receiving");
  return {
    async onFault(error) {
      ending = true;
      log.error(
        { err: error, running: worker.runningCount },
        "nobody caught an error; handing back all jobs and ending",
      );
      await worker.drain(0, new WorkerFault(error));
      await processes.close();
      await publisher.close();
    },
    ready: {
      pool: settings.pool,
      slots: settings.slots,
      ...(machine.healthPort !== undefined && { healthPort: machine.healthPort }),
    },
    async stop() {
      ending = true;
      log.info({ running: worker.runningCount }, "draining");
      await worker.drain(settings.drainMs);
      await machine.stop();
      await processes.close();
      await publisher.close();
      await queue.close();
      owned.release();
    },
  };
}

const processConfig = (
  { directory, slots, jobUser }: WorkerSettings,
  hostEntry: string,
  users: JobUserChoice | undefined,
): JobProcessesConfig => ({
  root: directory,
  hostEntry,
  users,
  spares: sparesOf(slots, jobUser, users),
  environment: {
    PATH,
    LANG: process.env["LANG"],
    TZ: process.env["TZ"],
  },
});

/** A spare has a user too. Throws Error when there are fewer users than slots. */
function sparesOf(slots: number, jobUser: string | undefined, choice: JobUserChoice | undefined): number {
  const wanted = Math.min(slots, SPARES_MAX);
  if (choice?.exclusive !== true) return wanted;
  const { length } = choice.users;
  if (length < slots) throw new Error(`For ${slots} slots there are only ${length} users ${jobUser ?? ""}.`);
  return Math.min(wanted, length - slots);
}

await runService(start);
