/** Reads the stack's configuration, as text or objects; what it means is decided in `config.ts`. */
import * as pulumi from "@pulumi/pulumi";
import { InfraConfigError } from "./config.ts";

/** The part of the key before the colon: the project's name. */
const NAMESPACE = "jobyard";

/**
 * Every value under `jobyard:`, unknown keys too, so that a misspelt one is noticed. Throws InfraConfigError for keys under
 * the name of a project that is called otherwise: `pulumi config set` puts a key without a colon there.
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
