/** What a client without any token may ask: where to get one. */
import { authFactsSchema, type AuthFacts } from "../core/auth-facts.ts";
import { operation, type Operation } from "./operation.ts";

export function authOperations(facts: AuthFacts): readonly Operation[] {
  const getAuth = operation({
    id: "getAuth",
    method: "get",
    path: "/v1/auth",
    tag: "Access",
    summary: "Find out how to sign in",
    description:
      "The issuer's metadata lie at `{authority}/{tenantId}/v2.0/.well-known/openid-configuration`. Programs with " +
      "credentials of their own ask there for `applicationScope`, programs that act for a user for `userScope`.",
    needs: "anonymous",
    responses: { 200: { description: "Where tokens come from.", schema: authFactsSchema } },
    errors: [],
    handle: () => Promise.resolve({ status: 200 as const, body: facts }),
  });

  return [getAuth];
}
