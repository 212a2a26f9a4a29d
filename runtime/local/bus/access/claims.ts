/** What the client at one connection has proved, and what that lets it do now. */
import { covers } from "../amqp/sas.ts";
import { BusError } from "../engine/errors.ts";
import type { AuditListener } from "./audit.ts";
import type { Bearer } from "./gate.ts";
import { entityOf, type Right } from "./rights.ts";
import { expiredToken } from "./token-verifier.ts";

export interface ClaimsDeps {
  readonly now: () => number;
  /** Told of every decision, of the same ones over and over too. */
  readonly audit: AuditListener;
  /** The address of the namespace in refusals, such as `sb://127.0.0.1`. */
  readonly namespace: string;
}

export class Claims {
  readonly #deps: ClaimsDeps;
  readonly #bearers = new Map<string, Bearer>();

  constructor(deps: ClaimsDeps) {
    this.#deps = deps;
  }

  /** Takes the place of an earlier token for the same path (lower case; empty: the whole namespace). */
  put(path: string, bearer: Bearer): void {
    this.#bearers.set(path, bearer);
  }

  /** Takes a token back. Links it has opened stay until its time, as when a token is replaced. */
  remove(path: string): void {
    this.#bearers.delete(path);
  }

  /** Whether any token was accepted; what it opens is another question. */
  get isProved(): boolean {
    return this.#bearers.size > 0;
  }

  /** Says that a token was refused. */
  refused(path: string, reason: string): void {
    this.#deps.audit({ principalId: null, entity: entityOf(path), right: null, allowed: false, reason });
  }

  /**
   * @param right undefined: any valid token for the path will do.
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
