/** Plain JavaScript, so that it works when nothing is installed. */

/** One sentence when the error is a module that is not installed, as after `npm ci --omit=dev`; undefined for others. */
export function missingModule(error) {
  if (!/MODULE_NOT_FOUND$/.test(error?.code)) return undefined;
  const [, name] = /Cannot find (?:package|module) '((?:@[^/']+\/)?[^/'.][^/']*)/.exec(error.message) ?? [];
  return name === undefined
    ? undefined
    : `The module ${name} is not installed. What runs on this machine needs all modules: npm ci --include=dev`;
}
