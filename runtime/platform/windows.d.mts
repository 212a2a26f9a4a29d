/** The message for native Windows; undefined elsewhere. */
export function windowsProblem(platform?: NodeJS.Platform): string | undefined;
