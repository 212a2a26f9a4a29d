/** Runs a scenario with one fault, or none, and judges it. */
import type { JobQueue, PeekedMessage } from "../../../runtime/core/ports.ts";
import { PRIORITIES } from "../../../runtime/core/priority.ts";
import { jobQueueName } from "../../../runtime/core/topology.ts";
import { isTerminal } from "../../../runtime/core/states.ts";
import { messageOf } from "../../../runtime/core/errors.ts";
import { createFaultLab, type FaultLab, type Services } from "./fault-lab.ts";
import { createFaultPlan, type Fault, type SeenOperation } from "./fault-plan.ts";
import { type Scenario, wholeWaitMs } from "./fault-scenarios.ts";
import { violationsOf } from "./run-checker.ts";

export interface FaultCase {
  readonly scenario: Scenario;
  readonly fault: Fault | undefined;
}

export interface CaseReport extends FaultCase {
  /** One line each. */
  readonly violations: readonly string[];
  readonly struck: boolean;
  readonly seen: readonly SeenOperation[];
}

/** Every call of a run with every fault that can strike it, up to some occurrences of each operation. */
export const casesOf = (
  scenario: Scenario,
  seen: readonly SeenOperation[],
  occurrences: number,
): readonly FaultCase[] =>
  seen.flatMap(({ operation, count, kinds }) =>
    Array.from({ length: Math.min(count, occurrences) }, (_, i) =>
      kinds.map((kind) => ({ scenario, fault: { operation, occurrence: i + 1, kind } })),
    ).flat(),
  );

export async function runCase({ scenario, fault }: FaultCase, services: Services): Promise<CaseReport> {
  const plan = createFaultPlan(fault, services);
  await using lab = await createFaultLab(services, plan);
  const violations: string[] = [];
  try {
    await scenario.run(lab);
    await conclude(lab, services);
  } catch (error) {
    violations.push(messageOf(error));
  }
  violations.push(...(await lab.stop()));
  violations.push(
    ...violationsOf({
      ...(await factsOf(lab, services)),
      ends: scenario.ends,
      mayBeCanceled: fault?.kind === "cancel",
    }),
  );
  return { scenario, fault, violations, struck: plan.struckAt !== undefined, seen: plan.seen };
}

/** Jobs nobody was told of wait for the sweeper; all else ends without it. */
async function conclude(lab: FaultLab, { lockMs, queue: connect, pool }: Services): Promise<void> {
  const { record } = lab;
  const withinMs = wholeWaitMs(lockMs);
  await lab.sweepOrphans();
  await record.until("all jobs end", () => record.jobIds.every((id) => isTerminal(record.job(id).state)), withinMs);
  const isComplete = (batchId: string): boolean => {
    const { state, generation, completedGeneration } = record.batch(batchId);
    return state === "open" || completedGeneration === generation;
  };
  await record.until("the batch is complete", () => record.batchIds.every(isComplete), withinMs);
  // What an unanswered settlement has left returns when its lock ends, and is settled by the table.
  const queue = connect();
  const end = performance.now() + withinMs;
  while ((await messagesIn(queue, pool, false)).length > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, lockMs / 10));
  }
  await queue.close();
}

async function factsOf({ record, accepted }: FaultLab, { stores: connect, queue: connectQueue, pool }: Services) {
  const { jobs } = connect("checker");
  const queue = connectQueue();
  const stored = new Map<string, NonNullable<Awaited<ReturnType<typeof jobs.get>>>>();
  for (const jobId of record.jobIds) {
    const row = await jobs.get(jobId);
    if (row !== undefined) stored.set(jobId, row);
  }
  const counts = new Map(
    await Promise.all(
      record.batchIds.map(async (batchId) => [batchId, await jobs.counts(record.batch(batchId))] as const),
    ),
  );
  const messages = await messagesIn(queue, pool, false);
  const letters = await messagesIn(queue, pool, true);
  await queue.close();
  return { record, accepted, stored, counts, messages, letters };
}

async function messagesIn(queue: JobQueue, pool: string, deadLetter: boolean): Promise<readonly PeekedMessage[]> {
  const pages = PRIORITIES.map((priority) => queue.peek(jobQueueName(pool, priority), { deadLetter, maxCount: 250 }));
  return (await Promise.all(pages)).flat();
}
