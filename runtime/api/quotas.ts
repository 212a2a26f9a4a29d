/**
 * Quotas of tenants: jobs a day, and stored bytes. A job is charged when its submit has passed every other check, and before
 * anything is written. To be cheap, an instance takes a share of the day's jobs from the tenant's row by one conditional
 * write, and then counts in memory. So no more jobs than the quota are accepted; with several instances, or after one
 * crashed, up to a share for each instance may be left unused.
 */
import { QuotaExceededError, UnavailableError } from "../core/errors.ts";
import { QUOTA_KNOWN_FOR_MS, QUOTA_SHARE_MAX } from "../core/limits.ts";
import type { FullQuota, QuotaStore, TenantQuota } from "../core/ports/quota-store.ts";
import type { Clock } from "../core/clock.ts";
import { sleep } from "../core/sleep.ts";
import type { NoteFull } from "./webhooks/announce-full.ts";
import type { KnownJobs } from "./submit/known-jobs.ts";
import type { SubmitJob } from "./submit/submit-job.ts";
import type { SubmitMany } from "./submit/submit-many.ts";

export interface QuotaDeps {
  readonly quotas: Pick<QuotaStore, "get" | "put">;
  /** Called with each refusal, before it is answered. Default: nobody is told. */
  readonly noteFull?: NoteFull | undefined;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
  /** Default: Math.random. */
  readonly random?: () => number;
}

export interface Quotas {
  /** Charges one job. Why it is not accepted; undefined: it is. Throws UnavailableError. */
  readonly admit: (tenantName: string) => Promise<QuotaExceededError | undefined>;
  /** The last charged job was none: it was there before. */
  readonly giveBack: (tenantName: string) => void;
  /** Why nothing more is stored; undefined: it is. */
  readonly storage: (tenantName: string) => Promise<QuotaExceededError | undefined>;
  /** Of this instance: a change counts here at once. */
  readonly forget: (tenantName: string) => void;
}

/** One for each tenant. It is changed in place, so that nobody counts on an older one. */
interface Known {
  quota: TenantQuota | undefined;
  readAt: number;
  reading: Promise<void> | undefined;
  /** Of the share that this instance has taken. */
  day: string;
  left: number;
  taking: Promise<boolean> | undefined;
  /** The day's jobs were all taken when it was last looked. */
  exhausted: boolean;
}

const DAY_MS = 24 * 60 * 60_000;
const TRIES = 50;
/** The pause after the nth conflict is at most n times this. */
const PAUSE_MS = 5;

const dayOf = (now: Date): string => now.toISOString().slice(0, 10);

const nextDay = (now: Date): Date => new Date((Math.floor(now.getTime() / DAY_MS) + 1) * DAY_MS);

/** A hundredth, so that a small quota is not divided into few shares. */
const shareOf = (jobsPerDay: number): number => Math.max(1, Math.min(QUOTA_SHARE_MAX, Math.floor(jobsPerDay / 100)));

export function createQuotas({ quotas, noteFull, now, monotonicNow, random = Math.random }: QuotaDeps): Quotas {
  const known = new Map<string, Known>();

  async function read(tenantName: string, state: Known): Promise<void> {
    const readAt = monotonicNow();
    const quota = (await quotas.get(tenantName))?.value;
    Object.assign(state, { quota, readAt, exhausted: false });
  }

  async function knownOf(tenantName: string): Promise<Known> {
    const state = known.get(tenantName) ?? { ...UNREAD };
    known.set(tenantName, state);
    if (monotonicNow() - state.readAt >= QUOTA_KNOWN_FOR_MS) {
      state.reading ??= read(tenantName, state).finally(() => (state.reading = undefined));
      await state.reading;
    }
    return state;
  }

  /** False: all jobs of the day are taken. */
  async function takeShare(tenantName: string, into: Known): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const current = await quotas.get(tenantName);
      const jobsPerDay = current?.value.jobsPerDay;
      const day = dayOf(now());
      if (current === undefined || jobsPerDay === undefined) {
        Object.assign(into, { day, left: shareOf(Infinity) });
        return true;
      }
      const taken = current.value.day === day ? current.value.jobsTaken : 0;
      const share = Math.min(shareOf(jobsPerDay), jobsPerDay - taken);
      if (share <= 0) return false;
      if (!(await quotas.put({ ...current.value, day, jobsTaken: taken + share }, current.etag))) {
        // Apart from the instances that it met.
        await sleep(random() * PAUSE_MS * (tries + 1));
        continue;
      }
      Object.assign(into, { day, left: into.day === day ? into.left + share : share });
      return true;
    }
    throw new UnavailableError("StorageUnavailable", "The quota changed during every attempt to use it. Retry later.");
  }

  type Full = Pick<FullQuota, "quota" | "limit" | "used">;

  async function refused(tenantName: string, full: Full, error: QuotaExceededError): Promise<QuotaExceededError> {
    await noteFull?.(tenantName, full);
    return error;
  }

  async function overStorage(quota: TenantQuota): Promise<QuotaExceededError | undefined> {
    const { tenantName, storedBytes, storedNow } = quota;
    if (storedBytes === undefined || storedNow === undefined || storedNow <= storedBytes) return undefined;
    const error = new QuotaExceededError(
      `The tenant has stored ${storedNow} bytes, and its quota is ${storedBytes}. It is counted once an hour.`,
      { retryAfterS: 3_600 },
    );
    return refused(tenantName, { quota: "storedBytes", limit: storedBytes, used: storedNow }, error);
  }

  return {
    async admit(tenantName) {
      const state = await knownOf(tenantName);
      const { quota } = state;
      if (quota === undefined) return undefined;
      const over = await overStorage(quota);
      const { jobsPerDay } = quota;
      if (over !== undefined || jobsPerDay === undefined) return over;
      while (state.day !== dayOf(now()) || state.left <= 0) {
        state.taking ??= takeShare(tenantName, state).finally(() => (state.taking = undefined));
        state.exhausted ||= !(await state.taking);
        if (!state.exhausted) continue;
        const full = { quota: "jobsPerDay", limit: jobsPerDay, used: jobsPerDay } as const;
        return refused(tenantName, full, overJobs(jobsPerDay, now()));
      }
      state.left--;
      return undefined;
    },
    giveBack(tenantName) {
      const state = known.get(tenantName);
      if (state?.quota?.jobsPerDay !== undefined) state.left++;
    },
    async storage(tenantName) {
      const { quota } = await knownOf(tenantName);
      return quota && overStorage(quota);
    },
    forget: (tenantName) => void known.delete(tenantName),
  };
}

const UNREAD: Known = {
  ...{ quota: undefined, readAt: -Infinity, reading: undefined },
  ...{ day: "", left: 0, taking: undefined, exhausted: false },
};

function overJobs(jobsPerDay: number, now: Date): QuotaExceededError {
  const until = nextDay(now);
  return new QuotaExceededError(
    `The tenant has submitted the ${jobsPerDay} jobs of its quota for ${dayOf(now)}. It can submit again at ${until.toISOString()}.`,
    { retryAfterS: Math.ceil((until.getTime() - now.getTime()) / 1_000) },
  );
}

/** A refusal by the quota comes last: a job that is refused for another reason costs nothing. */
export const withQuotas = (known: KnownJobs, { admit }: Quotas): KnownJobs => ({
  ...known,
  judge() {
    const refusalOf = known.judge();
    return async (job, parameters) => (await refusalOf(job, parameters)) ?? admit(job.tenantName);
  },
});

export const givingBackOne =
  (submitJob: SubmitJob, { giveBack }: Quotas): SubmitJob =>
  async (caller, request) => {
    const submitted = await submitJob(caller, request);
    if (submitted.replayed) giveBack(request.job.tenantName);
    return submitted;
  };

export const givingBackMany =
  (submitMany: SubmitMany, { giveBack }: Quotas): SubmitMany =>
  async (caller, requests) => {
    const outcomes = await submitMany(caller, requests);
    for (const [index, one] of outcomes.entries()) {
      const tenantName = requests[index]?.job.tenantName;
      if (one.ok && one.value.replayed && tenantName !== undefined) giveBack(tenantName);
    }
    return outcomes;
  };
