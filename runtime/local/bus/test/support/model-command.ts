/** Steps of a model-based test. Each runs on the model and on the bus, and then the two must agree. */
import type fc from "fast-check";
import type { TestBus } from "./engine.ts";

export type ModelCommand<Model extends object> = fc.Command<Model, TestBus>;

type Step<Model> = (model: Model, bus: TestBus) => void;

/** Makes commands by name and step. */
export const commandsWith =
  <Model extends object>(agree: Step<Model>) =>
  (name: string, step: Step<Model>): ModelCommand<Model> => ({
    check: () => true,
    run(model, bus) {
      step(model, bus);
      agree(model, bus);
    },
    toString: () => name,
  });
