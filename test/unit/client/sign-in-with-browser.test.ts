/** The authorization code flow, with an issuer that returns every kind of wrong response. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { signInWithBrowser, type BrowserSignIn, type Fetch } from "../../../runtime/client/index.ts";
import { factsOf } from "../../support/identity/entra-service.ts";

const AUTHORITY = "https://login.microsoftonline.com";
const REDIRECT = "http://localhost:4711";
const facts = factsOf(AUTHORITY);

const idToken = (claims: object): string => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;

interface Lab {
  readonly metadata?: Readonly<Record<string, string>>;
  /** The parameters of the redirect, from the query. */
  readonly answer?: (query: URLSearchParams) => Record<string, string>;
  readonly idToken?: (query: URLSearchParams) => string | undefined;
}

/** Signs in. Returns the forms that the token endpoint received and the query that the browser was sent with. */
async function signIn({ metadata, answer, idToken: issue }: Lab = {}) {
  let query = new URLSearchParams();
  const forms: URLSearchParams[] = [];
  const fetch: Fetch = (input, init) => {
    const url = input;
    if (url.includes("openid-configuration")) {
      const own = { authorization_endpoint: `${AUTHORITY}/authorize`, token_endpoint: `${AUTHORITY}/token` };
      return Promise.resolve(Response.json({ ...own, ...metadata }));
    }
    forms.push(new URLSearchParams(typeof init?.body === "string" ? init.body : ""));
    const id_token = issue === undefined ? idToken({ nonce: query.get("nonce") }) : issue(query);
    return Promise.resolve(
      Response.json({ access_token: "token", refresh_token: "refresh", expires_in: 60, id_token }),
    );
  };
  const browse = ({ url, state }: BrowserSignIn): Promise<URLSearchParams> => {
    query = new URL(url).searchParams;
    return Promise.resolve(new URLSearchParams(answer?.(query) ?? { code: "the-code", state }));
  };
  const token = await signInWithBrowser(facts, { redirectUri: REDIRECT, browse }, fetch).catch(
    (error: unknown) => error,
  );
  return { token, forms, query };
}
const stateOf = (query: URLSearchParams): { state: string } => ({ state: query.get("state") ?? "" });

describe("signing in with a browser", { tags: "attack/addresses" }, () => {
  it("sends a challenge with the browser and its verifier with the code", async () => {
    const { token, forms, query } = await signIn();
    expect(token).toMatchObject({ token: "token", refreshToken: "refresh" });
    expect(Object.fromEntries(query)).toMatchObject({
      client_id: facts.publicClientId,
      response_type: "code",
      redirect_uri: REDIRECT,
      scope: `${facts.userScope} openid offline_access profile`,
      code_challenge_method: "S256",
    });
    expect(forms).toHaveLength(1);
    const form = Object.fromEntries(forms[0]!);
    expect(form).toMatchObject({ grant_type: "authorization_code", code: "the-code", redirect_uri: REDIRECT });
    const verifier = form["code_verifier"] ?? "";
    expect(verifier).toMatch(/^[\w-]{43}$/);
    expect(createHash("sha256").update(verifier).digest("base64url")).toBe(query.get("code_challenge"));
    expect(query.toString()).not.toContain(verifier);
  });

  it("uses a new state, nonce and verifier each time", async () => {
    const [one, two] = [await signIn(), await signIn()];
    for (const name of ["state", "nonce", "code_challenge"]) expect(one.query.get(name)).not.toBe(two.query.get(name));
  });

  it.each<[string, NonNullable<Lab["answer"]>, RegExp]>([
    ["to another sign-in", () => ({ code: "x", state: "other" }), /another sign-in/],
    ["without a state", () => ({ code: "x" }), /another sign-in/],
    ["without a code", (query) => stateOf(query), /no code/],
    ["with the user's refusal", (query) => ({ ...stateOf(query), error: "access_denied" }), /access_denied/],
    [
      "with the issuer's reason",
      (query) => ({ ...stateOf(query), error: "x", error_description: "AADSTS50105: not assigned" }),
      /AADSTS50105/,
    ],
  ])("refuses a response %s, and requests no token", async (_what, answer, message) => {
    const { token, forms } = await signIn({ answer });
    expect(token).toMatchObject({ code: "SignInFailed", message: expect.stringMatching(message) as string });
    expect(forms).toEqual([]);
  });

  it.each<[string, NonNullable<Lab["idToken"]>]>([
    ["another nonce", () => idToken({ nonce: "other" })],
    ["no nonce", () => idToken({})],
    ["no claims", () => "nonsense"],
    ["no id token at all", () => undefined],
  ])("refuses a token with %s", async (_what, issue) => {
    const { token } = await signIn({ idToken: issue });
    expect(token).toMatchObject({
      code: "SignInFailed",
      message: expect.stringContaining("another sign-in") as string,
    });
  });

  it("sends the browser only to the issuer's own address", async () => {
    const { token, query } = await signIn({ metadata: { authorization_endpoint: "https://evil.example/authorize" } });
    expect(token).toMatchObject({ code: "SignInFailed" });
    expect(query.size).toBe(0);
  });
});
