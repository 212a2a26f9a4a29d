/**
 * Sign-ins under way, and those that can be renewed. In memory: after a restart of the issuer users sign in again, while
 * access tokens they have stay valid.
 */
import { randomInt } from "node:crypto";
import type { LocalUser } from "./principals.ts";
import { createOneTimeCodes, type OneTimeCodes } from "./one-time-codes.ts";

/** A user who chose to sign in to a client's page. */
export interface Authorization {
  readonly user: LocalUser;
  readonly clientId: string;
  readonly redirectUri: string;
  /** The S256 challenge the client must know the answer to. */
  readonly codeChallenge: string;
  readonly scopes: readonly string[];
  readonly nonce: string | undefined;
}

/** A device that waits for a user to sign in somewhere else. */
export interface DeviceRequest {
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly userCode: string;
  /** Set as soon as somebody has signed in. */
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
  /** By device code. */
  readonly devices: OneTimeCodes<DeviceRequest>;
  /** The same requests by the code the user types. */
  readonly devicesByUserCode: OneTimeCodes<DeviceRequest>;
}

const AUTHORIZATION_LIFE_MS = 5 * 60_000;
export const DEVICE_LIFE_MS = 15 * 60_000;
const RENEWAL_LIFE_MS = 24 * 60 * 60_000;

export const createSignIns = (now: () => number): SignIns => ({
  authorizations: createOneTimeCodes({ lifeMs: AUTHORIZATION_LIFE_MS, now }),
  renewals: createOneTimeCodes({ lifeMs: RENEWAL_LIFE_MS, now }),
  devices: createOneTimeCodes({ lifeMs: DEVICE_LIFE_MS, now }),
  devicesByUserCode: createOneTimeCodes({ lifeMs: DEVICE_LIFE_MS, now }),
});

/** Letters nobody mistakes for others. */
const USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_LENGTH = 9;

/** What a person types on another screen. */
export const newUserCode = (): string =>
  Array.from({ length: USER_CODE_LENGTH }, () => USER_CODE_LETTERS.charAt(randomInt(USER_CODE_LETTERS.length))).join(
    "",
  );
