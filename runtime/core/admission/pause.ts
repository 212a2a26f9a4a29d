/**
 * What holds back jobs: what is paused, and which tenants may run only so many at once. A paused thing starts nothing new. What
 * runs goes on, and submits are accepted.
 */
import type { RunningLimit } from "./limit.ts";
import { type Priority } from "../job/priority.ts";
import { digestOf } from "../timer/timer.ts";

/** A tenant, a job type of a tenant, a pool, or one queue of a pool: what callers pause and resume. */
export type PauseSubject =
  | { readonly kind: "tenant"; readonly tenantName: string }
  | { readonly kind: "type"; readonly tenantName: string; readonly jobType: string }
  | { readonly kind: "pool"; readonly pool: string }
  | { readonly kind: "queue"; readonly pool: string; readonly priority: Priority };

/** `erasure`: the tenant is being erased. It holds the tenant's jobs, refuses new ones, and ends with the tenant. */
export type PausedSubject = PauseSubject | { readonly kind: "erasure"; readonly tenantName: string };

export interface Pause {
  readonly subject: PausedSubject;
  readonly pausedAt: Date;
  readonly pausedBy: string;
  /** For people. */
  readonly reason: string | undefined;
}

/** All that is read of it at once. */
export interface Holds {
  readonly pauses: readonly Pause[];
  readonly runningLimits: readonly RunningLimit[];
}

/** What decides whether a job may start. */
export interface PausableJob {
  readonly tenantName: string;
  readonly jobType: string;
  readonly pool: string;
  readonly priority: Priority;
}

export interface PauseSet extends Holds {
  /** How many jobs of the tenant may run at once. Undefined: any number. */
  runningLimitOf(tenantName: string): number | undefined;
  /** The pause that holds a job, the widest first. Undefined: it may start. */
  of(job: PausableJob): Pause | undefined;
  /** The pause that holds a whole queue. */
  ofQueue(pool: string, priority: Priority): Pause | undefined;
  /** The pause that holds every job of a tenant in a queue. */
  ofTenant(tenantName: string, pool: string, priority: Priority): Pause | undefined;
  /** That the tenant is being erased. */
  erasureOf(tenantName: string): Pause | undefined;
}

/** Names a subject, and is the key of its row. A job type can hold any character, so its digest stands for it. */
export function pauseKey(subject: PausedSubject): string {
  switch (subject.kind) {
    case "tenant":
      return `tenant.${subject.tenantName}`;
    case "erasure":
      return `erasure.${subject.tenantName}`;
    case "type":
      return `type.${subject.tenantName}.${digestOf(subject.jobType)}`;
    case "pool":
      return `pool.${subject.pool}`;
    case "queue":
      return `queue.${subject.pool}.${subject.priority}`;
  }
}

export function createPauseSet({ pauses, runningLimits }: Holds): PauseSet {
  const limits = new Map(runningLimits.map(({ tenantName, max }) => [tenantName, max]));
  const byKey = new Map(pauses.map((pause) => [pauseKey(pause.subject), pause]));
  const find = (subject: PausedSubject): Pause | undefined => byKey.get(pauseKey(subject));
  const ofQueue = (pool: string, priority: Priority): Pause | undefined =>
    byKey.size === 0 ? undefined : (find({ kind: "pool", pool }) ?? find({ kind: "queue", pool, priority }));
  const erasureOf = (tenantName: string): Pause | undefined =>
    byKey.size === 0 ? undefined : find({ kind: "erasure", tenantName });
  const ofTenant = (tenantName: string, pool: string, priority: Priority): Pause | undefined =>
    byKey.size === 0
      ? undefined
      : (erasureOf(tenantName) ?? ofQueue(pool, priority) ?? find({ kind: "tenant", tenantName }));
  return {
    pauses,
    runningLimits,
    runningLimitOf: (tenantName) => limits.get(tenantName),
    ofQueue,
    ofTenant,
    erasureOf,
    of({ tenantName, jobType, pool, priority }) {
      if (byKey.size === 0) return undefined;
      return ofTenant(tenantName, pool, priority) ?? find({ kind: "type", tenantName, jobType });
    },
  };
}

export const NOTHING_PAUSED: PauseSet = createPauseSet({ pauses: [], runningLimits: [] });

/** As people name it: "tenant acme", "job type Thumbnails of acme", "pool default", "queue default/low". */
export function pauseName(subject: PausedSubject): string {
  switch (subject.kind) {
    case "tenant":
      return `tenant ${subject.tenantName}`;
    case "erasure":
      return `tenant ${subject.tenantName}, which is being erased`;
    case "type":
      return `job type ${subject.jobType} of ${subject.tenantName}`;
    case "pool":
      return `pool ${subject.pool}`;
    case "queue":
      return `queue ${subject.pool}/${subject.priority}`;
  }
}

/** What a queued job waits for, in views. */
export const waitsForPause = ({ subject, reason }: Pause): string =>
  `paused: ${pauseName(subject)}${reason === undefined ? "" : ` (${reason})`}`;
