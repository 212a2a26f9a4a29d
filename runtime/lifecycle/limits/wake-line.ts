/**
 * Sends the bells of jobs that wait for a limit, when one before them has ended or has returned to queued (R24, R25). Also
 * says which jobs need none (R27).
 */
import { decideStanding, decideWake, type Place, type Standee } from "../../core/admission/line.ts";
import { type LineName, tenantLine } from "../../core/admission/limit.ts";
import { jobQueueName } from "../../core/deployment/topology.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import type { Job } from "../../core/job/job.ts";
import type { Clock } from "../../core/clock.ts";
import { joinCalls } from "../../core/join-calls.ts";
import type { WaitingNotes } from "../../core/ports/waiting-store.ts";
import { type JobQueue, type OutgoingBell, outgoingBell } from "../../core/ports/job-queue.ts";
import { type LineReaderDeps, readLine } from "./line-reader.ts";

export interface WakeDeps extends LineReaderDeps {
  readonly queue: Pick<JobQueue, "send">;
  /** The only pool whose queues this process may send to. Default: all. */
  readonly pool?: string | undefined;
  /** Where jobs of other pools are noted, so that the refill rings for them. Default: the sweeper does, minutes later. */
  readonly waiting?: WaitingNotes | undefined;
  readonly runningLimitOf?: RunningLimitOf | undefined;
}

/** How many jobs of a tenant may run at once. Undefined: any number. Default: no tenant has such a quota. */
export type RunningLimitOf = (tenantName: string) => number | undefined;

/** What of a job names its line. */
export type LimitedJob = Pick<Job, "jobId" | "jobType" | "concurrencyKey">;

/** To be called after a job has ended or has returned to queued, and before its message is settled. */
export type AfterPlaceLeft = (job: LimitedJob) => Promise<void>;

/** The lines in which a job may have a place. */
function linesOfJob(job: LimitedJob, runningLimitOf: RunningLimitOf | undefined): readonly LineName[] {
  const ofKey = lineOfJob(job);
  const { tenantName } = jobIdParts(job.jobId);
  const ofTenant = runningLimitOf?.(tenantName) === undefined ? [] : [tenantLine(tenantName)];
  return [...(ofKey === undefined ? [] : [ofKey]), ...ofTenant];
}

/** Undefined: no limit of its key holds for the job. */
export function lineOfJob({ jobId, jobType, concurrencyKey }: LimitedJob): LineName | undefined {
  if (concurrencyKey === undefined) return undefined;
  return { tenantName: jobIdParts(jobId).tenantName, jobType, kind: "concurrency", key: concurrencyKey };
}

/** Jobs that end together share a look at their line. Throws UnavailableError. */
export function createWake(deps: WakeDeps): AfterPlaceLeft {
  const wake = joinCalls((line) => wakeLine(JSON.parse(line) as LineName, deps));
  return async (job) => {
    for (const line of linesOfJob(job, deps.runningLimitOf)) await wake(JSON.stringify(line));
  };
}

/** Throws UnavailableError. */
export async function wakeLine(name: LineName, deps: WakeDeps): Promise<void> {
  for (let line = await readLine(name, deps); ;) {
    const decision = decideWake(line, line.known);
    if (decision.action !== "ring") {
      line = await line.provide(decision);
      continue;
    }
    const bells = new Map<string, OutgoingBell[]>();
    for (const place of decision.places) {
      const row = line.row(place.jobId);
      if (row === undefined) continue;
      const queueName = jobQueueName(row.value.pool, row.value.priority);
      if (deps.pool !== undefined && row.value.pool !== deps.pool) {
        await deps.waiting?.note(queueName, row.value.batchId);
        continue;
      }
      const bell = outgoingBell(row);
      const messageId = placeBellId(bell.messageId, place, line.head?.value.era ?? 0);
      bells.set(queueName, [...(bells.get(queueName) ?? []), { ...bell, messageId, enqueueAt: undefined }]);
    }
    await Promise.all([...bells].map(([queueName, ofQueue]) => deps.queue.send(queueName, ofQueue)));
    if (!decision.readAgain) return;
    const before = line.head?.etag;
    line = await readLine(name, deps);
    if (line.head?.etag === before) return;
  }
}

/**
 * R25: another one than that of the message that was completed when the job began to wait, and the same for all who ring
 * for this place under this limit, so that the broker keeps one. R28: a bell that was rung under another limit may have
 * been received too early.
 */
const placeBellId = (usual: string, { ticket }: Place, era: number): string => `${usual}:${ticket}.${era}`;

/** For so long a job that waits stands for all behind it. One that has come to the front meanwhile was rung for. */
const BEHIND_FOR_MS = 5_000;

export interface BehindFrontDeps extends LineReaderDeps {
  readonly runningLimitOf?: RunningLimitOf | undefined;
  readonly monotonicNow: Clock["monotonicNow"];
}

/**
 * R27: whether a queued job stands behind the front of one of its lines. Then it needs no bell now: one that leaves the front
 * rings for it. Throws UnavailableError.
 */
export function createBehindFront(
  deps: BehindFrontDeps,
): (job: Pick<Job, keyof LimitedJob | "ring">) => Promise<boolean> {
  const waiting = new Map<string, { readonly ticket: number; readonly until: number }>();
  return async (job) => {
    for (const name of linesOfJob(job, deps.runningLimitOf)) if (await isBehindIn(name, job)) return true;
    return false;
  };

  async function isBehindIn(name: LineName, job: Pick<Job, "jobId" | "ring">): Promise<boolean> {
    const own = await deps.lines.placeOf(name, job.jobId, job.ring);
    if (own === undefined) return false;
    const now = deps.monotonicNow();
    for (const [key, { until }] of waiting) if (until < now) waiting.delete(key);
    const key = JSON.stringify(name);
    const known = waiting.get(key);
    if (known !== undefined && own.ticket >= known.ticket) return true;
    if (!(await isBehindFront(name, { ...job, own }, deps))) return false;
    waiting.set(key, { ticket: own.ticket, until: now + BEHIND_FOR_MS });
    return true;
  }
}

async function isBehindFront(name: LineName, standee: Standee, deps: BehindFrontDeps): Promise<boolean> {
  // A larger quota counts before its line's row has it.
  const quota = name.kind === "tenant" ? deps.runningLimitOf?.(name.tenantName) : undefined;
  for (let line = await readLine(name, deps); ;) {
    const decision = decideStanding({ ...line, max: quota ?? line.max }, standee, line.known);
    if (decision.action === "wait") return true;
    if (decision.action === "pass" || decision.action === "join" || decision.action === "find-own") return false;
    line = await line.provide(decision);
  }
}
