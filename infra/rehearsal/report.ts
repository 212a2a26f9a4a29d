/** The results of a rehearsal, for people and for programs. */
import type { Denial } from "./cloud/access.ts";
import type { Step, Verdict } from "./steps/step.ts";

export interface UnusedGrant {
  /** Its name in the program. */
  readonly grant: string;
  /** Why no request needs it. Absent: it may be unnecessary. */
  readonly reason?: string;
}

export interface Report {
  readonly steps: readonly Verdict[];
  readonly failed: number;
  readonly denied: readonly Denial[];
  readonly unusedGrants: readonly UnusedGrant[];
  /** Differences from Azure. */
  readonly differences: readonly string[];
  /** The engine that ran the program. */
  readonly engine: string;
}

/** Grants that a rehearsal does not use although they are correct, with the reason. */
const REASONS: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /-(?:set|read)-secrets$/, reason: "The rehearsal has no Key Vault." },
];

export function unusedGrants(names: readonly string[], partial: boolean): readonly UnusedGrant[] {
  return names.map((grant) => {
    const reason = REASONS.find(({ pattern }) => pattern.test(grant))?.reason;
    const known = reason ?? (partial ? "The rehearsal ran only some steps." : undefined);
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
    `${steps.length - failed} of ${steps.length} steps passed. Engine: ${engine}.`,
    ...denied.map(({ who, action, resource, count }) => `denied ${count} times: ${who}, ${action} on ${resource}`),
    ...unexplained.map(({ grant }) => `never used: ${grant}`),
    "Differences from Azure:",
    ...differences.map((difference) => `- ${difference}`),
  ];
}

/** Whether every step passed and no request was denied. */
export const isGood = ({ failed, denied }: Report): boolean => failed === 0 && denied.length === 0;
