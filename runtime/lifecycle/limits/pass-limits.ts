/**
 * The limits that hold for a job, before it is claimed (R21 to R23, R28, R29): first that of its key, then the quota of its tenant,
 * then its rate. core/admission decides; this file reads and writes. The job's row was read before, and is claimed on that
 * version or not at all.
 *
 * | decision          | written                                       | then the job                                    |
 * |-------------------|-----------------------------------------------|-------------------------------------------------|
 * | join, room        | its place, on the version of the line         | takes its time of the rate, then is claimed     |
 * | join, no room     | the same                                      | looks again, then waits without a message       |
 * | pass              | nothing: it had a place                       | as with room                                    |
 * | wait              | nothing: it had a place                       | waits without a message                         |
 * | another limit     | the limit, on the version of the line         | decides again                                   |
 * | rate, now         | the time, on the version of the rate's row    | is claimed                                      |
 * | rate, later       | the same                                      | gets a bell for that time, without this message |
 */
import { decideStanding, type Place } from "../../core/admission/line.ts";
import { type JobLimits, type LineName, NEW_LINE, type RateLimit, tenantLine } from "../../core/admission/limit.ts";
import { takeTime } from "../../core/admission/rate.ts";
import { jobQueueName } from "../../core/deployment/topology.ts";
import { bellMessageId } from "../../core/job/bell.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import type { Job } from "../../core/job/job.ts";
import type { Logger } from "../../core/logger.ts";
import { outgoingBell, type ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { Stored } from "../../core/ports/stored.ts";
import { readLine } from "./line-reader.ts";
import { lineOfJob, type WakeDeps, wakeLine } from "./wake-line.ts";

export interface PassLimitsDeps extends WakeDeps {
  /**
   * What the job's package declares now. "unknown": it cannot be read. Then the limit that was in force last holds, so that
   * a job does not pass because of an outage. Throws UnavailableError.
   */
  readonly limitsOf: (job: Job) => Promise<JobLimits | undefined | "unknown">;
  /** Lock duration of the queues. */
  readonly lockMs: number;
}

export interface LimitContext {
  readonly delivery: Pick<ReceivedMessage, "complete" | "lockedUntil">;
  /** The message is the bell for the time that the job was given by its rate. */
  readonly hasRateTime: boolean;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** "settled": the job waits, and its message is completed. Throws UnavailableError, or what `signal` fires with. */
export type PassLimits = (stored: Stored<Job>, context: LimitContext) => Promise<"passed" | "settled">;

export const hasLimits = ({ concurrencyKey, rateKey }: Pick<Job, "concurrencyKey" | "rateKey">): boolean =>
  concurrencyKey !== undefined || rateKey !== undefined;

export function createPassLimits(deps: PassLimitsDeps): PassLimits {
  return async (stored, context) => {
    // It may have waited for its turn for longer than its lock holds.
    context.signal.throwIfAborted();
    const job = stored.value;
    const limits = hasLimits(job) ? await deps.limitsOf(job) : undefined;
    const { tenantName } = jobIdParts(job.jobId);
    const quota = deps.runningLimitOf?.(tenantName);
    const ofTenant = quota === undefined ? undefined : { name: tenantLine(tenantName), max: quota };
    // R34: what has a place in its tenant's line has passed the limit of its key. Two jobs could wait for each other otherwise.
    const isInTenantLine =
      ofTenant !== undefined &&
      job.concurrencyKey !== undefined &&
      (await deps.lines.placeOf(ofTenant.name, job.jobId, job.ring)) !== undefined;
    if (!isInTenantLine && !(await passConcurrency(job, limits, context, deps))) {
      return waits("the job waits for its concurrency limit", context);
    }
    if (ofTenant !== undefined && !(await passLine(job, ofTenant, context, deps))) {
      return waits("the job waits for the quota of its tenant", context);
    }
    return passRate(stored, limits, context, deps);
  };
}

async function waits(why: string, { delivery, log }: LimitContext): Promise<"settled"> {
  log.info({}, why);
  await delivery.complete();
  return "settled";
}

type Declared = JobLimits | undefined | "unknown";

/** Where nothing is known of a limit, it is the strictest. */
const STRICTEST = 1;

/** False: it waits. */
async function passConcurrency(
  job: Job,
  limits: Declared,
  context: LimitContext,
  deps: PassLimitsDeps,
): Promise<boolean> {
  const name = lineOfJob(job);
  const max = limits === "unknown" ? "unknown" : limits?.concurrency?.max;
  return name === undefined || max === undefined || passLine(job, { name, max }, context, deps);
}

interface LineLimit {
  readonly name: LineName;
  /** "unknown": the limit that was in force last holds. */
  readonly max: number | "unknown";
}

/** False: it waits. */
async function passLine(
  job: Job,
  { name, max: declared }: LineLimit,
  { signal }: LimitContext,
  deps: PassLimitsDeps,
): Promise<boolean> {
  let own: Place | null | undefined;
  for (let line = await readLine(name, deps); ;) {
    signal.throwIfAborted();
    const head = line.head?.value ?? NEW_LINE;
    const max = declared === "unknown" ? head.max || STRICTEST : declared;
    if (line.head !== undefined && head.max !== max) {
      const changed = { ...head, max, era: head.era + 1 };
      // R28: those that it lets into the front wait without a message.
      if ((await deps.lines.write(name, { head: changed, etag: line.head.etag })) && max > head.max) {
        await wakeLine(name, deps);
      }
      line = await readLine(name, deps);
      continue;
    }
    const decision = decideStanding({ ...line, max }, { jobId: job.jobId, ring: job.ring, own }, line.known);
    switch (decision.action) {
      case "pass":
        return true;
      case "wait":
        return false;
      case "find-own":
        own = (await deps.lines.placeOf(name, job.jobId, job.ring)) ?? null;
        break;
      case "join": {
        const place = { ticket: head.nextTicket, jobId: job.jobId, ring: job.ring, waits: !decision.passes };
        const write = { head: { ...head, max, nextTicket: head.nextTicket + 1 }, etag: line.head?.etag };
        own = undefined;
        // R22: refused or unanswered, it begins again, and finds its place if it has one.
        if (!(await deps.lines.write(name, { ...write, join: place, remove: decision.over }))) {
          line = await readLine(name, deps);
        } else if (decision.passes) {
          return true;
        } else {
          // R23: one that has left since could not see that this job waits. R26: those that are over are gone.
          own = place;
          line = line.joinedBy(place, decision.over);
        }
        break;
      }
      case "look":
      case "read-on":
      case "clear":
        line = await line.provide(decision);
    }
  }
}

async function passRate(
  stored: Stored<Job>,
  limits: Declared,
  { delivery, hasRateTime, signal, log }: LimitContext,
  deps: PassLimitsDeps,
): Promise<"passed" | "settled"> {
  const { value: job } = stored;
  const rate = limits === "unknown" ? undefined : limits?.rate;
  if (hasRateTime || job.rateKey === undefined || rate === undefined) return "passed";
  // By the broker's clock: those of workers differ, and the time of the last start may be from another one.
  const receivedAt = delivery.lockedUntil - deps.lockMs;
  const startsAt = await takeRateTime(rateLineOf(job, job.rateKey), rate, { receivedAt, signal }, deps);
  if (startsAt <= receivedAt) return "passed";
  // R29: the message says that the job has its time, and its id is fresh for each time.
  const { bell } = outgoingBell(stored);
  const messageId = `${bellMessageId(job.jobId, job.ring)}:at.${startsAt}`;
  const rateTime = new Date(startsAt).toISOString();
  await deps.queue.send(jobQueueName(job.pool, job.priority), [
    { bell: { ...bell, rateTime }, messageId, enqueueAt: new Date(startsAt) },
  ]);
  log.info({ startsAt: rateTime }, "the job waits for its rate limit");
  await delivery.complete();
  return "settled";
}

async function takeRateTime(
  name: LineName,
  { max, perSeconds }: RateLimit,
  { receivedAt, signal }: { readonly receivedAt: number; readonly signal: AbortSignal },
  { lines }: PassLimitsDeps,
): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    const { head } = await lines.read(name, 0);
    const current = head?.value ?? NEW_LINE;
    const { startsAt, taken } = takeTime(current.taken, { max, perMs: perSeconds * 1_000 }, receivedAt);
    if (await lines.write(name, { head: { ...current, taken }, etag: head?.etag })) return startsAt;
  }
}

export const rateLineOf = ({ jobId, jobType }: Job, key: string): LineName => ({
  ...{ tenantName: jobIdParts(jobId).tenantName, jobType, kind: "rate", key },
});
