/**
 * Events of jobs as they happen: listeners by event name, and subscriptions that reconnect after a break.
 * Each subscription is one connection: to follow many jobs, subscribe to their batch. Events can be lost; the service's
 * rows are the truth, and `waitForJob` uses both.
 */
import type { EventType, SystemEvent } from "../core/job/events.ts";
import { JobServiceError, isJobServiceError } from "./job-service-error.ts";
import { type EventSelection, type ServerSentEvent, followEvents } from "./follow-events.ts";
import type { CallOptions, Transport } from "./transport.ts";

export interface NotificationEvents extends JobEvents {
  /** Events were lost in a break of the connection: read again what you follow. */
  readonly missed: { readonly selection: EventSelection };
  /** The connection of a subscription opened, also again after a break, or broke. It is opened again by itself. */
  readonly connectionChanged: { readonly selection: EventSelection; readonly isOpen: boolean };
  /** A subscription ended: its target no longer exists, or the caller may not follow it any more. */
  readonly subscriptionEnded: { readonly selection: EventSelection; readonly error: JobServiceError };
}

export type Listener<T> = (event: T) => void;

export interface Notifications {
  /** Returns a function that removes the listener. An error in a listener ends nothing; it is reported as unhandled. */
  on<N extends keyof NotificationEvents>(name: N, listener: Listener<NotificationEvents[N]>): () => void;
  off<N extends keyof NotificationEvents>(name: N, listener: Listener<NotificationEvents[N]>): void;
  /** Checks that the service is reachable and accepts the caller. Subscriptions made before start now. */
  connect(options?: CallOptions): Promise<void>;
  /** Resolves when the subscription is active. Later events are delivered. */
  subscribeToJob(jobId: string): Promise<void>;
  subscribeToBatch(batchId: string): Promise<void>;
  subscribeToTenant(tenantName: string): Promise<void>;
  unsubscribeFromJob(jobId: string): void;
  unsubscribeFromBatch(batchId: string): void;
  unsubscribeFromTenant(tenantName: string): void;
  /** Ends all subscriptions. Listeners stay. */
  disconnect(): void;
}

interface Subscription {
  readonly selection: EventSelection;
  readonly end: AbortController;
  readonly opened: Promise<void>;
}

export interface NotificationDeps {
  readonly transport: Transport;
}

export function createNotifications({ transport }: NotificationDeps): Notifications {
  const listeners = new Map<keyof NotificationEvents, Set<Listener<never>>>();
  const subscriptions = new Map<string, Subscription>();
  const seen = createSeenEvents();

  function tell<N extends keyof NotificationEvents>(name: N, event: NotificationEvents[N]): void {
    for (const listener of listeners.get(name) ?? []) {
      // One listener's error must not affect the next one, or look like a broken connection.
      try {
        (listener as Listener<NotificationEvents[N]>)(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  function onEvent({ event: name, data }: ServerSentEvent, selection: EventSelection): void {
    if (name === "missed") tell(name, { selection });
    if (!isJobEventName(name)) return;
    const event = JSON.parse(data) as JobEvents[typeof name];
    if (!isKnownVersion(event)) return;
    if (seen.isNew("jobId" in event ? event.jobId : event.batchId, event.sequence)) tell(name, event);
  }

  function subscribe(selection: EventSelection): Promise<void> {
    const key = keyOf(selection);
    const there = subscriptions.get(key);
    if (there !== undefined) return there.opened;
    const end = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    let isOpen = false;
    const hear = (event: ServerSentEvent): void => onEvent(event, selection);
    const onOpen = (): void => {
      isOpen = true;
      resolve(undefined);
      tell("connectionChanged", { selection, isOpen: true });
    };
    const onBreak = (): void => tell("connectionChanged", { selection, isOpen: false });
    // The caller of `subscribe…` handles this error. It must not become an unhandled rejection as well.
    promise.catch(() => undefined);
    subscriptions.set(key, { selection, end, opened: promise });
    void followEvents(selection, { transport, onEvent: hear, onOpen, onBreak, signal: end.signal }).then(
      () => {
        reject(new JobServiceError("NetworkFailed", "The subscription was ended before it was active."));
      },
      (error: unknown) => {
        if (subscriptions.get(key)?.end === end) subscriptions.delete(key);
        reject(error);
        if (isOpen && isJobServiceError(error)) tell("subscriptionEnded", { selection, error });
      },
    );
    return promise;
  }

  function unsubscribe(selection: EventSelection): void {
    const key = keyOf(selection);
    subscriptions.get(key)?.end.abort();
    subscriptions.delete(key);
  }

  return {
    on(name, listener) {
      const all = listeners.get(name) ?? new Set();
      listeners.set(name, all.add(listener));
      return () => void all.delete(listener);
    },
    off: (name, listener) => void listeners.get(name)?.delete(listener),
    async connect({ signal } = {}) {
      await transport.json({ path: "/v1/me", signal });
      await Promise.all([...subscriptions.values()].map(({ opened }) => opened));
    },
    subscribeToJob: (jobId) => subscribe({ jobId }),
    subscribeToBatch: (batchId) => subscribe({ batchId }),
    subscribeToTenant: (tenantName) => subscribe({ tenantName }),
    unsubscribeFromJob: (jobId) => unsubscribe({ jobId }),
    unsubscribeFromBatch: (batchId) => unsubscribe({ batchId }),
    unsubscribeFromTenant: (tenantName) => unsubscribe({ tenantName }),
    disconnect() {
      for (const { end } of subscriptions.values()) end.abort();
      subscriptions.clear();
    },
  };
}

const keyOf = ({ jobId, batchId, tenantName }: EventSelection): string =>
  JSON.stringify([jobId ?? "", batchId ?? "", tenantName ?? ""]);

/** The events of jobs and batches by name. Only types of core are used, so that no schema is bundled. */
export type JobEvents = { readonly [N in EventType]: Extract<SystemEvent, { readonly eventType: N }> };
export type JobEventName = keyof JobEvents;

/** A missing event does not compile. */
const KNOWN: Readonly<Record<JobEventName, true>> = {
  jobQueued: true,
  jobStarted: true,
  jobProgressed: true,
  jobRetrying: true,
  jobCompleted: true,
  batchCompleted: true,
};

const isJobEventName = (name: string): name is JobEventName => Object.hasOwn(KNOWN, name);

/** An event of another version is ignored, because its fields may have other meanings. */
const VERSION: SystemEvent["version"] = 1;

const isKnownVersion = ({ version }: { readonly version: number }): boolean => version === VERSION;

export interface SeenEvents {
  /** Whether the event is newer than all earlier ones of its job or batch. It is then recorded. */
  isNew(id: string, sequence: number): boolean;
}

/** Number of jobs and batches kept. The least recently used one is removed first. */
const REMEMBERED_MAX = 20_000;

/** Detects repeats of an event, from another subscription or after a break. */
function createSeenEvents(rememberedMax = REMEMBERED_MAX): SeenEvents {
  const latest = new Map<string, number>();
  return {
    isNew(id, sequence) {
      const before = latest.get(id);
      if (before !== undefined && sequence <= before) return false;
      // Move the entry to the end.
      latest.delete(id);
      latest.set(id, sequence);
      if (latest.size > rememberedMax) {
        const [oldest = id] = latest.keys();
        latest.delete(oldest);
      }
      return true;
    },
  };
}
