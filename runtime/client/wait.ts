/**
 * Waits for the end of a job or of a batch's jobs. It polls at growing intervals, and at once after an event. It also works
 * without events, and outages only delay it.
 */
import { isTerminal, openOf } from "../core/job/states.ts";
import type { BatchView, JobView } from "../core/http/views.ts";
import { isJobServiceError, JobServiceError } from "./job-service-error.ts";
import { followEvents, type EventSelection } from "./follow-events.ts";
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
  /** Poll interval, for showing progress to people. Default: 250 at first, up to 5,000. */
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

/** First and longest poll interval. While events arrive, they trigger the polls and these are the fallback. */
const LOOK = { firstMs: 250, factor: 1.5, maxMs: 5_000, pushedMs: 15_000 } as const;
/** After an event, one poll serves all events that arrive close together. */
const GATHER_MS = 100;
/** Waits that hold a connection for events. Browsers allow six to one address. More waits only poll. */
const PUSHED_WAITS_MAX = 4;

export function createWaits({ transport, monitoring }: WaitDeps): Waits {
  let pushedCount = 0;

  async function until<T>(
    look: (options: CallOptions) => Promise<T>,
    isOver: (value: T) => boolean,
    selection: EventSelection,
    { timeoutMs, signal, lookEveryMs, onLook }: LookOptions<T>,
  ): Promise<T> {
    const end = new AbortController();
    const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const given = [end.signal, signal, limit].filter((one) => one !== undefined);
    const ended = AbortSignal.any(given);
    const bell = createBell();
    const push = { isOpen: false };
    let delay: number = lookEveryMs ?? LOOK.firstMs;

    const openPush = (): void => {
      if (pushedCount >= PUSHED_WAITS_MAX) return;
      pushedCount++;
      const onOpen = (): void => {
        push.isOpen = true;
        // Events before the stream opened were not delivered.
        bell.ring();
      };
      void followEvents(selection, { transport, onEvent: bell.ring, onOpen, signal: ended })
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
        await bell.heardWithin(push.isOpen ? LOOK.pushedMs : delay, ended);
        if (lookEveryMs === undefined) delay = Math.min(LOOK.maxMs, delay * LOOK.factor);
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
        { jobId },
        options,
      ),
    waitForBatch: (batchId, options = {}) =>
      until(
        (call) => monitoring.getBatch(batchId, call),
        ({ counts }) => counts !== undefined && counts.total > 0 && openOf(counts) === 0,
        { batchId },
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
  readonly ring: () => void;
  /** Resolves when notified, if it was notified since the last call, or after this time. */
  heardWithin(ms: number, signal: AbortSignal): Promise<void>;
}

function createBell(): Bell {
  let rung = Promise.withResolvers<undefined>();
  return {
    ring: () => rung.resolve(undefined),
    async heardWithin(ms, signal) {
      const heard = new AbortController();
      try {
        await Promise.race([
          rung.promise.then(() => sleepOrThrow(GATHER_MS, signal)),
          sleepOrThrow(ms, AbortSignal.any([signal, heard.signal])),
        ]);
      } finally {
        heard.abort();
      }
      rung = Promise.withResolvers<undefined>();
    },
  };
}

/** A function, because TypeScript narrows a property after its first check. */
const wasCut = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;
