/** What a person can do next with the running system: commands that work as they stand, in another terminal. */

export interface HintFacts {
  readonly apiUrl: string;
  /** The local issuer's certificate; undefined: where the command line looks by itself. */
  readonly caFile: string | undefined;
  readonly tenantName: string;
  /** Whether the sample packages are published. */
  readonly hasSamples: boolean;
}

/** Where `jobyard login --local` looks by itself. */
const DEFAULT_URL = "http://127.0.0.1:7070";

/** Lines of at most 80 characters, unless a path is longer. */
export const hintsFor = ({ apiUrl, caFile, tenantName, hasSamples }: HintFacts): readonly string[] => [
  "Try next, in another terminal:",
  `  npx --no jobyard login --local${apiUrl === DEFAULT_URL ? "" : ` ${apiUrl}`}${caFile === undefined ? "" : " \\"}`,
  ...(caFile === undefined ? [] : [`    --ca-file '${caFile.replaceAll("'", "'\\''")}'`]),
  ...(hasSamples
    ? [
        "  npx --no jobyard submit --type FinancialYearEnd \\",
        `    --package financial-year-end.zip --parameters '{"year":2025}' --wait`,
      ]
    : ["  npx --no jobyard init my-package"]),
  `  npx --no jobyard batches --tenant ${tenantName}`,
  `API and its documents: ${apiUrl}/`,
  "Press Ctrl-C to stop.",
];
