/** The steps of a rehearsal, and their order: each runs as soon as those before it have ended. */
import { setTimeout as sleep } from "node:timers/promises";

export interface Step<Context> {
  readonly name: string;
  /** One sentence: what holds if it succeeds. */
  readonly title: string;
  /** Steps that must have succeeded. They run too if only this one was selected. */
  readonly needs: readonly string[];
  /** Steps that must have ended, if they run at all. Like those it needs, they come before it in the list. */
  readonly after?: readonly string[];
  /** Whether it needs worker machines. */
  readonly machines?: boolean;
  /** Throws if it does not hold. */
  run(context: Context): Promise<void>;
}

export interface Verdict {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly error?: string;
}

/** The steps of these names and all that they need, in the given order. All steps for no names. */
export function selectSteps<Context>(all: readonly Step<Context>[], only: readonly string[]): readonly Step<Context>[] {
  if (only.length === 0) return all;
  const wanted = new Set<string>();
  const want = (name: string): void => {
    const step = all.find((one) => one.name === name);
    if (step === undefined) {
      throw new RangeError(`There is no step "${name}". Steps: ${all.map((one) => one.name).join(", ")}.`);
    }
    wanted.add(name);
    step.needs.forEach(want);
  };
  only.forEach(want);
  return all.filter(({ name }) => wanted.has(name));
}

/** Runs all steps. A step whose needs failed fails without being run. */
export async function runSteps<Context>(
  steps: readonly Step<Context>[],
  context: Context,
  onEnd: (verdict: Verdict, step: Step<Context>) => void,
): Promise<readonly Verdict[]> {
  const running = new Map<string, Promise<Verdict>>();
  for (const step of steps) {
    const before = (names: readonly string[]) => names.flatMap((name) => running.get(name) ?? []);
    const verdict = (async (): Promise<Verdict> => {
      await Promise.all(before(step.after ?? []));
      const broken = (await Promise.all(before(step.needs))).find(({ ok }) => !ok);
      const ended =
        broken === undefined
          ? await judge(step, context)
          : { name: step.name, ok: false, ms: 0, error: `It needs ${broken.name}, which failed.` };
      onEnd(ended, step);
      return ended;
    })();
    running.set(step.name, verdict);
  }
  return Promise.all(running.values());
}

async function judge<Context>(step: Step<Context>, context: Context): Promise<Verdict> {
  const begun = performance.now();
  const error = await step.run(context).then(
    () => undefined,
    (thrown: unknown) => (thrown instanceof Error ? thrown : new Error(String(thrown))),
  );
  const ms = Math.round(performance.now() - begun);
  return { name: step.name, ok: error === undefined, ms, ...(error !== undefined && { error: error.message }) };
}

/**
 * Calls again until the result is neither undefined nor false. Rejects after the time, and names what it waited for.
 */
export async function until<Value>(
  what: string,
  seconds: number,
  probe: () => Promise<Value | undefined | false> | Value | undefined | false,
): Promise<Value> {
  const end = performance.now() + seconds * 1_000;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await sleep(200);
  }
  const why = last instanceof Error ? ` (${last.message})` : "";
  throw new Error(`Timed out after ${seconds} s: ${what}${why}.`, { cause: last });
}
