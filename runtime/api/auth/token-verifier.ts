/**
 * Verifies the token of a request with the BearerStrategy of passport-azure-ad. Only this module knows that package, which
 * its owner has archived. docs/security.md shows what another library would look like here.
 *
 * The strategy would fetch metadata and keys itself. Then a broken answer ends the process, an unavailable issuer looks like
 * a wrong token, and a new key is refused for half an hour. So its `loadMetadata` is replaced, the key comes from
 * signing-keys.ts, and the strategy never uses the network.
 */
import type { Request } from "express";
import { Passport } from "passport";
import { BearerStrategy } from "passport-azure-ad";
import * as z from "zod";
import { InvariantError, UnauthenticatedError } from "../../core/errors.ts";
import { type EntraSettings, audiencesOf, issuerOf, metadataUrlOf } from "../../core/http/auth-facts.ts";
import { type Identity, identityOf } from "./identity.ts";
import type { SigningKeys } from "./signing-keys.ts";

/** Throws UnauthenticatedError; UnavailableError when the issuer's keys cannot be fetched. */
export type TokenVerifier = (request: Request) => Promise<Identity>;

export interface TokenVerifierDeps {
  readonly settings: EntraSettings;
  readonly keys: SigningKeys;
}

/** Tolerated difference between the clocks of issuer and API. */
const CLOCK_SKEW_S = 300;
/** The only algorithm that Entra signs with. So neither `none` nor a shared secret is accepted. */
const ALGORITHMS = ["RS256"];
const STRATEGY = "entra";

export function createTokenVerifier({ settings, keys }: TokenVerifierDeps): TokenVerifier {
  const issuers = issuersOf(settings);
  const audiences = audiencesOf(settings);
  // Registered by name: only then does every request get a strategy object of its own.
  const passport = new Passport();
  passport.use(STRATEGY, new KeyedBearerStrategy(keys, { issuers, audiences, settings }));

  return async (request) => {
    const token = readBearerToken(request.headers.authorization);
    // The library also accepts lists. But a token with several audiences can be used by the other audiences.
    const { iss, aud } = token.unverified;
    if (typeof iss !== "string" || typeof aud !== "string") throw refusal(token, { issuers, audiences });
    const claims = await new Promise<unknown>((resolve, reject) => {
      const decide = (error: unknown, payload: unknown): void => {
        if (error !== null && error !== undefined) reject(asError(error));
        else if (payload === false) reject(refusal(token, { issuers, audiences }));
        else resolve(payload);
      };
      const handler = passport.authenticate(STRATEGY, { session: false }, decide) as PassportHandler;
      handler(request, undefined, reject);
    });
    return identityOf(claims, settings.tenantId);
  };
}

/** With a callback for the result, passport's handler does not touch the response. */
type PassportHandler = (request: Request, response: undefined, next: (error: Error) => void) => void;

const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new InvariantError("The token library failed.", { cause: thrown });

/** v2 tokens name the authority. v1 tokens, which a registration without a version gets, name this service. */
const issuersOf = (settings: EntraSettings): readonly string[] => [
  issuerOf(settings),
  `https://sts.windows.net/${settings.tenantId}/`,
];

interface Expected {
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
}

/** What passport adds to a strategy object for each request. */
interface PassportActions {
  fail(challenge: string): void;
  error(error: unknown): void;
}

/** The part of the metadata that the strategy reads. */
interface Metadata {
  readonly oidc: { readonly issuer: string; readonly algorithms: readonly string[] };
  generateOidcPEM(): string;
}

/**
 * Finds the key before the strategy starts. Its fields are not private: passport gives every request an object with this
 * one as prototype, and private fields do not work through a prototype.
 */
class KeyedBearerStrategy extends BearerStrategy {
  readonly keys: SigningKeys;
  readonly issuers: readonly string[];
  pem = "";

  constructor(keys: SigningKeys, { issuers, audiences, settings }: Expected & { settings: EntraSettings }) {
    super(
      {
        identityMetadata: metadataUrlOf(settings),
        clientID: settings.clientId,
        audience: [...audiences],
        issuer: [...issuers],
        validateIssuer: true,
        allowMultiAudiencesInToken: false,
        clockSkew: CLOCK_SKEW_S,
        loggingLevel: "error",
        loggingNoPII: true,
      },
      (payload, done) => done(null, payload),
    );
    this.keys = keys;
    this.issuers = issuers;
  }

  override authenticate(request: Request): void {
    const actions = this as unknown as PassportActions;
    const { authorization } = request.headers;
    this.keys
      .find(readBearerToken(authorization).kid)
      .then((pem) => {
        if (pem === undefined) {
          actions.fail("unknown key");
          return;
        }
        this.pem = pem;
        // Only the header: the strategy would also accept tokens from query and body.
        super.authenticate({ headers: { authorization } } as unknown as Request);
      })
      .catch((error: unknown) => actions.error(error));
  }

  /** Called by the strategy in place of its own. */
  loadMetadata(_where: unknown, next: (error: null, metadata: Metadata) => void): void {
    const { pem } = this;
    next(null, { oidc: { issuer: this.issuers[0] ?? "", algorithms: ALGORITHMS }, generateOidcPEM: () => pem });
  }
}

/** Why a token was refused, as far as its unverified content shows. For its sender. */
function refusal({ alg, typ, unverified }: BearerToken, { issuers, audiences }: Expected): UnauthenticatedError {
  const { exp, nbf, iss, aud } = unverified;
  const nowS = Date.now() / 1_000;
  const isAmong = (value: unknown, expected: readonly string[]): boolean =>
    typeof value === "string" && expected.includes(value);
  if (!ALGORITHMS.includes(alg) || typ !== "JWT")
    return new UnauthenticatedError("The token must be a JWT signed with RS256.");
  if (!isAmong(iss, issuers))
    return new UnauthenticatedError(`The token is from another issuer than ${issuers.join(", ")}.`);
  if (!isAmong(aud, audiences))
    return new UnauthenticatedError(`The token is for another audience than ${audiences.join(", ")}.`);
  if (typeof exp === "number" && exp + CLOCK_SKEW_S <= nowS) return new UnauthenticatedError("The token has expired.");
  if (typeof nbf === "number" && nbf - CLOCK_SKEW_S > nowS)
    return new UnauthenticatedError("The token is not valid yet.");
  return new UnauthenticatedError("The token is not signed with a key of its issuer.");
}

// --- Reading a token, unverified, to find the key it needs -----------------------------------------------------------

/** The server refuses larger headers anyway. A token with every role and group of Entra is smaller. */
const TOKEN_MAX_LENGTH = 12_000;
const TOKEN_PATTERN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const HEADER = z.looseObject({ alg: z.string(), typ: z.string().optional(), kid: z.string().min(1).max(200) });
/**
 * Parameters that change the meaning of a token, so that a reader who does not support them must refuse it: `crit` by RFC 7515
 * section 4.1.11, `b64` by RFC 7797; `zip` and `enc` belong to encrypted tokens. Entra writes none of them. Keys inside a
 * token (`jwk`, `jku`, `x5c`, `x5u`) are ignored.
 */
const REFUSED_PARAMETERS = ["crit", "b64", "zip", "enc"];
const PAYLOAD = z.record(z.string(), z.unknown());

export interface BearerToken {
  readonly kid: string;
  readonly alg: string;
  readonly typ: string | undefined;
  /** Unverified content. Use it for error messages only. */
  readonly unverified: Readonly<Record<string, unknown>>;
}

/** Throws UnauthenticatedError for a missing header, another scheme, and anything but a signed JWT with a key id. */
function readBearerToken(authorization: string | undefined): BearerToken {
  if (authorization === undefined) throw new UnauthenticatedError("Send an access token: Authorization: Bearer ….");
  const [scheme = "", token = "", ...more] = authorization.split(" ");
  if (scheme.toLowerCase() !== "bearer" || more.length > 0) {
    throw new UnauthenticatedError("The Authorization header must be Bearer, a space, and an access token.");
  }
  if (token.length > TOKEN_MAX_LENGTH || !TOKEN_PATTERN.test(token)) throw malformed();
  const [header, payload] = token.split(".").slice(0, 2).map(jsonOf);
  const parsedHeader = HEADER.safeParse(header);
  const parsedPayload = PAYLOAD.safeParse(payload);
  if (!parsedHeader.success || !parsedPayload.success) throw malformed();
  const refused = REFUSED_PARAMETERS.find((name) => Object.hasOwn(parsedHeader.data, name));
  if (refused !== undefined) throw new UnauthenticatedError(`The access token's header must not have ${refused}.`);
  const { kid, alg, typ } = parsedHeader.data;
  return { kid, alg, typ, unverified: parsedPayload.data };
}

const malformed = (): UnauthenticatedError =>
  new UnauthenticatedError("The access token is not a signed JSON Web Token with a key id.");

function jsonOf(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    return undefined;
  }
}
