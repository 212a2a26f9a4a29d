/** Reads the stack's configuration, as text or objects; what it means is decided in `config.ts`. */
import * as pulumi from "@pulumi/pulumi";

/** The part of the key before the colon: the project's name. */
const NAMESPACE = "jobyard";

/** Every value under `jobyard:`, unknown keys too, so that a misspelt one is noticed. */
export function readStackConfig(): Readonly<Record<string, unknown>> {
  const entries = Object.entries(pulumi.runtime.allConfig())
    .filter(([key]) => key.startsWith(`${NAMESPACE}:`))
    .map(([key, value]): [string, unknown] => [key.slice(NAMESPACE.length + 1), parsed(value)]);
  return Object.fromEntries(entries);
}

/** Objects and lists arrive as JSON; everything else is left as text for the schema. */
function parsed(value: string): unknown {
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    // Then it is a text that begins with a bracket, and the schema says what is wrong with that.
    return value;
  }
}
