/** What is known of a job type at compile time only: a declaration in a package and a client agree on it by its type. */

/** `Submitted`: its parameters, as they are sent. `Kept`: its output, as it is answered. Nothing has such a value. */
export interface JobShape<Submitted = unknown, Kept = unknown> {
  readonly types?: { readonly parameters: Submitted; readonly output: Kept } | undefined;
}

export type ParametersOf<Shape extends JobShape> = NonNullable<Shape["types"]>["parameters"];
export type OutputOf<Shape extends JobShape> = NonNullable<Shape["types"]>["output"];
