/** Audiences of tokens: which services of Azure a job may call, and how a client of Azure's SDK names them. */
import { z } from "zod";
import { TOKEN_AUDIENCE_MAX_LENGTH, TOKEN_AUDIENCES_MAX_COUNT } from "../limits.ts";

/** `https://management.azure.com`, `https://storage.azure.com`, `api://…`, or an application's id. Without a slash or `/.default` at its end. */
export const TOKEN_AUDIENCE_PATTERN = new RegExp(
  `^(?=.{1,${TOKEN_AUDIENCE_MAX_LENGTH}}$)(?!.*/\\.default$)(?:(?:https|api)://[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9._-]+)*|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$`,
);
const RULE = "an audience such as https://management.azure.com, without a slash at its end";

const audience = z.string(`expected ${RULE}`).regex(TOKEN_AUDIENCE_PATTERN, `expected ${RULE}`);

export const tokenAudiences = z
  .array(audience, "expected a list of audiences")
  .max(TOKEN_AUDIENCES_MAX_COUNT, `expected at most ${TOKEN_AUDIENCES_MAX_COUNT} audiences`)
  .refine((all) => new Set(all).size === all.length, "expected audiences that differ");

const DEFAULT_SCOPE = "/.default";

/**
 * The audience of a scope as Azure's SDKs write it: `https://vault.azure.net/.default`. Undefined for any other scope: a
 * managed identity has no single permissions.
 */
export function audienceOfScope(scope: string): string | undefined {
  if (!scope.endsWith(DEFAULT_SCOPE)) return undefined;
  // Some services write their own address with a slash, and get two.
  const named = scope.slice(0, -DEFAULT_SCOPE.length).replace(/\/$/, "");
  return TOKEN_AUDIENCE_PATTERN.test(named) ? named : undefined;
}
