/**
 * The middle of a chaos run. It submits jobs, kills and pauses programs, breaks connections and sends commands, each
 * when its share of the jobs has ended, until every job has ended or nothing changes any more.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { addCounts, NO_COUNTS, openOf, type StateCounts, totalOf } from "../../../runtime/core/job/states.ts";
import type { Commander } from "./commander.ts";
import { describePause, type Pauser, type ScheduledPause } from "./controls/pauser.ts";
import type { ScheduledIntent } from "./commands.ts";
import type { Feeder } from "./feeder.ts";
import type { Injurer } from "./injurer.ts";
import type { Network } from "./network.ts";
import { describeFault, type ScheduledFault } from "./network-faults.ts";
import { describeInjury, type ScheduledInjury } from "./schedule.ts";

export interface DisturbDeps {
  readonly store: Pick<JobStore, "counts">;
  readonly batchStore: Pick<BatchStore, "get">;
  readonly feeder: Feeder;
  readonly commander: Commander;
  readonly injurer: Injurer;
  readonly network: Network;
  readonly pauser: Pauser;
  readonly onProgress: (line: string) => void;
}

export interface Plan {
  readonly jobCount: number;
  readonly injuries: readonly ScheduledInjury[];
  readonly faults: readonly ScheduledFault[];
  readonly intents: readonly ScheduledIntent[];
  readonly pauses: readonly ScheduledPause[];
}

/** The number of open jobs stays below this, so that the API has work during the whole run. */
const OPEN_MAX = 80;
const LOOK_EVERY_MS = 250;
/** If no job ends for this long, the run is over and open jobs count as lost. The sweeper needs two minutes. */
const STALLED_AFTER_MS = 300_000;

export async function disturb(deps: DisturbDeps, { jobCount, injuries, faults, intents, pauses }: Plan): Promise<void> {
  const { store, batchStore, feeder, commander, injurer, network, pauser, onProgress } = deps;
  let feeding: Promise<void> | undefined;
  const failures: unknown[] = [];
  let last = "";
  let movedAt = performance.now();
  let endedMost = 0;

  const isDue = ({ afterShare }: { readonly afterShare: number }): boolean => afterShare <= endedMost / jobCount;
  const takeInjuries = inTurn(injuries, isDue);
  const takeFaults = inTurn(faults, isDue);
  const takeIntents = inTurn(intents, isDue);
  const takePauses = inTurn(pauses, isDue);

  async function allComplete(batches: readonly Batch[]): Promise<boolean> {
    const rows = await Promise.all(batches.map(({ batchId }) => batchStore.get(batchId)));
    return rows.every((row) => row !== undefined && row.value.completedGeneration === row.value.generation);
  }

  /** Undefined: storage did not answer, as on a busy machine. */
  async function countsOf(batches: readonly Batch[]): Promise<StateCounts | undefined> {
    try {
      return (await Promise.all(batches.map((batch) => store.counts(batch)))).reduce(addCounts, NO_COUNTS);
    } catch (error) {
      if (!(error instanceof UnavailableError) || performance.now() - movedAt > STALLED_AFTER_MS) throw error;
      onProgress(`storage did not answer: ${error.message}`);
      await pause(LOOK_EVERY_MS);
      return undefined;
    }
  }

  for (;;) {
    const { batches } = feeder;
    const counts = await countsOf(batches);
    if (counts === undefined) continue;
    const open = openOf(counts);
    const ended = totalOf(counts) - open;
    if (last !== JSON.stringify(counts)) movedAt = performance.now();
    last = JSON.stringify(counts);
    // Requeues reduce the number of ended jobs. Items that were due stay due.
    endedMost = Math.max(endedMost, ended);

    const where = `${ended} of ${jobCount} ended`;
    for (const injury of takeInjuries()) {
      onProgress(`${where}: ${describeInjury(injury)}`);
      injurer.inflict(injury);
    }
    for (const fault of takeFaults()) {
      onProgress(`${where}: ${describeFault(fault)}`);
      network.inflict(fault);
    }
    for (const scheduled of takePauses()) {
      onProgress(`${where}: ${describePause(scheduled)}`);
      pauser.pause(scheduled);
    }
    for (const { intent } of takeIntents()) commander.fulfil(intent);
    if (failures.length > 0) throw new AggregateError(failures, "Jobs could not be submitted.");
    if (feeding === undefined && !feeder.done && open < OPEN_MAX) {
      feeding = feeder
        .feed()
        .catch((error: unknown) => void failures.push(error))
        .finally(() => (feeding = undefined));
    }
    const isBusy = [commander, injurer, network, pauser].some(({ pending }) => pending > 0);
    const quiet = !isBusy && feeding === undefined;
    if (feeder.done && open === 0 && quiet && (await allComplete(batches))) break;
    if (performance.now() - movedAt > STALLED_AFTER_MS) {
      onProgress(`nothing has changed for ${STALLED_AFTER_MS / 1_000} s; giving up`);
      break;
    }
    await pause(LOOK_EVERY_MS);
  }
  await Promise.all([injurer.done(), network.done(), commander.done(), pauser.done()]);
}

/** Takes the due items from a list in the order in which they become due. */
function inTurn<T>(items: readonly T[], isDue: (item: T) => boolean): () => readonly T[] {
  let next = 0;
  return () => {
    const first = next;
    while (next < items.length && isDue(items[next]!)) next += 1;
    return items.slice(first, next);
  };
}
