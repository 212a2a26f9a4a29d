/**
 * Gives tokens of the pool's identity to running jobs, for each claim by a desk of its own. The decision is made twice: before
 * the token is asked for, and again before it is handed over, because a lock can end meanwhile.
 */
import { messageOf } from "../../core/errors.ts";
import { IDENTITY_GRANT_FOR_MS, SETTINGS_KEPT_MAX_COUNT } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { IdentityGrantReader } from "../../core/ports/identity-grant-store.ts";
import type { IssuedToken, JobCredential } from "../../core/ports/job-credential.ts";
import type { Clock } from "../../core/clock.ts";
import { createBriefMemory } from "../settings/brief-memory.ts";
import { type TokenQuestion, decideToken, isFlood } from "./token-decision.ts";

export type TokenAnswer = { readonly issued: IssuedToken } | { readonly refused: string };

/** Asks for one job. Never rejects. */
export type AskToken = (scopes: readonly string[]) => Promise<TokenAnswer>;

export interface TokenClaim {
  readonly tenantName: string;
  /** From the manifest. */
  readonly declared: readonly string[];
  /** Fires when the job's lock is lost, or it is over. */
  readonly lost: AbortSignal;
  readonly log: Logger;
}

export interface TokenBroker {
  open(claim: TokenClaim): AskToken;
}

export interface TokenBrokerDeps {
  /** Undefined: the pool has no identity for jobs. */
  readonly credential: JobCredential | undefined;
  readonly grants: IdentityGrantReader;
  readonly pool: string;
  readonly monotonicNow: Clock["monotonicNow"];
}

const MINUTE_MS = 60_000;

export function createTokenBroker({ credential, grants, pool, monotonicNow }: TokenBrokerDeps): TokenBroker {
  const known = createBriefMemory<readonly string[]>({
    ...{ keptForMs: IDENTITY_GRANT_FOR_MS, maxCount: SETTINGS_KEPT_MAX_COUNT, monotonicNow },
  });

  const grantedTo = (tenantName: string): Promise<readonly string[]> =>
    known.get(tenantName, async () => (await grants.get(tenantName, pool))?.audiences ?? []);

  return {
    open({ tenantName, declared, lost, log }) {
      let waitingCount = 0;
      let asked: readonly number[] = [];

      /** `counts`: as the request came. Later ones must not refuse it. */
      async function answer(
        scopes: readonly string[],
        counts: Pick<TokenQuestion, "waitingCount" | "recentCount">,
      ): Promise<TokenAnswer> {
        const facts = { scopes, declared, hasIdentity: credential !== undefined, ...counts };
        const decide = (granted: TokenQuestion["granted"]) => decideToken({ ...facts, granted, isLost: lost.aborted });
        // Without a lookup first: a flood must not reach the table.
        const likely = decide("all");
        if (!likely.allowed) return { refused: likely.reason };
        const granted = credential?.isDevelopers === true ? "all" : await grantedTo(tenantName);
        const decision = decide(granted);
        if (!decision.allowed || credential === undefined) return { refused: decision.allowed ? "" : decision.reason };
        const issued = await credential.getToken(decision.audience, lost);
        // The lock may have ended while the token was made.
        const still = decide(granted);
        if (!still.allowed) return { refused: still.reason };
        log.info({ tenantName, pool, audience: decision.audience }, "token given to a job");
        return { issued };
      }

      return async (scopes) => {
        const now = monotonicNow();
        asked = asked.filter((at) => now - at < MINUTE_MS);
        const counts = { waitingCount, recentCount: asked.length };
        // Those beyond the limit are not noted: the list stays short.
        const floods = isFlood(counts);
        if (!floods) asked = [...asked, now];
        waitingCount++;
        try {
          const answered = await answer(scopes, counts);
          if ("refused" in answered && !floods) log.warn({ tenantName, reason: answered.refused }, "token refused");
          return answered;
        } catch (error) {
          log.warn({ tenantName, error: messageOf(error) }, "no token for a job");
          return { refused: "The token could not be got now. Try again." };
        } finally {
          waitingCount--;
        }
      };
    },
  };
}
