/** Reads the token of a request far enough to know which key it needs, before anything of it is believed. */
import * as z from "zod";
import { UnauthenticatedError } from "../../core/errors.ts";

/** Larger headers than this the server refuses anyway; a token with every role and group of Entra stays below. */
const TOKEN_MAX_LENGTH = 12_000;
const TOKEN_PATTERN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const HEADER = z.looseObject({ alg: z.string(), typ: z.string().optional(), kid: z.string().min(1).max(200) });
/**
 * Parameters that change what the rest of a token means, so that a reader who does not know them must refuse it: `crit` by
 * RFC 7515 section 4.1.11, `b64` by RFC 7797; `zip` and `enc` belong to encrypted tokens. None is known here, and Entra
 * writes none. Keys that a token brings along (`jwk`, `jku`, `x5c`, `x5u`) change nothing: nobody looks at them.
 */
const REFUSED_PARAMETERS = ["crit", "b64", "zip", "enc"];
const PAYLOAD = z.record(z.string(), z.unknown());

export interface BearerToken {
  readonly kid: string;
  readonly alg: string;
  readonly typ: string | undefined;
  /** As it claims, unverified: good for saying what is wrong with it and for nothing else. */
  readonly unverified: Readonly<Record<string, unknown>>;
}

/** Throws UnauthenticatedError for a missing header, another scheme, and what is no signed JWT with a key id. */
export function readBearerToken(authorization: string | undefined): BearerToken {
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
