/** One sentence when the error is a module that is not installed, as after `npm ci --omit=dev`; undefined for others. */
export function missingModule(error: unknown): string | undefined;
