import { describe, expect, it } from "vitest";
import { TOKENS_AT_ONCE, TOKENS_PER_MINUTE } from "../../../../runtime/core/limits.ts";
import { decideToken, type TokenQuestion } from "../../../../runtime/worker/identity/token-decision.ts";

const VAULT = "https://vault.azure.net";
const FINE: TokenQuestion = {
  ...{ scopes: [`${VAULT}/.default`], hasIdentity: true, declared: [VAULT], granted: [VAULT], isLost: false },
  ...{ waitingCount: TOKENS_AT_ONCE - 1, recentCount: TOKENS_PER_MINUTE - 1 },
};

describe("decideToken", { tags: "attack/jobs" }, () => {
  it.each<[string, Partial<TokenQuestion>, string]>([
    ["a declared and granted audience", {}, VAULT],
    ["a scope whose service has a slash in its address", { scopes: [`${VAULT}//.default`] }, VAULT],
    ["a declared audience of a developer, without a grant", { granted: "all" }, VAULT],
  ])("allows %s", (_, change, audience) => {
    expect(decideToken({ ...FINE, ...change })).toEqual({ allowed: true, audience });
  });

  it.each<[string, Partial<TokenQuestion>, string]>([
    ["a job that has lost its lock", { isLost: true, granted: "all" }, "given to another worker"],
    ["a pool without an identity", { hasIdentity: false }, "has no identity"],
    ["an audience that is not declared", { scopes: ["https://management.azure.com/.default"] }, "does not declare"],
    ["an audience that is not declared, of a developer", { declared: [], granted: "all" }, "does not declare"],
    ["an audience that is not granted", { granted: ["https://management.azure.com"] }, "is not granted"],
    ["a tenant without a grant", { granted: [] }, "is not granted"],
    ["two scopes", { scopes: [`${VAULT}/.default`, `${VAULT}/.default`] }, "exactly one scope"],
    ["no scope", { scopes: [] }, "exactly one scope"],
    ["a single permission", { scopes: [`${VAULT}/user_impersonation`] }, "is no scope such as"],
    ["an audience that begins like a granted one", { scopes: [`${VAULT}.evil.com/.default`] }, "does not declare"],
    ["an audience below a granted one", { scopes: [`${VAULT}/keys/.default`] }, "does not declare"],
    ["another spelling of a granted one", { scopes: ["HTTPS://vault.azure.net/.default"] }, "is no scope such as"],
    ["a line break behind the scope", { scopes: [`${VAULT}/.default\n`] }, "is no scope such as"],
    ["as many waiting requests as may wait", { waitingCount: TOKENS_AT_ONCE }, "times at once"],
    ["as many requests in a minute as may be made", { recentCount: TOKENS_PER_MINUTE }, "times a minute"],
  ])("refuses %s", (_, change, reason) => {
    const decision = decideToken({ ...FINE, ...change });
    expect(decision).toMatchObject({ allowed: false });
    expect((decision as { reason: string }).reason).toContain(reason);
  });
});
