/** The tokens that one connection has put, the rights they give now, and the audit of each answer. */
import { BusError } from "../engine/errors.ts";
import { type Bearer, expiredToken } from "./gate.ts";
import { type Right, entityOf } from "./rights.ts";
import { covers } from "./sas.ts";

export interface ClaimsDeps {
  readonly now: () => number;
  /** Called with every decision, repeated ones too. */
  readonly audit: AuditListener;
  /** The address of the namespace for error messages, such as `sb://127.0.0.1`. */
  readonly namespace: string;
}

export class Claims {
  readonly #deps: ClaimsDeps;
  readonly #bearers = new Map<string, Bearer>();

  constructor(deps: ClaimsDeps) {
    this.#deps = deps;
  }

  /** Replaces an earlier token for the same path (lower case; empty: the whole namespace). */
  put(path: string, bearer: Bearer): void {
    this.#bearers.set(path, bearer);
  }

  /** Removes a token. Links that it opened stay until it would have expired, as when a token is replaced. */
  remove(path: string): void {
    this.#bearers.delete(path);
  }

  /** Whether any token was accepted, whatever its rights. */
  get isProved(): boolean {
    return this.#bearers.size > 0;
  }

  /** Audits that a token was refused. */
  refused(path: string, reason: string): void {
    this.#deps.audit({ principalId: null, entity: entityOf(path), right: null, allowed: false, reason });
  }

  /**
   * @param right undefined: any valid token for the path is enough.
   * @returns until when this is allowed.
   * @throws BusError `unauthorized`
   */
  demand(path: string, right?: Right): number {
    const { now, audit, namespace } = this.#deps;
    const entity = entityOf(path);
    const bearers = [...this.#bearers]
      .filter(([granted]) => covers(granted, path.toLowerCase()))
      .map(([, each]) => each);
    const valid = bearers.filter(({ expiresAt }) => now() < expiresAt);
    const allowed = valid.find((bearer) => right === undefined || bearer.allows(right, path));
    if (allowed !== undefined) {
      if (right !== undefined) audit({ principalId: allowed.principalId, entity, right, allowed: true });
      return allowed.expiresAt;
    }
    const claim = right === undefined ? "Listen" : `${right.charAt(0).toUpperCase()}${right.slice(1)}`;
    const reason = `Unauthorized access. '${claim}' claim(s) are required to perform this operation. Resource: '${namespace}/${entity}'.`;
    const message = valid.length > 0 ? reason : `${reason} ${withoutToken(bearers)}`;
    const principalId = (valid[0] ?? bearers[0])?.principalId ?? null;
    audit({ principalId, entity, right: right ?? null, allowed: false, reason: message });
    throw new BusError("unauthorized", message);
  }
}

function withoutToken(expired: readonly Bearer[]): string {
  const [bearer] = expired;
  return bearer === undefined ? "No token for it has been put to $cbs." : expiredToken(bearer.expiresAt);
}

export interface AccessUse {
  /** Null when the token itself was refused, or there was none. */
  readonly principalId: string | null;
  readonly entity: string;
  /** Null when the request was to put a token for the entity. */
  readonly right: Right | null;
  readonly allowed: boolean;
  /** Why not. */
  readonly reason?: string;
}

export type AuditListener = (use: AccessUse) => void;

/** Passes on an answer only when it is new for this connection, so that load does not make a million entries. */
export function connectionAudit(listener: AuditListener): AuditListener {
  const answers = new Map<string, boolean>();
  return (use) => {
    const key = JSON.stringify([use.principalId, use.entity, use.right]);
    if (answers.get(key) === use.allowed) return;
    answers.set(key, use.allowed);
    listener(use);
  };
}

export interface ClaimWatch {
  readonly claims: Claims;
  readonly path: string;
  readonly right: Right | undefined;
  /** When the token expires that opened the link, in epoch milliseconds. */
  readonly until: number;
  readonly now: () => number;
  /** Called once, with the refusal, when no valid token is left. Azure ends the link then. */
  readonly onLost: (error: unknown) => void;
}

/** The longest that setTimeout takes. The timer is set again for a later instant. */
const LONGEST_TIMEOUT_MS = 2_000_000_000;

/** Watches the token behind an open link. @returns a function that stops the watch. */
export function watchClaim({ claims, path, right, until, now, onLost }: ClaimWatch): () => void {
  let timer: NodeJS.Timeout | undefined;
  const arm = (at: number): void => {
    if (at === Infinity) return;
    timer = setTimeout(() => look(at), Math.min(Math.max(0, Math.ceil(at - now())), LONGEST_TIMEOUT_MS));
  };
  const look = (at: number): void => {
    if (now() < at) {
      arm(at);
      return;
    }
    try {
      arm(claims.demand(path, right));
    } catch (error) {
      onLost(error);
    }
  };
  arm(until);
  return () => clearTimeout(timer);
}
