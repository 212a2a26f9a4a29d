/** What a rehearsal found, for people and for programs. */
import type { Denial } from "./access.ts";
import type { Step, Verdict } from "./step.ts";

export interface UnusedGrant {
  /** Its name in the program. */
  readonly grant: string;
  /** Why nothing needs to have used it; absent: it may be one too many. */
  readonly reason?: string;
}

export interface Report {
  readonly steps: readonly Verdict[];
  readonly failed: number;
  readonly denied: readonly Denial[];
  readonly unusedGrants: readonly UnusedGrant[];
  /** Where this is not as in Azure. */
  readonly differences: readonly string[];
  /** What ran the program. */
  readonly engine: string;
}

/** Grants that a rehearsal does not use, and why they are right all the same. */
const REASONS: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /-publish-telemetry$/, reason: "There is no Application Insights here to publish to." },
];

export function unusedGrants(names: readonly string[], partial: boolean): readonly UnusedGrant[] {
  return names.map((grant) => {
    const reason = REASONS.find(({ pattern }) => pattern.test(grant))?.reason;
    const known = reason ?? (partial ? "Only a part was rehearsed." : undefined);
    return { grant, ...(known !== undefined && { reason: known }) };
  });
}

/** One step, for a terminal. */
export const verdictLines = (
  { name, ok, ms, error }: Verdict,
  { title }: Pick<Step<unknown>, "title">,
): readonly string[] => [
  `${ok ? "✓" : "✗"} ${name.padEnd(9)}${(ms / 1_000).toFixed(1).padStart(7)} s  ${title}`,
  ...(error === undefined ? [] : [`  ${error}`]),
];

/** Lines for a terminal. */
export function reportLines({
  steps,
  failed,
  denied,
  unusedGrants: unused,
  differences,
  engine,
}: Report): readonly string[] {
  const unexplained = unused.filter(({ reason }) => reason === undefined);
  return [
    "",
    `${steps.length - failed} of ${steps.length} steps held; the program was run by: ${engine}.`,
    ...denied.map(({ who, action, resource, count }) => `denied ${count} times: ${who}, ${action} on ${resource}`),
    ...unexplained.map(({ grant }) => `never used: ${grant}`),
    "Not as in Azure:",
    ...differences.map((difference) => `- ${difference}`),
  ];
}

/** Whether everything held, and nothing was denied. */
export const isGood = ({ failed, denied }: Report): boolean => failed === 0 && denied.length === 0;
