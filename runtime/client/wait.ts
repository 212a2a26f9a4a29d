/**
 * Waits for the end of a job or of a batch's jobs. It polls at growing intervals, and after events: at once when what it
 * waits for has ended. It also works without events, and outages only delay it.
 */
import { isTerminal, openOf } from "../core/job/states.ts";
import type { BatchView, JobView } from "../core/http/views.ts";
import { isJobServiceError, JobServiceError } from "./job-service-error.ts";
import type { EventType } from "../core/job/events.ts";
import { followEvents, type EventSelection, type ServerSentEvent } from "./follow-events.ts";
import type { Monitoring } from "./monitoring.ts";
import { sleepOrThrow } from "./with-retries.ts";
import type { CallOptions, Transport } from "./transport.ts";

export interface WaitOptions extends CallOptions {
  /** After this time TimedOut is thrown; the job continues. Default: none. */
  readonly timeoutMs?: number | undefined;
}

interface LookOptions<T> extends WaitOptions {
  /** Called with every result of a poll. */
  readonly onLook?: ((seen: T) => void) | undefined;
  /** Poll interval, for showing progress to people. Default: 10 at first, up to 5,000. */
  readonly lookEveryMs?: number | undefined;
}

export type WaitForJobOptions = LookOptions<JobView>;

/** `onLook` receives the batch with its counts. */
export type WaitForBatchOptions = LookOptions<BatchView>;

export interface Waits {
  /** Resolves to the job when it has ended, in any state. */
  waitForJob(jobId: string, options?: WaitForJobOptions): Promise<JobView>;
  /** Resolves to the batch when it has jobs and all of them have ended. */
  waitForBatch(batchId: string, options?: WaitForBatchOptions): Promise<BatchView>;
}

export interface WaitDeps {
  readonly transport: Transport;
  readonly monitoring: Pick<Monitoring, "getJob" | "getBatch">;
}

/**
 * First and longest poll interval. A short job is seen soon, and the interval grows so fast that long waits poll rarely.
 * While events arrive, they trigger the polls. The fallback for lost events is one poll soon after the stream has opened,
 * and then the longest interval.
 */
const LOOK = { firstMs: 10, factor: 3, maxMs: 5_000, pushedFirstMs: 1_000, pushedMs: 15_000 } as const;
/** After other events than the awaited end, one poll serves all that arrive close together. */
const GATHER_MS = 100;
/** Waits that hold a connection for events. Browsers allow six to one address. More waits only poll. */
const PUSHED_WAITS_MAX = 4;

/** What a wait follows, and what its events mean. */
interface Awaited {
  readonly selection: EventSelection;
  /** The event after which the wait is probably over. */
  readonly endedBy: EventType;
  /** Whether other events are a reason to poll: always, or only for a caller who shows progress. */
  readonly hints: "always" | "for progress";
}

/** The service has lost events. */
const MISSED = "missed";

export function createWaits({ transport, monitoring }: WaitDeps): Waits {
  let pushedCount = 0;

  async function until<T>(
    look: (options: CallOptions) => Promise<T>,
    isOver: (value: T) => boolean,
    { selection, endedBy, hints }: Awaited,
    { timeoutMs, signal, lookEveryMs, onLook }: LookOptions<T>,
  ): Promise<T> {
    const end = new AbortController();
    const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const given = [end.signal, signal, limit].filter((one) => one !== undefined);
    const ended = AbortSignal.any(given);
    const bell = createBell();
    const push = { isOpen: false };
    let delay: number = lookEveryMs ?? LOOK.firstMs;
    let pushedDelay: number = LOOK.pushedFirstMs;

    const openPush = (): void => {
      if (pushedCount >= PUSHED_WAITS_MAX) return;
      pushedCount++;
      const onOpen = (): void => {
        push.isOpen = true;
        // Events before the stream opened were not delivered.
        bell.ring();
      };
      const onEvent = ({ event }: ServerSentEvent): void => {
        if (event === endedBy || event === MISSED) bell.ring();
        else if (hints === "always" || onLook !== undefined) bell.ringSoon();
      };
      void followEvents(selection, { transport, onEvent, onOpen, signal: ended })
        // Without events the wait only polls. The poll reports errors of the job itself.
        .catch(() => (push.isOpen = false))
        .finally(() => pushedCount--);
    };

    try {
      for (let looks = 0; ; looks++) {
        const value = await patiently(() => look({ signal: ended }));
        if (value !== undefined) onLook?.(value);
        if (value !== undefined && isOver(value)) return value;
        // A job that ends between two polls needs no connection.
        if (looks === 1) openPush();
        const isPushed = push.isOpen;
        await bell.heardWithin(isPushed ? pushedDelay : delay, ended);
        if (isPushed) pushedDelay = LOOK.pushedMs;
        else if (lookEveryMs === undefined) delay = Math.min(LOOK.maxMs, delay * LOOK.factor);
      }
    } catch (error) {
      if (wasCut(limit) && !wasCut(signal))
        throw new JobServiceError("TimedOut", `The job or batch has not ended within ${(timeoutMs ?? 0) / 1_000} s.`, {
          cause: error,
        });
      throw error;
    } finally {
      end.abort();
    }
  }

  return {
    waitForJob: (jobId, options = {}) =>
      until(
        (call) => monitoring.getJob(jobId, call),
        ({ state }) => isTerminal(state),
        { selection: { jobId }, endedBy: "jobCompleted", hints: "for progress" },
        options,
      ),
    waitForBatch: (batchId, options = {}) =>
      until(
        (call) => monitoring.getBatch(batchId, call),
        ({ counts }) => counts !== undefined && counts.total > 0 && openOf(counts) === 0,
        { selection: { batchId }, endedBy: "batchCompleted", hints: "always" },
        options,
      ),
  };
}

/** Returns undefined during an outage, because outages end. */
async function patiently<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (isJobServiceError(error) && error.retryable) return undefined;
    throw error;
  }
}

interface Bell {
  /** Ends the wait now. */
  readonly ring: () => void;
  /** Ends the wait after GATHER_MS. */
  readonly ringSoon: () => void;
  /** Resolves when the bell is rung, at once if it was rung since the last call, or after this time. */
  heardWithin(ms: number, signal: AbortSignal): Promise<void>;
}

function createBell(): Bell {
  let rung = Promise.withResolvers<undefined>();
  let soon = Promise.withResolvers<undefined>();
  return {
    ring: () => rung.resolve(undefined),
    ringSoon: () => soon.resolve(undefined),
    async heardWithin(ms, signal) {
      const heard = new AbortController();
      const either = AbortSignal.any([signal, heard.signal]);
      try {
        await Promise.race([
          rung.promise,
          soon.promise.then(() => sleepOrThrow(GATHER_MS, either)),
          sleepOrThrow(ms, either),
        ]);
      } finally {
        heard.abort();
      }
      rung = Promise.withResolvers<undefined>();
      soon = Promise.withResolvers<undefined>();
    },
  };
}

/** A function, because TypeScript narrows a property after its first check. */
const wasCut = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;
