/** Runs random commands against broker and reference models, at least so many. */
import fc from "fast-check";
import { TestBus } from "../support/engine.ts";
import { modelTopology, queueCommands, QueueModel } from "../support/queue-model.ts";
import { sessionCommands, SessionModel, sessionTopology } from "../support/session-model.ts";

const RUNS_AT_A_TIME = 100;

export function runQueueModel(commandCount: number): number {
  return repeat(commandCount, (count) => {
    fc.assert(
      fc.property(queueCommands, (commands) => {
        const bus = new TestBus(modelTopology);
        const model = new QueueModel(bus.now);
        fc.modelRun(() => ({ model, real: bus }), commands);
        count(model.commands);
      }),
      { numRuns: RUNS_AT_A_TIME },
    );
  });
}

export function runSessionModel(commandCount: number): number {
  return repeat(commandCount, (count) => {
    fc.assert(
      fc.property(sessionCommands, (commands) => {
        const bus = new TestBus(sessionTopology);
        const model = new SessionModel(bus.now);
        fc.modelRun(() => ({ model, real: bus }), commands);
        count(model.commands);
      }),
      { numRuns: RUNS_AT_A_TIME },
    );
  });
}

function repeat(goal: number, run: (count: (commands: number) => void) => void): number {
  let total = 0;
  while (total < goal) {
    run((commands) => {
      total += commands;
    });
  }
  return total;
}
