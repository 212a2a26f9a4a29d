/** Pauses tenants, job types, a pool and its queues during a run, and resumes them. Which and when is made from a seed. */
import { setTimeout as wait } from "node:timers/promises";
import { type PauseSubject, pauseKey, pauseName } from "../../../../runtime/core/admission/pause.ts";
import { DEFAULT_POOL } from "../../../../runtime/core/deployment/topology.ts";
import { PRIORITIES } from "../../../../runtime/core/job/priority.ts";
import type { SeededRandom } from "../../../support/seeded-random.ts";
import { type ChaosClient, expected } from "../client.ts";
import { LIMITS, TENANTS } from "./workload.ts";

export interface ScheduledPause {
  /** Due when this share of the jobs has ended. */
  readonly afterShare: number;
  readonly subject: PauseSubject;
  readonly holdMs: number;
}

/** A pause that was answered, and the request to resume. In ms since the epoch. */
export interface HeldPause {
  readonly subject: PauseSubject;
  readonly answeredAt: number;
  readonly resumeAskedAt: number;
}

export interface Pauser {
  readonly held: readonly HeldPause[];
  /** Pauses under way. */
  readonly pending: number;
  pause(scheduled: ScheduledPause): void;
  /** Resolves when nothing is paused any more. Rejects if a request got no answer. */
  done(): Promise<void>;
}

/** Longer than a pause takes to be known everywhere. */
const HOLD_MIN_MS = 4_500;
const HOLD_RANGE_MS = 3_000;
const LAST_SHARE = 0.8;
const PAUSES_OF_HUNDRED = 6;
const NOT_FOUND = 404;

export function pausesOf(random: SeededRandom, jobCount: number): readonly ScheduledPause[] {
  const kinds: readonly (() => PauseSubject)[] = [
    () => ({ kind: "type", tenantName: random.pick(TENANTS), jobType: random.pick(Object.keys(LIMITS)) }),
    () => ({ kind: "tenant", tenantName: random.pick(TENANTS) }),
    () => ({ kind: "queue", pool: DEFAULT_POOL, priority: random.pick(PRIORITIES) }),
    () => ({ kind: "pool", pool: DEFAULT_POOL }),
  ];
  return Array.from({ length: Math.ceil((jobCount * PAUSES_OF_HUNDRED) / 100) }, (_, index) => ({
    afterShare: LAST_SHARE * random.next(),
    subject: kinds[index % kinds.length]!(),
    holdMs: Math.round(HOLD_MIN_MS + HOLD_RANGE_MS * random.next()),
  })).toSorted((a, b) => a.afterShare - b.afterShare);
}

export const describePause = ({ subject, holdMs }: ScheduledPause): string =>
  `pause of ${pauseName(subject)} for ${(holdMs / 1_000).toFixed(1)} s`;

export function createPauser(client: Pick<ChaosClient, "request">): Pauser {
  const held: HeldPause[] = [];
  const pending = new Set<Promise<void>>();
  const failures: unknown[] = [];
  /** One pause of a subject at a time: a resume would end the other one. */
  const lastOf = new Map<string, Promise<void>>();

  async function hold({ subject, holdMs }: ScheduledPause): Promise<void> {
    const path = pathOf(subject);
    expected(await client.request("PUT", path, { reason: "a chaos run" }));
    const answeredAt = Date.now();
    await wait(holdMs);
    held.push({ subject, answeredAt, resumeAskedAt: Date.now() });
    // An earlier try may have resumed it.
    expected(await client.request("DELETE", path), NOT_FOUND);
  }

  return {
    held,
    get pending() {
      return pending.size;
    },
    pause(scheduled) {
      const key = pauseKey(scheduled.subject);
      const before = lastOf.get(key) ?? Promise.resolve();
      const under = before
        .then(() => hold(scheduled))
        .catch((error: unknown) => void failures.push(error))
        .finally(() => pending.delete(under));
      pending.add(under);
      lastOf.set(key, under);
    },
    async done() {
      await Promise.all(pending);
      if (failures.length > 0) throw new AggregateError(failures, "Pauses got a wrong answer or none.");
    },
  };
}

function pathOf(subject: PauseSubject): string {
  switch (subject.kind) {
    case "tenant":
      return `/tenants/${subject.tenantName}/pause`;
    case "type":
      return `/tenants/${subject.tenantName}/types/${subject.jobType}/pause`;
    case "pool":
      return `/pools/${subject.pool}/pause`;
    case "queue":
      return `/pools/${subject.pool}/queues/${subject.priority}/pause`;
  }
}
