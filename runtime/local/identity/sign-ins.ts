/**
 * Pending sign-ins, and sign-ins that can be renewed. In memory: after a restart of the issuer users sign in again, but
 * their access tokens stay valid.
 */
import { randomBytes, randomInt } from "node:crypto";
import type { LocalUser } from "./principals.ts";

/** A user who chose to sign in to a client's page. */
export interface Authorization {
  readonly user: LocalUser;
  readonly clientId: string;
  readonly redirectUri: string;
  /** The S256 challenge. The client must send its verifier. */
  readonly codeChallenge: string;
  readonly scopes: readonly string[];
  readonly nonce: string | undefined;
}

/** A device that waits for a user to sign in on another screen. */
export interface DeviceRequest {
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly userCode: string;
  /** Set when a user has signed in. */
  user: LocalUser | undefined;
}

export interface Renewal {
  readonly user: LocalUser;
  readonly clientId: string;
  readonly scopes: readonly string[];
}

export interface SignIns {
  readonly authorizations: OneTimeCodes<Authorization>;
  readonly renewals: OneTimeCodes<Renewal>;
  /** Requests by device code. */
  readonly devices: OneTimeCodes<DeviceRequest>;
  /** The same requests by user code. */
  readonly devicesByUserCode: OneTimeCodes<DeviceRequest>;
}

const AUTHORIZATION_LIFE_MS = 5 * 60_000;
export const DEVICE_LIFE_MS = 15 * 60_000;
const RENEWAL_LIFE_MS = 24 * 60 * 60_000;

export const createSignIns = (nowMs: () => number): SignIns => ({
  authorizations: createOneTimeCodes({ lifeMs: AUTHORIZATION_LIFE_MS, nowMs }),
  renewals: createOneTimeCodes({ lifeMs: RENEWAL_LIFE_MS, nowMs }),
  devices: createOneTimeCodes({ lifeMs: DEVICE_LIFE_MS, nowMs }),
  devicesByUserCode: createOneTimeCodes({ lifeMs: DEVICE_LIFE_MS, nowMs }),
});

/** Letters that are not easily confused. */
const USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_LENGTH = 9;

/** The code that a user types on another screen. */
export const newUserCode = (): string =>
  Array.from({ length: USER_CODE_LENGTH }, () => USER_CODE_LETTERS.charAt(randomInt(USER_CODE_LETTERS.length))).join(
    "",
  );

/** Unguessable texts with a value and a time limit: codes and refresh tokens. */
export interface OneTimeCodes<T> {
  /** Default code: 256 random bits. */
  issue(value: T, code?: string): string;
  peek(code: string): T | undefined;
  /** Returns the value and deletes the code. */
  take(code: string): T | undefined;
}

export interface OneTimeCodesOptions {
  readonly lifeMs: number;
  readonly nowMs: () => number;
}

/** Maximum number. The oldest one is deleted for a new one. */
const CODES_MAX = 1_000;

function createOneTimeCodes<T>({ lifeMs, nowMs }: OneTimeCodesOptions): OneTimeCodes<T> {
  const codes = new Map<string, { readonly value: T; readonly endsAt: number }>();

  function peek(code: string): T | undefined {
    const entry = codes.get(code);
    return entry !== undefined && nowMs() < entry.endsAt ? entry.value : undefined;
  }

  return {
    issue(value, code = randomBytes(32).toString("base64url")) {
      const [oldest] = codes.keys();
      if (codes.size >= CODES_MAX && oldest !== undefined) codes.delete(oldest);
      codes.set(code, { value, endsAt: nowMs() + lifeMs });
      return code;
    },
    peek,
    take(code) {
      const value = peek(code);
      codes.delete(code);
      return value;
    },
  };
}
