/** Plain JavaScript, because it must work when no module is installed. */

/** One sentence if the error is a missing module, as after `npm ci --omit=dev`; undefined for other errors. */
export function missingModule(error) {
  if (!/MODULE_NOT_FOUND$/.test(error?.code)) return undefined;
  const [, name] = /Cannot find (?:package|module) '((?:@[^/']+\/)?[^/'.][^/']*)/.exec(error.message) ?? [];
  return name === undefined
    ? undefined
    : `The module ${name} is not installed. Programs on this machine need all modules. Run: npm ci --include=dev`;
}
