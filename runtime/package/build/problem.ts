/** The problems that an author must fix before a package can be packed, all at once, each with its position. */

export interface SourcePosition {
  /** Relative to the package, with forward slashes. */
  readonly file: string;
  /** Both start at 1. */
  readonly line: number;
  readonly column: number;
}

export interface PackProblem {
  readonly message: string;
  readonly position?: SourcePosition | undefined;
}

export class PackError extends Error {
  override readonly name = "PackError";
  readonly problems: readonly PackProblem[];

  constructor(problems: readonly PackProblem[], options?: { cause?: unknown }) {
    super(problems.map(showProblem).join("\n"), options);
    this.problems = problems;
  }
}

export const packError = (message: string, cause?: unknown): PackError => new PackError([{ message }], { cause });

/** In a form that editors and terminals turn into a link. */
export const showProblem = ({ message, position }: PackProblem): string =>
  position === undefined ? message : `${showPosition(position)}: ${message}`;

export const showPosition = ({ file, line, column }: SourcePosition): string => `${file}:${line}:${column}`;
