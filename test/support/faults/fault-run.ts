/** Runs a scenario with one fault, or none, and judges it. */
import type { JobQueue, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { DEFAULT_PRIORITY } from "../../../runtime/core/job/priority.ts";
import { jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import { messageOf } from "../../../runtime/core/errors.ts";
import { seededRandom } from "../seeded-random.ts";
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

export interface Breadth {
  /** Of each operation, how many of its calls are struck. */
  readonly occurrences: number;
  /** Which cases are the same for this sweep: only the first of them is run. */
  readonly sameAs: (one: FaultCase & { readonly fault: Fault }) => string;
  /** Operations that are struck. Default: all. */
  readonly only?: RegExp;
  /** The part of the cases that is run, the same ones every time. Default: 1, all. */
  readonly share?: number;
}

/** Names one call and what strikes it. */
export const callOf = ({ operation, occurrence, kind }: Fault): string => `${operation} ${occurrence} ${kind}`;

/** Every call of the recorded runs with every fault that can strike it. */
export function casesOf(
  recorded: readonly CaseReport[],
  { occurrences, sameAs, only = /^/, share = 1 }: Breadth,
): readonly FaultCase[] {
  const struck = recorded.flatMap(({ scenario, seen }) =>
    seen.filter(({ operation }) => only.test(operation)).map((operation) => ({ scenario, ...operation })),
  );
  const cases = struck.flatMap(({ scenario, operation, count, kinds }) =>
    Array.from({ length: Math.min(count, occurrences) }, (_, i) =>
      kinds.map((kind) => ({ scenario, fault: { operation, occurrence: i + 1, kind } })),
    ).flat(),
  );
  const different = new Map(cases.toReversed().map((one) => [sameAs(one), one]));
  const random = seededRandom(1);
  return [...different.values()].filter(() => random.chance(share));
}

/** Runs all, `lanes` at a time; `run` gets the number of its lane. */
export async function inLanes<T, R>(
  items: readonly T[],
  lanes: number,
  run: (item: T, lane: number) => Promise<R>,
): Promise<readonly R[]> {
  const waiting = [...items];
  const results: R[] = [];
  const runNext = async (lane: number): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results.push(await run(next, lane));
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runNext(lane)));
  return results;
}

/** The runs in which something does not hold, each with the fault that brings it about. */
export const broken = (reports: readonly CaseReport[]): readonly string[] =>
  reports
    .filter(({ violations }) => violations.length > 0)
    .map(({ scenario, fault, violations }) => {
      const what = fault === undefined ? "no fault" : `${fault.kind} at ${fault.operation} #${fault.occurrence}`;
      return `${scenario.name}; ${what}:\n  ${violations.join("\n  ")}`;
    });

/**
 * The runs that never made the call that was to fail: they have shown nothing. A lock is renewed only when a job takes long
 * enough, which files on a real disk decide: such a run need not come to it.
 */
export const notStruck = (reports: readonly CaseReport[]): readonly string[] =>
  reports.flatMap(({ scenario, fault, struck }) =>
    fault && !struck && !RENEWAL.test(callOf(fault)) ? [`${scenario.name}; ${callOf(fault)}`] : [],
  );

const RENEWAL = /\.renew /;

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
  return { scenario, fault, violations, struck: plan.hasStruck, seen: plan.seen };
}

/** Jobs whose submit got no answer wait for the sweeper; all others end without it. */
async function conclude(lab: FaultLab, { lockMs, observer, pool }: Services): Promise<void> {
  const { record } = lab;
  const withinMs = wholeWaitMs(lockMs);
  await lab.sweepOrphans();
  await record.until("all jobs end", () => record.jobIds.every((id) => isTerminal(record.job(id).state)), withinMs);
  const isComplete = (batchId: string): boolean => {
    const { state, generation, completedGeneration } = record.batch(batchId);
    return state === "open" || completedGeneration === generation;
  };
  await record.until("the batch is complete", () => record.batchIds.every(isComplete), withinMs);
  // It may keep bells that it could not send.
  await lab.stopApi();
  // What an unanswered settlement has left returns when its lock ends, and is settled by the table.
  const end = performance.now() + withinMs;
  while ((await messagesIn(observer, pool, false)).length > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, lockMs / 10));
  }
}

async function factsOf({ record, accepted }: FaultLab, services: Services) {
  const { observer, pool } = services;
  const { jobs } = services.stores("checker");
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
  const messages = await messagesIn(observer, pool, false);
  const letters = await messagesIn(observer, pool, true);
  return { record, accepted, stored, counts, messages, letters };
}

/** Of the one queue all scenarios use. */
const messagesIn = (queue: JobQueue, pool: string, deadLetter: boolean): Promise<readonly PeekedMessage[]> =>
  queue.peek(jobQueueName(pool, DEFAULT_PRIORITY), { deadLetter, maxCount: 250 });
