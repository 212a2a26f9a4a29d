/**
 * The parts of a setting: a schema that also accepts text, because stack configuration is text; a default; and the texts
 * for the documentation. Error messages continue a sentence that starts with the key.
 */
import { z } from "zod";

/** The effect of a later change of a setting. */
export const CHANGES = {
  inPlace: "in place",
  newMachines: "on new machines",
  newScaleSet: "creates a new scale set, then deletes the old one",
  newStack: "only in a new stack",
} as const;
export type Change = (typeof CHANGES)[keyof typeof CHANGES];

export interface Setting<Value> {
  readonly schema: z.ZodType<Value>;
  /** The default, as the documentation shows it. Undefined means none. */
  readonly fallback: Value;
  readonly allowed: string;
  readonly meaning: string;
  readonly change: Change;
}

export type SettingValue<Of> = Of extends Setting<infer Value> ? Value : never;

export const setting = <Value>(
  schema: z.ZodType<Value>,
  fallback: NoInfer<Value>,
  allowed: string,
  meaning: string,
  change: Change = CHANGES.inPlace,
): Setting<Value> => ({
  schema: z.preprocess((value) => value ?? fallback, schema),
  fallback,
  allowed,
  meaning,
  change,
});

/** Stack configuration is text, but objects in it hold numbers and booleans. Both are accepted. */
const fromText = (read: (text: string) => unknown) => (value: unknown) =>
  typeof value === "string" && value.trim() !== "" ? read(value) : value;

const toNumber = fromText((value) => (Number.isNaN(Number(value)) ? value : Number(value)));
const toBoolean = fromText((value) => (value === "true" ? true : value === "false" ? false : value));

export const integer = (min: number, max: number): z.ZodType<number> => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.preprocess(
    toNumber,
    z.number({ error }).refine((value) => Number.isInteger(value) && value >= min && value <= max, { error }),
  );
};

export const number = (min: number, max: number): z.ZodType<number> => {
  const error = `must be a number from ${min} to ${max}`;
  return z.preprocess(toNumber, z.number({ error }).min(min, { error }).max(max, { error }));
};

export const bool = (): z.ZodType<boolean> => z.preprocess(toBoolean, z.boolean({ error: "must be true or false" }));

export const oneOf = <const Choice extends string>(choices: readonly Choice[]): z.ZodType<Choice> =>
  z.enum(choices, { error: `must be one of ${choices.join(", ")}` });

export const text = (pattern: RegExp, what: string): z.ZodType<string> => {
  const error = `must be ${what}`;
  return z.string({ error }).regex(pattern, { error });
};

/** A text that a function checks. The function returns the problem, if there is one. */
export const named = (what: string, problem: (value: string) => string | undefined): z.ZodType<string> =>
  z.string({ error: `must be ${what}` }).superRefine((value, context) => {
    const message = problem(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

export const list = <Item>(item: z.ZodType<Item>): z.ZodType<readonly Item[]> =>
  z.array(item, { error: "must be a list" });
