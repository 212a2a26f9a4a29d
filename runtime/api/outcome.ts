/** What became of one item among many: each has its own, in the order of the request. */

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

export const done = <T>(value: T): Outcome<T> => ({ ok: true, value });
export const failed = (error: unknown): Outcome<never> => ({ ok: false, error });

/** Never rejects. */
export async function outcomeOf<T>(step: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return done(await step());
  } catch (error) {
    return failed(error);
  }
}

/** Takes the next step with all that are well so far; what failed keeps its place. `step` answers in the order given. */
export async function onward<A, B>(
  outcomes: readonly Outcome<A>[],
  step: (values: readonly A[]) => Promise<readonly Outcome<B>[]>,
): Promise<readonly Outcome<B>[]> {
  const next = (await step(outcomes.flatMap((one) => (one.ok ? [one.value] : [])))).values();
  return outcomes.map((one) => (one.ok ? (next.next().value ?? failed(new Error("A step has lost an item."))) : one));
}
