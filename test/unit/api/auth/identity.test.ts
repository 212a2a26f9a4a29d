import { describe, expect, it } from "vitest";
import { identityOf } from "../../../../runtime/api/auth/identity.ts";
import { UnauthenticatedError } from "../../../../runtime/core/errors.ts";
import { APPLICATION, APPLICATION_CLAIMS, DIRECTORY, USER, userClaims } from "../../../support/identity/test-issuer.ts";

const user = (claims: object = {}): unknown => ({ ...userClaims("issuer"), ...claims });
const application = (claims: object = {}): unknown => user({ ...APPLICATION_CLAIMS, ...claims });

describe("the identity in a token", () => {
  it("of a user", () => {
    expect(identityOf(user({ roles: ["Jobs.Submit", "Payroll.Read", "Jobs.Read"], exp: 1_000 }), DIRECTORY)).toEqual({
      kind: "user",
      principalId: USER,
      name: "ursula@example.org",
      roles: ["Jobs.Read", "Jobs.Submit"],
      directoryId: DIRECTORY,
      expiresAt: 1_000_000,
    });
  });

  it("of an application, with idtyp or without, v2 or v1", () => {
    for (const claims of [{}, { idtyp: "app" }, { azp: undefined, appid: "client", ver: "1.0" }]) {
      expect(identityOf(application(claims), DIRECTORY)).toMatchObject({
        kind: "application",
        principalId: APPLICATION,
      });
    }
  });

  it("has no role where the token has none", () => {
    expect(identityOf(user({ roles: undefined }), DIRECTORY).roles).toEqual([]);
    expect(identityOf(user({ roles: ["jobs.admin", "Jobs.Admin "] }), DIRECTORY).roles).toEqual([]);
  });

  it.each([
    ["a user's token without our scope", user({ scp: "openid profile" })],
    ["a scope that only begins like ours", user({ scp: "access_as_user2" })],
    ["a user's token without any scope", user({ scp: undefined, idtyp: "user" })],
    ["an ID token: no scope, no client, a pairwise subject", user({ scp: undefined, azp: undefined })],
    ["an ID token with a client", user({ scp: undefined })],
    ["an application without a client", application({ azp: undefined })],
    ["an application with a scope", application({ idtyp: "app", scp: "access_as_user" })],
    ["a kind nobody knows", application({ idtyp: "device" })],
    ["another directory", user({ tid: "99999999-1111-4111-8111-111111111111" })],
    ["no directory", user({ tid: undefined })],
    ["no object id", user({ oid: undefined })],
    ["an object id that is no GUID", user({ oid: "grant' or 1 eq 1" })],
    ["roles that are no list", user({ roles: "Jobs.Admin" })],
    ["no end", user({ exp: undefined })],
    ["an end that is no number", user({ exp: "never" })],
    ["no object at all", "text"],
  ])("is refused for %s", { tags: "attack/tokens" }, (_what, payload) => {
    expect(() => identityOf(payload, DIRECTORY)).toThrow(UnauthenticatedError);
  });
});
