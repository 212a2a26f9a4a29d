/** The reason why this Node, or the given version, cannot run the project; undefined if it can. */
export function nodeVersionProblem(version?: string): string | undefined;
