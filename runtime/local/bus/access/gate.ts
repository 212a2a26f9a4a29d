/** Takes tokens of both kinds and says who brings them: the key's holder, or a principal with role assignments. */
import { audiencePath, covers, verifySasToken, type SasKey } from "../amqp/sas.ts";
import { BusError } from "../engine/errors.ts";
import type { AccessList } from "./access-file.ts";
import { isAllowed, type Right } from "./rights.ts";
import type { TokenVerifier } from "./token-verifier.ts";

/** Who brought a token. */
export interface Bearer {
  /** The token's `oid`; the name of the key for a shared access signature. */
  readonly principalId: string;
  /** Epoch milliseconds. A shared access signature is only judged when it arrives. */
  readonly expiresAt: number;
  allows(right: Right, path: string): boolean;
}

export interface BroughtToken {
  readonly kind: "jwt" | "sas";
  readonly token: string;
  /** What it is to open: an address, or a path in the namespace. */
  readonly audience: string;
}

/** @throws BusError `unauthorized`; an error of another kind when the issuer's keys cannot be had. */
export type Gate = (brought: BroughtToken) => Promise<Bearer>;

export interface GateDeps {
  readonly sasKey: SasKey;
  readonly now: () => number;
  /** The access list as it is now. Absent: only shared access signatures are taken. */
  readonly access?: (() => AccessList) | undefined;
  readonly verify: TokenVerifier;
}

export function createGate({ sasKey, now, access, verify }: GateDeps): Gate {
  return async ({ kind, token, audience }) => {
    if (kind === "jwt" && access !== undefined) return bearerOf(await verify(token, access()), access);
    if (!covers(verifySasToken(token, sasKey, now()), audiencePath(audience))) {
      throw new BusError("unauthorized", "Unauthorized access: the token is for another entity.");
    }
    return { principalId: sasKey.name, expiresAt: Infinity, allows: () => true };
  };
}

/** As in Azure, a right that is given counts at once, and one that is taken away counts until the token is renewed. */
function bearerOf(verified: Pick<Bearer, "principalId" | "expiresAt">, access: () => AccessList): Bearer {
  const { assignments } = access();
  return {
    ...verified,
    allows: (right, path) => {
      const question = { principalId: verified.principalId, right, path };
      return isAllowed(assignments, question) || isAllowed(access().assignments, question);
    },
  };
}
