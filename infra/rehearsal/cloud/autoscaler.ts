/**
 * Azure Monitor's autoscale for a rehearsed pool. The recorded rules decide on the real queues, with the model of the
 * simulation. A minute of Azure takes less time here. Protected machines are skipped.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { decideScale, type AutoscalePlan } from "../../../runtime/core/deployment/autoscale.ts";
import { readingOf } from "../../simulation/world.ts";
import type { Pool, PoolMachine } from "./pool.ts";

export interface AutoscalerDeps {
  readonly plan: AutoscalePlan;
  readonly pool: Pool;
  /** The current number of active messages in a queue. */
  readonly depth: (queue: string) => Promise<number>;
  readonly isProtected: (machine: PoolMachine) => boolean;
  /** The duration of an Azure minute here. */
  readonly minuteMs: number;
  /** The maximum that fits on this machine. */
  readonly maxMachines: number;
}

export interface ScaleHistory {
  readonly peak: number;
  /** Machines that did not approve their end in time. */
  readonly unready: number;
}

/** Runs until the signal. Resolves when no machine is being removed any more. */
export async function autoscale(deps: AutoscalerDeps, signal: AbortSignal): Promise<ScaleHistory> {
  const { plan, pool, depth, isProtected, minuteMs, maxMachines } = deps;
  const queues = [...new Set(plan.rules.map(({ queue }) => queue))];
  const depths = new Map(queues.map((queue): [string, number[]] => [queue, []]));
  const leaving = new Set<PoolMachine>();
  const departures: Promise<void>[] = [];
  let [peak, unready, restMinutes] = [pool.machines.length, 0, 0];

  while (!signal.aborted) {
    for (const queue of queues) depths.get(queue)?.push(await depth(queue));
    const staying = pool.machines.filter((machine) => !leaving.has(machine));
    if (restMinutes > 0) restMinutes--;
    else {
      const decision = decideScale(plan, {
        instances: staying.length,
        reading: (queue, windowMinutes) => readingOf(depths.get(queue) ?? [], windowMinutes),
      });
      const wanted = Math.min(decision.instances, maxMachines);
      if (wanted !== staying.length) restMinutes = decision.cooldownMinutes;
      for (let count = staying.length; count < wanted; count++) await pool.add();
      const free = staying.filter((machine) => !isProtected(machine));
      for (const machine of free.slice(0, Math.max(0, staying.length - wanted))) {
        leaving.add(machine);
        departures.push(
          pool.terminate(machine).then((approved) => {
            leaving.delete(machine);
            if (!approved) unready++;
          }),
        );
      }
    }
    peak = Math.max(peak, pool.machines.length);
    await sleep(minuteMs);
  }
  await Promise.all(departures);
  return { peak, unready };
}
