/**
 * Azure Monitor's autoscale for a rehearsed pool: the recorded rules decide on the real queues, by the model that the
 * simulation has, with a minute of Azure in less time here. Protected machines are passed over.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { decideScale, type AutoscalePlan } from "../../runtime/core/deployment/autoscale.ts";
import { readingOf } from "../simulation/world.ts";
import type { Pool, PoolMachine } from "./pool.ts";

export interface AutoscalerDeps {
  readonly plan: AutoscalePlan;
  readonly pool: Pool;
  /** Active messages of a queue, now. */
  readonly depth: (queue: string) => Promise<number>;
  readonly isProtected: (machine: PoolMachine) => boolean;
  /** What a minute of Azure takes here. */
  readonly minuteMs: number;
  /** More do not fit on this machine. */
  readonly maxMachines: number;
}

export interface ScaleHistory {
  readonly peak: number;
  /** Machines that did not approve their end in time. */
  readonly unready: number;
}

/** Runs until the signal. Resolves when no machine is on its way out any more. */
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
