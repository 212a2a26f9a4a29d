/** Timers of a tenant's packages: their runs and next ticks, pause and resume, schedules, run now. */
import type { TimerScheduleInput, TimerView } from "../core/http/timer-api.ts";
import type { SubmitOptions } from "./management.ts";
import { newKey } from "./with-retries.ts";
import { listing, type Listing, type PageOptions } from "./listing.ts";
import { path, type CallOptions, type Transport } from "./transport.ts";

/** Identifies a timer. */
export interface TimerReference {
  readonly tenantName: string;
  /** The published name, ending in `.zip`. */
  readonly packageName: string;
  readonly timerName: string;
}

export interface NextOptions extends CallOptions {
  /** At most 100. Default 10. */
  readonly count?: number | undefined;
}

export interface RunTimerOptions extends SubmitOptions {
  /** Any JSON for its code, as `ctx.timer.parameters`. Default: none. */
  readonly parameters?: unknown;
}

export interface Timers {
  /** Sorted by package and name. */
  list(tenantName: string, options?: PageOptions): Listing<TimerView>;
  get(timer: TimerReference, options?: CallOptions): Promise<TimerView>;
  /** The next ticks of its schedule, also while it is paused. */
  next(timer: TimerReference, options?: NextOptions): Promise<readonly Date[]>;
  /** Its ticks start no runs until it is resumed. */
  pause(timer: TimerReference, options?: CallOptions): Promise<TimerView>;
  /** It ticks from now on. Ticks during the pause are not repeated. */
  resume(timer: TimerReference, options?: CallOptions): Promise<TimerView>;
  /** Overrides the declared schedule from now on. */
  setSchedule(timer: TimerReference, schedule: TimerScheduleInput, options?: CallOptions): Promise<TimerView>;
  /** Returns to the declared schedule from now on. */
  resetSchedule(timer: TimerReference, options?: CallOptions): Promise<TimerView>;
  /** Runs it now, in addition to its schedule, also while it is paused. Resolves to the job's id. */
  run(timer: TimerReference, options?: RunTimerOptions): Promise<string>;
}

export function createTimers(transport: Transport): Timers {
  const post = <T>(to: string, { signal }: CallOptions = {}): Promise<T> =>
    transport.json<T>({ method: "POST", path: to, json: {}, signal });

  return {
    list: (tenantName, options = {}) => listing(transport, path`/v1/tenants/${tenantName}/timers`, {}, options),
    get: (timer, { signal } = {}) => transport.json({ path: pathOf(timer), signal }),
    async next(timer, { count, signal } = {}) {
      const { items } = await transport.json<{ readonly items: readonly string[] }>({
        path: `${pathOf(timer)}/next`,
        query: { count },
        signal,
      });
      return items.map((instant) => new Date(instant));
    },
    pause: (timer, options) => post(`${pathOf(timer)}/pause`, options),
    resume: (timer, options) => post(`${pathOf(timer)}/resume`, options),
    setSchedule: (timer, schedule, { signal } = {}) =>
      transport.json({ method: "PUT", path: `${pathOf(timer)}/schedule`, json: schedule, signal }),
    resetSchedule: (timer, { signal } = {}) =>
      transport.json({ method: "DELETE", path: `${pathOf(timer)}/schedule`, signal }),
    async run(timer, { idempotencyKey = newKey(), parameters, signal } = {}) {
      const headers = { "idempotency-key": idempotencyKey };
      const run = { method: "POST", path: `${pathOf(timer)}/run`, json: { parameters }, headers, signal } as const;
      return (await transport.json<{ readonly jobId: string }>(run)).jobId;
    },
  };
}

const pathOf = ({ tenantName, packageName, timerName }: TimerReference): string =>
  path`/v1/tenants/${tenantName}/timers/${packageName}/${timerName}`;
