/** A test system whose requests to storage and messages are counted. */
import { inject } from "vitest";
import { SETTINGS } from "../../../infra/plan/settings.ts";
import type { EventLevel } from "../../../runtime/core/job/events.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import { eventually } from "../eventually.ts";
import { createAzureStores } from "../stores/azure-stores.ts";
import { testStorage } from "../stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../test-system.ts";
import { type Counts, type OperationMeter, startOperationMeter, sumOf } from "./operation-meter.ts";

/** Longer than any test, so that no lock is renewed on a slow machine. */
const LOCK_MS = 300_000;

/** For hundreds of jobs on a slow machine. */
const SETTLED_WITHIN = { timeout: 150_000 };

/** Of one that succeeds at its first try. */
const EVENTS_OF_A_JOB: Readonly<Record<EventLevel, number>> = { all: 3, terminal: 1, none: 0 };

export interface MeteredSystem extends AsyncDisposable {
  readonly system: TestSystem;
  /** Resolves when all jobs have ended and nothing they cause is under way. Reads rows without being counted. */
  settled(jobIds: readonly string[], apiInstances?: number): Promise<Counts>;
  counts(): Counts;
}

/** It publishes the events that a deployed stack publishes by default, unless told otherwise. */
export async function startMeteredSystem(events: EventLevel = SETTINGS.events.fallback): Promise<MeteredSystem> {
  const storage = inject("storageConnectionString");
  let meter: OperationMeter | undefined;
  const counted = (): OperationMeter => {
    if (meter === undefined) throw new Error("The meter starts with the bus.");
    return meter;
  };
  const system = await startTestSystem({
    lockMs: LOCK_MS,
    // What the API knows serves for seconds. A machine that is ten times slower asks as often.
    apiClock: () => performance.now() / 10,
    events,
    async beforeBus(serviceBus) {
      meter = await startOperationMeter({ storage, serviceBus });
      return meter.serviceBus;
    },
    stores: () => createAzureStores(undefined, testStorage(counted().storage)),
  });
  const { jobs } = createAzureStores();
  let endedCount = 0;
  const hasEnded = async (jobId: string): Promise<boolean> => {
    const job = await jobs.get(jobId);
    return job !== undefined && isTerminal(job.value.state);
  };
  return {
    system,
    counts: () => counted().counts(),
    async settled(jobIds, apiInstances = 1) {
      endedCount += jobIds.length;
      await eventually(async () => {
        const ended = await Promise.all(jobIds.map(hasEnded));
        if (ended.includes(false)) throw new Error("Some jobs have not ended.");
        const counts = counted().counts();
        const of = (name: string): number => sumOf(counts, name);
        // A job's message is settled after all of its requests, and every event reaches every instance.
        if (of("bus bell settled") < of("bus bell sent")) throw new Error("Some messages are not settled.");
        // A job's end is published in the background.
        if (of("bus event sent") < endedCount * EVENTS_OF_A_JOB[events])
          throw new Error("Some events are not published.");
        if (counted().unsettledCount > 0) throw new Error("Some messages or events are not settled.");
        if (of("bus event received") < apiInstances * of("bus event sent"))
          throw new Error("Some events are under way.");
      }, SETTLED_WITHIN);
      return counted().counts();
    },
    async [Symbol.asyncDispose]() {
      await system[Symbol.asyncDispose]();
      await counted()[Symbol.asyncDispose]();
    },
  };
}
