/** Plain JavaScript, because it must work when no module is installed. */

/** One sentence when the error is a module that is not installed; undefined for others. */
export function missingModule(error) {
  if (!/MODULE_NOT_FOUND$/.test(error?.code)) return undefined;
  const [, name] = /Cannot find (?:package|module) '((?:@[^/']+\/)?[^/'.][^/']*)/.exec(error.message) ?? [];
  return name === undefined ? undefined : `The module ${name} is not installed. Install what is missing with: npm ci`;
}
