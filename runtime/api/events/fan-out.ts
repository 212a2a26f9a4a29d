/**
 * Passes events to the clients that follow them, and keeps the latest for clients that reconnect. Rights are checked before
 * `follow` is called.
 */
import type { PublishedEvent, SystemEvent } from "../../core/job/events.ts";
import { parseBatchId, parseJobId } from "../../core/job/ids.ts";
import { EVENTS_KEPT_MAX_COUNT, EVENTS_KEPT_MS } from "../../core/limits.ts";
import type { Clock } from "../../core/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

/** A job, a batch with its jobs, or all batches and jobs of a tenant. */
export interface Subject {
  readonly kind: "job" | "batch" | "tenant";
  readonly id: string;
}

/** Must not throw and must not wait. The connection handles a slow client. */
export interface Follower {
  take(published: PublishedEvent): void;
  /** Events may have been missed. The client should read what it follows again. */
  missed(): void;
}

export interface FanOut {
  /** Ignores a repeat of an event that is still kept. */
  deliver(published: PublishedEvent): void;
  /** Events may have been lost on their way here. */
  gap(): void;
  /**
   * Passes new events, and kept ones after the event `after`. If that is not kept any more, calls `missed`. A follower can
   * follow many subjects and gets each event once. The returned function ends it.
   */
  follow(subject: Subject, follower: Follower, after?: string): () => void;
}

export interface FanOutDeps {
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: Clock["monotonicNow"];
  /** Default EVENTS_KEPT_MAX_COUNT. */
  readonly keptMaxCount?: number;
  readonly metrics: Pick<Metrics, "eventsDelivered">;
}

interface Kept {
  readonly published: PublishedEvent;
  readonly receivedAt: number;
}

export function createFanOut({ monotonicNow, metrics, keptMaxCount = EVENTS_KEPT_MAX_COUNT }: FanOutDeps): FanOut {
  const followers = new Map<string, Set<Follower>>();
  /** By id, oldest first. */
  const kept = new Map<string, Kept>();

  function keep(published: PublishedEvent): void {
    const receivedAt = monotonicNow();
    kept.set(published.id, { published, receivedAt });
    for (const [id, one] of kept) {
      if (kept.size <= keptMaxCount && receivedAt - one.receivedAt <= EVENTS_KEPT_MS) break;
      kept.delete(id);
    }
  }

  function replay(subject: Subject, follower: Follower, after: string): void {
    if (!kept.has(after)) {
      follower.missed();
      return;
    }
    let passed = false;
    for (const [id, { published }] of kept) {
      if (passed && keysOf(published.event).includes(keyOf(subject))) follower.take(published);
      passed ||= id === after;
    }
  }

  return {
    deliver(published) {
      if (kept.has(published.id)) return;
      keep(published);
      const reached = new Set(keysOf(published.event).flatMap((key) => [...(followers.get(key) ?? [])]));
      for (const follower of reached) follower.take(published);
      if (reached.size > 0) metrics.eventsDelivered.add(reached.size, {});
    },
    gap() {
      kept.clear();
      for (const follower of new Set([...followers.values()].flatMap((some) => [...some]))) follower.missed();
    },
    follow(subject, follower, after) {
      const key = keyOf(subject);
      const some = followers.get(key) ?? new Set();
      followers.set(key, some.add(follower));
      if (after !== undefined) replay(subject, follower, after);
      return () => {
        some.delete(follower);
        if (some.size === 0 && followers.get(key) === some) followers.delete(key);
      };
    },
  };
}

/** The tenant of a subject that exists. */
export function tenantOf({ kind, id }: Subject): string {
  const { tenantName } = (kind === "job" ? parseJobId(id) : kind === "batch" ? parseBatchId(id) : undefined) ?? {};
  return tenantName ?? id;
}

const keyOf = ({ kind, id }: Subject): string => `${kind}:${id}`;

const keysOf = (event: SystemEvent): readonly string[] => [
  ...("jobId" in event ? [`job:${event.jobId}`] : []),
  `batch:${event.batchId}`,
  `tenant:${event.tenantName}`,
];
