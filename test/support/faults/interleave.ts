/**
 * Runs a small concurrent scene in every order of its steps that breaks off its actors no more often than a bound.
 * Actors wait at their gate before each access to what they share; one gate is opened at a time, and the whole scene is
 * repeated for every sequence of choices. Races show with few breaks, while all orders together would be millions.
 */

export interface Scene {
  /** Each waits for its gate before every access to shared state. All start at once. */
  readonly actors: readonly ((gate: () => Promise<void>) => Promise<unknown>)[];
  /** Called when all actors have ended. */
  readonly end: () => void;
}

/** Resolves to the number of different orders. Rejects with the first failure of any of them. */
export async function inEveryOrder(createScene: () => Scene, { breaks }: { readonly breaks: number }): Promise<number> {
  let plan: number[] = [];
  for (let orders = 1; ; orders++) {
    const made = await play(createScene(), plan, breaks);
    // The next plan: the last choice that has an alternative left is advanced, what followed it is free again.
    const last = made.findLastIndex(({ chosen, options }) => chosen + 1 < options);
    if (last < 0) return orders;
    plan = [...made.slice(0, last).map(({ chosen }) => chosen), made[last]!.chosen + 1];
  }
}

interface Choice {
  readonly chosen: number;
  readonly options: number;
}

interface Waiting {
  readonly actor: number;
  readonly open: () => void;
}

/** Plays one order; beyond the plan it always takes the first option, which is to let the same actor go on. */
async function play({ actors, end }: Scene, plan: readonly number[], breaks: number): Promise<Choice[]> {
  let waiting: Waiting[] = [];
  const made: Choice[] = [];
  const state = { running: true };
  let current = -1;
  let breaksLeft = breaks;
  const ended = Promise.all(
    actors.map((act, actor) => act(() => new Promise((open) => waiting.push({ actor, open })))),
  ).finally(() => {
    state.running = false;
  });
  // Awaited below, after the loop that lets it come to its end.
  ended.catch(() => undefined);
  for (;;) {
    await settled();
    if (!state.running) break;
    const same = waiting.filter(({ actor }) => actor === current);
    const others = waiting.filter(({ actor }) => actor !== current);
    const options = same.length > 0 && breaksLeft === 0 ? same : [...same, ...others];
    const chosen = plan[made.length] ?? 0;
    const next = options[chosen];
    if (next === undefined) throw new Error("All actors wait for something that is not a gate.");
    made.push({ chosen, options: options.length });
    if (same.length > 0 && next.actor !== current) breaksLeft--;
    current = next.actor;
    waiting = waiting.filter((one) => one !== next);
    next.open();
  }
  await ended;
  end();
  return made;
}

/** All promise callbacks that can run have run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
