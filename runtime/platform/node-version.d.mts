/** One sentence when this Node (or the given version) cannot run the project; undefined when it can. */
export function nodeVersionProblem(version?: string): string | undefined;
