import fc from "fast-check";
import { describe, test } from "vitest";
import { TestBus } from "../support/engine.ts";
import { modelTopology, queueCommands, QueueModel } from "../support/queue-model.ts";
import { sessionCommands, SessionModel, sessionTopology } from "../support/session-model.ts";

// The long share of these runs with `npm run chaos -- bus`.
describe("the broker agrees with its reference model", () => {
  test("about a queue, over crashes and compaction", () => {
    fc.assert(
      fc.property(queueCommands, (commands) => {
        const bus = new TestBus(modelTopology);
        fc.modelRun(() => ({ model: new QueueModel(bus.now), real: bus }), commands);
      }),
      { numRuns: 100 },
    );
  });

  test("about sessions", () => {
    fc.assert(
      fc.property(sessionCommands, (commands) => {
        const bus = new TestBus(sessionTopology);
        fc.modelRun(() => ({ model: new SessionModel(bus.now), real: bus }), commands);
      }),
      { numRuns: 100 },
    );
  });
});
