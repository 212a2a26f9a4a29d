/** The type of a management operation, and readers for its arguments. */
import type { Broker } from "../../engine/broker.ts";
import { BusError } from "../../engine/errors.ts";
import { plainInteger, plainString } from "../values.ts";

/** The arguments of an operation by their names in the protocol. */
export type Arguments = Readonly<Record<string, unknown>>;

/** The result of an operation. `empty`: there is nothing (more) to return. */
export interface Result {
  readonly body?: unknown;
  readonly empty?: boolean;
}

export type Operation = (broker: Broker, path: string, args: Arguments) => Result;

export const invalidArgument = (name: string): BusError =>
  new BusError("invalid-argument", `The argument '${name}' is missing or invalid.`);

export function integerArgument(args: Arguments, name: string, fallback?: number): number {
  const value = plainInteger(args[name]) ?? fallback;
  if (value === undefined) throw invalidArgument(name);
  return value;
}

export function stringArgument(args: Arguments, name: string): string {
  const value = plainString(args[name]);
  if (value === undefined) throw invalidArgument(name);
  return value;
}
