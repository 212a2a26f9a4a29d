/** Plain JavaScript, because it must work when no module is installed. */
import { readFileSync } from "node:fs";

/** One sentence when the error is a module that is not installed; undefined for others. */
export function missingModule(error) {
  if (!/MODULE_NOT_FOUND$/.test(error?.code)) return undefined;
  const [, name] = /Cannot find (?:package|module) '((?:@[^/']+\/)?[^/'.][^/']*)/.exec(error.message) ?? [];
  if (name === undefined) return undefined;
  // The built package leaves some modules to those who need them.
  const { peerDependencies = {} } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const version = peerDependencies[name];
  const way =
    version === undefined ? "what is missing with: npm ci" : `it with: npm install --save-dev ${name}@${version}`;
  return `The module ${name} is not installed. Install ${way}`;
}
