/**
 * Keeps what is shown true: it follows the tenant's event stream and reads again what an event touches. Without a stream it
 * polls. A hidden tab does neither, and reads everything once when it is seen again.
 */
import { createContext, use, useEffect, useState } from "react";
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import type { JobEventName, JobServiceClient, JobView } from "../../runtime/client/index.ts";
import type { SystemEvent } from "../../runtime/core/job/events.ts";

/** `live`: events arrive. `polling`: no stream, read now and then. `paused`: the tab is hidden. */
export type LiveState = "connecting" | "live" | "polling" | "paused";

export const LiveContext = createContext<LiveState>("connecting");
export const useLiveState = (): LiveState => use(LiveContext);

/** What is read again together after events, at most this often. */
const GATHER_MS = 400;
/** Lists and sums change with every job. */
const LISTS_EVERY_MS = 2_000;
const POLL_EVERY_MS = 15_000;
/** What has not ended is read again this often: deployed stacks publish ends only, unless they are told otherwise. */
export const OPEN_EVERY_MS = 15_000;
/** Without a stream for this long, it polls. */
const PATIENCE_MS = 5_000;
/** Until the next try, when the API has refused the stream. */
const AGAIN_MS = 20_000;

const JOB_EVENTS: readonly JobEventName[] = [
  "jobQueued",
  "jobStarted",
  "jobProgressed",
  "jobRetrying",
  "jobCompleted",
  "batchCompleted",
];

/** The first words of the keys of queries that any event of a tenant touches. */
const LISTS = ["jobs", "batches", "timers", "dead-letters", "workers"] as const;
/** What changes with every job too, and need not be shown as fast. */
const SUMS = ["overview", "errors", "quotas"] as const;
const SUMS_EVERY_MS = 10_000;

/** Lists across batches, and what is counted from them, show what a worker has written only after its event (docs/find.md). */
const FOUND_AFTER_MS = 4_000;

type Listener = (event: SystemEvent) => void;
const listeners = new Set<Listener>();

/** Calls for each event of the tenant, while the component is shown. For what is more than reading again. */
export function useEvents(listener: Listener): void {
  useEffect(() => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, [listener]);
}

/** Follows the tenant as long as the component is shown. One for the whole page. */
export function useFollow(client: JobServiceClient, tenantName: string | undefined): LiveState {
  const queries = useQueryClient();
  const isSeen = useIsSeen();
  const [state, setState] = useState<LiveState>("connecting");

  useEffect(() => {
    if (tenantName === undefined || !isSeen) {
      setState(isSeen ? "connecting" : "paused");
      return;
    }
    const touch = createTouch(queries);
    const ended = new AbortController();
    const { notifications } = client;
    const offs = JOB_EVENTS.map((name) =>
      notifications.on(name, (event) => {
        touch.by(event);
        for (const listener of listeners) listener(event);
      }),
    );
    offs.push(notifications.on("missed", () => touch.all()));
    let polling: ReturnType<typeof setInterval> | undefined;
    let again: ReturnType<typeof setTimeout> | undefined;
    const stopPolling = (): void => {
      clearTimeout(again);
      clearInterval(polling);
      polling = undefined;
    };
    const poll = (): void => {
      if (ended.signal.aborted) return;
      setState("polling");
      polling ??= setInterval(() => touch.all(), POLL_EVERY_MS);
    };
    offs.push(
      notifications.on("connectionChanged", ({ isOpen }) => {
        stopPolling();
        setState(isOpen ? "live" : "connecting");
        // What happened before is read once.
        if (isOpen) {
          touch.all();
          touch.later();
        } else again = setTimeout(poll, PATIENCE_MS);
      }),
    );
    const follow = (): void => {
      notifications.subscribeToTenant(tenantName).catch(followLater);
    };
    function followLater(): void {
      if (ended.signal.aborted) return;
      poll();
      clearTimeout(again);
      again = setTimeout(follow, AGAIN_MS);
    }
    offs.push(notifications.on("subscriptionEnded", followLater));
    setState("connecting");
    again = setTimeout(poll, PATIENCE_MS);
    follow();
    return () => {
      ended.abort();
      for (const off of offs) off();
      notifications.disconnect();
      stopPolling();
      touch.end();
    };
  }, [client, queries, tenantName, isSeen]);

  return state;
}

function useIsSeen(): boolean {
  const [isSeen, setSeen] = useState(() => document.visibilityState === "visible");
  useEffect(() => {
    const look = (): void => setSeen(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return isSeen;
}

interface Touch {
  by(event: SystemEvent): void;
  all(): void;
  /** Again, when lists across batches have caught up. */
  later(): void;
  end(): void;
}

/** Reads again what events touch, together and not too often. */
function createTouch(queries: QueryClient): Touch {
  const ids = new Set<string>();
  let gathering: ReturnType<typeof setTimeout> | undefined;
  const lists = atMostEvery(LISTS_EVERY_MS, () => readKinds(queries, LISTS));
  const sums = atMostEvery(SUMS_EVERY_MS, () => readKinds(queries, SUMS));
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const later = (): void => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      lists.call();
      sums.call();
    }, FOUND_AFTER_MS);
  };
  const readIds = (): void => {
    gathering = undefined;
    const gathered = new Set(ids);
    ids.clear();
    void queries.invalidateQueries({
      predicate: ({ queryKey: [kind, id] }) => (kind === "job" || kind === "batch") && gathered.has(String(id)),
    });
  };
  return {
    by(event) {
      if (event.eventType === "jobProgressed") {
        // The event says everything.
        const { jobId, progress } = event;
        queries.setQueryData<JobView>(["job", jobId], (job) => job && { ...job, progress: stripped(progress) });
        return;
      }
      ids.add(event.batchId);
      if ("jobId" in event) ids.add(event.jobId);
      gathering ??= setTimeout(readIds, GATHER_MS);
      lists.call();
      sums.call();
      later();
    },
    // Guides are code, and tenants come and go seldom.
    all: () =>
      void queries.invalidateQueries({
        predicate: ({ queryKey: [kind], state: { data } }) =>
          kind !== "guide" && (kind !== "tenants" || data === undefined),
      }),
    later,
    end() {
      clearTimeout(gathering);
      clearTimeout(waiting);
      lists.end();
      sums.end();
    },
  };
}

/** Of a long list, pages further down are read again only when the reader asks for them. */
const PAGES_MAX = 3;

function readKinds(queries: QueryClient, kinds: readonly string[]): void {
  void queries.invalidateQueries({
    predicate: ({ queryKey: [kind], state: { data } }) => {
      const pages = (data as { readonly pages?: readonly unknown[] } | undefined)?.pages;
      return kinds.includes(String(kind)) && (pages?.length ?? 0) <= PAGES_MAX;
    },
  });
}

/** Calls soon after the first of several, and then not before the time is over. */
function atMostEvery(everyMs: number, act: () => void) {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let lastAt = -Infinity;
  return {
    call() {
      waiting ??= setTimeout(
        () => {
          waiting = undefined;
          lastAt = performance.now();
          act();
        },
        Math.max(GATHER_MS, lastAt + everyMs - performance.now()),
      );
    },
    end: () => clearTimeout(waiting),
  };
}

/** Fields that are absent and fields that are undefined differ in the types of views. */
const stripped = ({ fraction, text }: { fraction?: number | undefined; text?: string | undefined }) => ({
  ...(fraction !== undefined && { fraction }),
  ...(text !== undefined && { text }),
});
