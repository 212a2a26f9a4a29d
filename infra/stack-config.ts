/** Reads the stack's configuration, as text or objects. `config.ts` decides what it means. */
import * as pulumi from "@pulumi/pulumi";
import { InfraConfigError } from "./config.ts";

/** The part of the key before the colon: the project's name. */
const NAMESPACE = "jobyard";

/**
 * Returns every value under `jobyard:`, unknown keys too, so that a misspelt key is noticed. Throws InfraConfigError
 * for keys under the name of a renamed project: `pulumi config set` stores a key without a colon there.
 */
export function readStackConfig(): Readonly<Record<string, unknown>> {
  const all = pulumi.runtime.allConfig();
  const project = pulumi.getProject();
  const astray = Object.keys(all).filter((key) => project !== NAMESPACE && key.startsWith(`${project}:`));
  if (astray.length > 0) throw new InfraConfigError(astray.map((key) => unread(key, key.slice(project.length + 1))));
  const entries = Object.entries(all)
    .filter(([key]) => key.startsWith(`${NAMESPACE}:`))
    .map(([key, value]): [string, unknown] => [key.slice(NAMESPACE.length + 1), parsed(value)]);
  return Object.fromEntries(entries);
}

const unread = (key: string, name: string): string =>
  `${key} is not read; run: pulumi config rm ${key} && pulumi config set ${NAMESPACE}:${name} <value>`;

/** Objects and lists arrive as JSON. The schema parses all other text. */
function parsed(value: string): unknown {
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    // Not JSON: a text that begins with a bracket. The schema reports what is wrong with it.
    return value;
  }
}
