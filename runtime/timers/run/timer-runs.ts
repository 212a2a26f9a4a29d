/**
 * What a process needs so that timers run: `main/worker.ts` and `main/api.ts` put it around the parts that know jobs only.
 * A fork without timers leaves these calls out.
 */
import { isTimerBatch, jobIdParts } from "../../core/job/ids.ts";
import { joinCalls } from "../../core/join-calls.ts";
import { takeTurns } from "../../core/take-turns.ts";
import type { Admission, TickHandler } from "../../core/ports/admission.ts";
import type { RunningCompletion } from "../../lifecycle/batch-completion.ts";
import { type AdmitDeps, admitTick } from "./admit-tick.ts";
import { type NextTimerRunDeps, startNextTimerRun } from "./next-run.ts";
import { type GateDeps, passGate, renewFence } from "./pass-gate.ts";

/**
 * The batch of a timer is never complete. After one of its runs has ended, the next run is let in if one waits (R18).
 * Other batches are completed as before.
 */
export function withTimerBatches(completion: RunningCompletion, deps: NextTimerRunDeps): RunningCompletion {
  const startNext = joinCalls((batchId) => startNextTimerRun(batchId, deps));
  return {
    ...completion,
    afterJobEnded: (batchId) => (isTimerBatch(batchId) ? startNext(batchId) : completion.afterJobEnded(batchId)),
    jobStarted: (batchId) =>
      isTimerBatch(batchId)
        ? { ended: () => startNext(batchId), [Symbol.asyncDispose]: () => Promise.resolve() }
        : completion.jobStarted(batchId),
  };
}

export interface TimerRunsDeps extends Omit<AdmitDeps, "log">, Omit<GateDeps, "log">, NextTimerRunDeps {
  readonly jobs: AdmitDeps["jobs"] & GateDeps["jobs"];
  readonly timers: AdmitDeps["timers"];
  readonly completion: RunningCompletion;
  readonly pool: string;
}

export interface TimerRuns {
  readonly completion: RunningCompletion;
  readonly admission: Admission;
  readonly onTick: TickHandler;
}

/** The parts of a worker that deal with runs of timers. `completion`: that of other batches. */
export function createTimerRuns(deps: TimerRunsDeps): TimerRuns {
  const completion = withTimerBatches(deps.completion, deps);
  const inTurn = takeTurns();
  return {
    completion,
    onTick: (tick, { delivery, log }) => admitTick(tick, delivery, { ...deps, log }),
    admission: {
      appliesTo: (jobId) => isTimerBatch(jobIdParts(jobId).batchId),
      inTurn(jobId, claim) {
        const { batchId } = jobIdParts(jobId);
        return isTimerBatch(batchId) ? inTurn(batchId, claim) : claim();
      },
      admit: (row, { delivery, log, signal }) => passGate(row, delivery, { ...deps, completion, log }, signal),
      renewFence: (job) => renewFence(job, deps),
    },
  };
}
