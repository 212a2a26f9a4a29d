/** How a process reads its settings: from an environment that its composition root hands in. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** A setting that cannot be used; the message names it and says what it should be. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

export const optional = (env: Environment, name: string): string | undefined =>
  env[name] === "" ? undefined : env[name];

export const isSet = (env: Environment, name: string): boolean => (env[name] ?? "") !== "";

export function required(env: Environment, name: string): string {
  const text = env[name];
  if (text === undefined || text === "") throw new SettingsError(`${name} is not set.`);
  return text;
}

interface IntegerRange {
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
}

export function integer(env: Environment, name: string, { min, max, fallback }: IntegerRange): number {
  const text = env[name];
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new SettingsError(`${name} must be a whole number from ${min} to ${max}, not "${text}".`);
}
