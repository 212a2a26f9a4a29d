/** Runs a timer now, independently of its schedule. The job is like one of a tick, submitted by the caller. */
import { InvariantError, invalidField } from "../../core/errors.ts";
import { TIMER_PARAMETERS_MAX_BYTES } from "../../core/limits.ts";
import type { IdSource } from "../../core/job/ids.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import { batchIdOf, listenerOf, tickJobId, type Timer } from "../../core/timer/timer.ts";
import type { TimerTrigger } from "../../core/timer/trigger.ts";
import { wakeTimerBatch } from "../../timers/run/timer-jobs.ts";
import type { Caller } from "../auth/caller.ts";
import { type Reservation, type Reservations, requestHash } from "./reservations.ts";
import { prepareJob } from "./prepare-job.ts";
import type { JobWriter, SubmittedJob } from "./write-job.ts";
import type { Clock } from "../../core/clock.ts";

export interface RunTimerDeps {
  readonly batches: Pick<BatchStore, "create" | "get" | "update">;
  readonly reservations: Pick<Reservations, "reserveOne">;
  readonly writer: Pick<JobWriter, "assertReady" | "write">;
  readonly ids: Pick<IdSource, "batchId">;
  readonly now: Clock["now"];
}

export interface TimerRunRequest {
  readonly idempotencyKey: string | undefined;
  /** Any JSON for its code. Undefined: none. */
  readonly parameters: unknown;
}

/**
 * Whether it may overlap another run is decided when it starts, as for every run. Throws InvalidRequestError,
 * IdempotencyKeyReused, UnavailableError.
 */
export type RunTimer = (caller: Caller, timer: Timer, request: TimerRunRequest) => Promise<SubmittedJob>;

export function createRunTimer({ batches, reservations, writer, ids, now }: RunTimerDeps): RunTimer {
  async function reserve(timer: Timer, at: Date, request: TimerRunRequest): Promise<Reservation> {
    const { idempotencyKey, parameters } = request;
    const listener = listenerOf(timer);
    // A unique text tells it from other runs of this moment.
    const freshId = tickJobId(timer, at, `manual:${ids.batchId(timer.tenantName)}`);
    if (idempotencyKey === undefined) return { id: freshId, isFirst: true };
    const wish = {
      freshId,
      requestHash: requestHash("timer-run", parameters === undefined ? listener : { listener, parameters }),
      idempotencyKey,
      clientJobId: undefined,
    };
    return reservations.reserveOne(timer.tenantName, wish);
  }

  return async (caller, timer, request) => {
    writer.assertReady();
    assertSize(request.parameters);
    const at = now();
    const { tenantName, packageName: jobProcessorPackageName, timerName, pool, priority } = timer;
    const parameters: TimerTrigger = {
      ...{ trigger: "manual", scheduledAt: at, missedCount: 0 },
      ...(request.parameters !== undefined && { parameters: request.parameters }),
    };
    const names = { tenantName, jobType: timerName, jobName: timerName, jobProcessorPackageName };
    const prepared = prepareJob({ ...names, parameters, priority }, at);
    // Before the key is taken: a repeat of the request must find the batch of its job.
    await wakeTimerBatch(batches, timer, at);
    const batch = (await batches.get(batchIdOf(timer)))?.value;
    if (batch === undefined) throw new InvariantError(`The batch of timer ${listenerOf(timer)} is not there.`);
    const reservation = await reserve(timer, at, request);
    // The timer may have another pool than when its batch was created.
    return writer.write(caller, { prepared, batch: { ...batch, pool }, reservation });
  };
}

function assertSize(parameters: unknown): void {
  if (parameters === undefined || Buffer.byteLength(JSON.stringify(parameters)) <= TIMER_PARAMETERS_MAX_BYTES) return;
  const limit = `must be at most ${TIMER_PARAMETERS_MAX_BYTES} bytes as JSON`;
  throw invalidField("parameters", limit, "PayloadTooLarge");
}
