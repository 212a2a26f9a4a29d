/**
 * The search: visits every state that a model can reach, breadth first, so that a counterexample is a shortest one. It
 * checks safety in every state and at every write. `progress.ts` checks what happens after the last fault.
 */
import { checkProgress, EdgeList } from "./progress.ts";

/** Emits the possible next steps. `change` is applied to a copy of the state. */
export interface Steps<S> {
  /** A step that the system, its network or its broker takes without outside action. */
  take(label: string, change: (next: S) => void): void;
  /** A fault, or a caller's request. It need not happen. */
  fault(label: string, change: (next: S) => void): void;
}

export interface Model<S> {
  initial(): S;
  copy(state: S): S;
  /** The same text for states that no later step can distinguish. */
  pack(state: S): string;
  unpack(text: string): S;
  steps(state: S, steps: Steps<S>): void;
  /** Throws Violation. */
  check(state: S): void;
  /** Nothing more needs to happen. */
  isDone(state: S): boolean;
  /** One line for traces. */
  describe(state: S): string;
}

/** A violated invariant. */
class Violation extends Error {
  override readonly name = "Violation";
}

export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Violation(otherwise);
}

export interface TraceLine {
  readonly step: string;
  /** The state after it. Undefined for the step that violates something. */
  readonly after: string | undefined;
}

export interface SearchResult {
  readonly states: number;
  readonly violation: { readonly text: string; readonly trace: readonly TraceLine[] } | undefined;
  /** The search was stopped at its limit. Nothing is proven. */
  readonly cut: boolean;
}

/** More states do not fit into the Map that distinguishes them. */
const MAX_STATES = 16_000_000;

export function search<S>(model: Model<S>, maxStates = MAX_STATES): SearchResult {
  const ids = new Map<string, number>();
  const texts: string[] = [];
  const parents: number[] = [];
  const labels: string[] = [];
  const interned = new Map<string, string>();
  const edges = new EdgeList();

  function idOf(state: S, from: number, label: string): number {
    const text = model.pack(state);
    const known = ids.get(text);
    if (known !== undefined) return known;
    const id = texts.length;
    ids.set(text, id);
    texts.push(text);
    parents.push(from);
    // Few labels name many steps.
    const same = interned.get(label);
    if (same === undefined) interned.set(label, label);
    labels.push(same ?? label);
    return id;
  }

  const after = (id: number): string => model.describe(model.unpack(texts[id] ?? ""));

  function traceTo(id: number): TraceLine[] {
    const trace: TraceLine[] = [];
    for (let at = id; at > 0; at = parents[at] ?? 0) trace.push({ step: labels[at] ?? "", after: after(at) });
    return trace.reverse();
  }

  idOf(model.initial(), 0, "");
  for (let at = 0; at < texts.length; at++) {
    if (texts.length > maxStates) return { states: texts.length, violation: undefined, cut: true };
    const state = model.unpack(texts[at] ?? "");
    let label: string | undefined;
    const emit = (text: string, change: (next: S) => void): number => {
      label = text;
      const next = model.copy(state);
      change(next);
      return idOf(next, at, text);
    };
    try {
      model.check(state);
      model.steps(state, {
        take: (text, change) => edges.add(at, emit(text, change)),
        fault: (text, change) => void emit(text, change),
      });
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      const trace = traceTo(at);
      if (label !== undefined) trace.push({ step: label, after: undefined });
      return { states: texts.length, violation: { text: error.message, trace }, cut: false };
    }
  }

  const stall = checkProgress(texts.length, edges, (id) => model.isDone(model.unpack(texts[id] ?? "")));
  if (stall === undefined) return { states: texts.length, violation: undefined, cut: false };
  const { text, path } = stall;
  const [first = 0, ...rest] = path;
  const trace = [
    ...traceTo(first),
    ...rest.map((id, index) => ({ step: stepTo(path[index] ?? 0, id), after: after(id) })),
  ];
  return { states: texts.length, violation: { text, trace }, cut: false };

  /** The step from one state to another. The trace of a stall leaves the tree of first visits. */
  function stepTo(from: number, to: number): string {
    const state = model.unpack(texts[from] ?? "");
    let found = "?";
    model.steps(state, {
      take(text, change) {
        const next = model.copy(state);
        change(next);
        if (ids.get(model.pack(next)) === to) found = text;
      },
      fault: () => undefined,
    });
    return found;
  }
}
