/**
 * What happens to jobs, as it happens: listeners by event name, and subscriptions that survive breaks of the connection.
 * Each subscription is one connection: to follow many jobs, subscribe to their batch. Push is a convenience; the service's
 * rows are the truth, and `waitForJob` joins the two.
 */
import type { EventType, SystemEvent } from "../core/job/events.ts";
import { JobServiceError, isJobServiceError } from "./job-service-error.ts";
import { type EventSelection, type ServerSentEvent, followEvents } from "./follow-events.ts";
import type { CallOptions, Transport } from "./transport.ts";

export interface NotificationEvents extends JobEvents {
  /** After a break the service cannot tell everything in between: read again what you follow. */
  readonly missed: { readonly selection: EventSelection };
  /** A subscription has ended by itself: what it followed is gone, or the caller may not follow it any more. */
  readonly subscriptionEnded: { readonly selection: EventSelection; readonly error: JobServiceError };
}

export type Listener<T> = (event: T) => void;

export interface Notifications {
  /** Returns what takes the listener away again. A listener that throws ends nothing; its error is reported as unhandled. */
  on<N extends keyof NotificationEvents>(name: N, listener: Listener<NotificationEvents[N]>): () => void;
  off<N extends keyof NotificationEvents>(name: N, listener: Listener<NotificationEvents[N]>): void;
  /** Makes sure that the service is there and knows the caller. Subscriptions made before start with it. */
  connect(options?: CallOptions): Promise<void>;
  /** Resolves when events come: what happens from then on is told. */
  subscribeToJob(jobId: string): Promise<void>;
  subscribeToBatch(batchId: string): Promise<void>;
  subscribeToTenant(tenantName: string): Promise<void>;
  unsubscribeFromJob(jobId: string): void;
  unsubscribeFromBatch(batchId: string): void;
  unsubscribeFromTenant(tenantName: string): void;
  /** Ends all subscriptions; listeners stay. */
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
      // One listener's fault is not the next one's, and must not look like a broken connection.
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
    };
    // Heard by whoever subscribes; nobody else must end with it.
    promise.catch(() => undefined);
    subscriptions.set(key, { selection, end, opened: promise });
    void followEvents(selection, { transport, onEvent: hear, onOpen, signal: end.signal }).then(
      () => {
        reject(new JobServiceError("NetworkFailed", "The subscription was ended before it began."));
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

// The events of jobs and batches by name. What they hold is told in core, once; types only, so that no schema comes along.

export type JobEvents = { readonly [N in EventType]: Extract<SystemEvent, { readonly eventType: N }> };
export type JobEventName = keyof JobEvents;

/** Complete, or it does not compile. */
const KNOWN: Readonly<Record<JobEventName, true>> = {
  jobQueued: true,
  jobStarted: true,
  jobProgressed: true,
  jobRetrying: true,
  jobCompleted: true,
  batchCompleted: true,
};

const isJobEventName = (name: string): name is JobEventName => Object.hasOwn(KNOWN, name);

/** An event of another version may mean something else: it is passed over. */
const VERSION: SystemEvent["version"] = 1;

const isKnownVersion = ({ version }: { readonly version: number }): boolean => version === VERSION;

// Tells an event that comes a second time, over another subscription or after a break, from a new one.

export interface SeenEvents {
  /** Whether it is further than all before of its job or batch; it then counts as seen. */
  isNew(id: string, sequence: number): boolean;
}

/** Jobs and batches remembered; the one heard of least recently is forgotten first. */
const REMEMBERED_MAX = 20_000;

function createSeenEvents(rememberedMax = REMEMBERED_MAX): SeenEvents {
  const latest = new Map<string, number>();
  return {
    isNew(id, sequence) {
      const before = latest.get(id);
      if (before !== undefined && sequence <= before) return false;
      // Put at the end.
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
