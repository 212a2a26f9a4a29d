/** Decides whether a job gets a token. Pure: everything that it depends on is in its argument. */
import { TOKENS_AT_ONCE, TOKENS_PER_MINUTE } from "../../core/limits.ts";
import { audienceOfScope } from "../../core/package/token-audience.ts";

export interface TokenQuestion {
  /** As the job has written them. */
  readonly scopes: readonly string[];
  /** Whether the worker has an identity for jobs. */
  readonly hasIdentity: boolean;
  /** Audiences in the package's manifest. */
  readonly declared: readonly string[];
  /** Audiences that the tenant is granted on this pool. "all": the identity is the developer's own. */
  readonly granted: readonly string[] | "all";
  /** The job has ended, or does not belong to this worker any more. */
  readonly isLost: boolean;
  /** Requests of this job that wait, and those of the last minute; both without this one. */
  readonly waitingCount: number;
  readonly recentCount: number;
}

export type TokenDecision =
  { readonly allowed: true; readonly audience: string } | { readonly allowed: false; readonly reason: string };

/** Whether the job asks too often or too much at a time, whatever it asks for. */
export const isFlood = ({ waitingCount, recentCount }: Pick<TokenQuestion, "waitingCount" | "recentCount">): boolean =>
  waitingCount >= TOKENS_AT_ONCE || recentCount >= TOKENS_PER_MINUTE;

const refused = (reason: string): TokenDecision => ({ allowed: false, reason });

/** Reasons are for the author of the job. They name what was asked for, cut to a line. */
export function decideToken(question: TokenQuestion): TokenDecision {
  const { scopes, hasIdentity, declared, granted, isLost } = question;
  if (isLost) return refused("The job has ended, or was given to another worker.");
  // Before anything that needs a lookup.
  if (isFlood(question)) {
    return refused(`A job can ask ${TOKENS_PER_MINUTE} times a minute, and ${TOKENS_AT_ONCE} times at once.`);
  }
  if (!hasIdentity) return refused("This pool has no identity for jobs (jobIdentity).");
  const [scope, ...others] = scopes;
  if (scope === undefined || others.length > 0) return refused("A token is for exactly one scope.");
  const audience = audienceOfScope(scope);
  if (audience === undefined) return refused(`${shown(scope)} is no scope such as https://vault.azure.net/.default.`);
  if (!declared.includes(audience)) return refused(`The package does not declare ${audience} with defineIdentity.`);
  if (granted !== "all" && !granted.includes(audience)) {
    return refused(`The tenant is not granted ${audience} on this pool (jobyard identities).`);
  }
  return { allowed: true, audience };
}

const SHOWN_MAX_LENGTH = 100;
const shown = (text: string): string => JSON.stringify(text.slice(0, SHOWN_MAX_LENGTH));
