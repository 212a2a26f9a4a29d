/**
 * The OAuth calls for signing in: the issuer's endpoints, a request for a token, a request for a device code.
 * Inputs come from `GET /v1/auth` and are checked by trusted-authority.ts. Errors carry the issuer's text and never a secret.
 */
import { JobServiceError, SilenceError, networkFailed } from "./job-service-error.ts";
import type { CallOptions, Fetch } from "./transport.ts";
import { ownEndpoint, trustedIssuer, type EntraFacts } from "./trusted-authority.ts";

export interface IssuedToken {
  readonly token: string;
  readonly expiresInS: number;
  /** Present if the scopes requested one. */
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
}

export interface DeviceCode {
  /** The code that the user types at `verificationUrl`. */
  readonly userCode: string;
  readonly verificationUrl: string;
  /** The issuer's instructions, with code and address. */
  readonly message: string;
  readonly deviceCode: string;
  readonly intervalS: number;
  readonly expiresInS: number;
}

/** Code of a `SignInFailed` while the user has not entered the device code yet. */
export const STILL_WAITING: ReadonlySet<string> = new Set(["authorization_pending", "slow_down"]);

export interface Issuer {
  /** Address in the browser where a user signs in. */
  authorizationUrl(query: Readonly<Record<string, string>>, options?: CallOptions): Promise<string>;
  requestToken(form: Readonly<Record<string, string>>, options?: CallOptions): Promise<IssuedToken>;
  requestDeviceCode(form: Readonly<Record<string, string>>, options?: CallOptions): Promise<DeviceCode>;
}

export interface IssuerOptions {
  /** The authority that the user named, if it is not Microsoft's and not on this machine. */
  readonly authority?: string | undefined;
}

/** An issuer responds fast. One that sends nothing for this long is unavailable. */
const ANSWER_WITHIN_MS = 10_000;

const limited = (signal: AbortSignal | null | undefined): AbortSignal =>
  AbortSignal.any([...(signal ? [signal] : []), AbortSignal.timeout(ANSWER_WITHIN_MS)]);

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === "TimeoutError";

/** Throws SignInFailed for an authority that must not receive a secret. */
export function createIssuer(facts: EntraFacts, fetch: Fetch, { authority }: IssuerOptions = {}): Issuer {
  const issuer = trustedIssuer(facts, authority);
  const metadataUrl = new URL("v2.0/.well-known/openid-configuration", issuer).href;
  let metadata: Promise<Readonly<Record<string, unknown>>> | undefined;

  async function call(url: string, init: RequestInit): Promise<Readonly<Record<string, unknown>>> {
    let response: Response;
    let body: unknown;
    try {
      // A redirect would pass the secret on.
      response = await fetch(url, { ...init, signal: limited(init.signal), redirect: "error" });
      body = await response.json();
    } catch (error) {
      init.signal?.throwIfAborted();
      throw networkFailed(isTimeout(error) ? new SilenceError(ANSWER_WITHIN_MS) : error, { url });
    }
    const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
    if (!response.ok) throw refusal(response.status, fields);
    return fields;
  }

  const post = async (url: string, form: Readonly<Record<string, string>>, { signal }: CallOptions) =>
    call(url, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(form).toString(),
      ...(signal && { signal }),
    });

  async function endpoint(name: string, { signal }: CallOptions): Promise<string> {
    if (metadata === undefined) {
      metadata = call(metadataUrl, { ...(signal && { signal }) });
      // The next call requests them again.
      metadata.catch(() => (metadata = undefined));
    }
    return ownEndpoint(text(await metadata, name), issuer);
  }

  return {
    async authorizationUrl(query, options = {}) {
      const url = new URL(await endpoint("authorization_endpoint", options));
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      return url.href;
    },
    async requestToken(form, options = {}) {
      const fields = await post(await endpoint("token_endpoint", options), form, options);
      const optional = (name: string): string | undefined =>
        typeof fields[name] === "string" ? fields[name] : undefined;
      return {
        token: text(fields, "access_token"),
        expiresInS: Number(fields["expires_in"]),
        refreshToken: optional("refresh_token"),
        idToken: optional("id_token"),
      };
    },
    async requestDeviceCode(form, options = {}) {
      const fields = await post(await endpoint("device_authorization_endpoint", options), form, options);
      return {
        userCode: text(fields, "user_code"),
        verificationUrl: text(fields, "verification_uri"),
        message: text(fields, "message"),
        deviceCode: text(fields, "device_code"),
        intervalS: Number(fields["interval"] ?? 5),
        expiresInS: Number(fields["expires_in"]),
      };
    },
  };
}

function text(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw new JobServiceError("SignInFailed", `The issuer's response has no ${name}.`);
}

/** `target` is OAuth's own error code. */
function refusal(status: number, { error, error_description: description }: Readonly<Record<string, unknown>>) {
  const code = typeof error === "string" ? error : undefined;
  const why = typeof description === "string" ? description : (code ?? `status ${status}`);
  return new JobServiceError("SignInFailed", `The issuer returned no token: ${why}`, {
    status,
    target: code,
    retryable: status === 429 || status >= 500,
  });
}
