/**
 * Tells webhooks that a quota is full: the first time in a day (UTC). The API instance that refuses notes it on the row of the
 * tenant's quotas, and tells at once; the sweeper tells what such an instance has left when it died.
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { EVENT_VERSION } from "../../core/job/events.ts";
import type { Logger } from "../../core/logger.ts";
import type { FullQuota, QuotaStore, TenantQuota } from "../../core/ports/quota-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import { type TellDeps, type Told, createTell } from "./tell.ts";

export interface AnnounceFullDeps extends TellDeps {
  readonly quotas: Pick<QuotaStore, "all" | "get" | "put">;
  readonly log: Logger;
}

/** Neither throws: after an error the next round tells. */
export interface AnnounceFull {
  /** What was noted of one tenant. */
  of(tenantName: string): Promise<void>;
  /** What was noted of any. */
  all(): Promise<void>;
}

/** Each conflict is an API instance that takes jobs of the day. */
const TRIES = 20;

export function createAnnounceFull(deps: AnnounceFullDeps): AnnounceFull {
  const { quotas, log } = deps;
  const { tell } = createTell(deps);

  async function announce({ tenantName, full = [] }: TenantQuota): Promise<void> {
    const unmade = full.filter(({ isMade }) => !isMade);
    if (unmade.length === 0) return;
    for (const one of unmade) await tell(toldOf(tenantName, one));
    await mark(tenantName, unmade);
  }

  /** R51: only what was told. Another quota may have filled meanwhile. */
  async function mark(tenantName: string, told: readonly FullQuota[]): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const current = await quotas.get(tenantName);
      if (current === undefined) return;
      const full = current.value.full?.map((one) => (told.some((other) => isSame(one, other)) ? made(one) : one));
      if (await quotas.put({ ...current.value, full }, current.etag)) return;
    }
  }

  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.warn({ error: messageOf(error) }, "a full quota was not announced; trying again");
    }
  };
  return {
    of: (tenantName) =>
      guarded(async () => {
        const stored = await quotas.get(tenantName);
        if (stored !== undefined) await announce(stored.value);
      }),
    all: () =>
      guarded(async () => {
        for await (const { value } of quotas.all()) await announce(value);
      }),
  };
}

const made = (one: FullQuota): FullQuota => ({ ...one, isMade: true });
const isSame = (a: FullQuota, b: FullQuota): boolean => a.quota === b.quota && a.day === b.day;

const toldOf = (tenantName: string, { quota, day, at, limit, used }: FullQuota): Told => ({
  id: `${tenantName}:full:${quota}:${day}`,
  at,
  message: {
    ...{ version: EVENT_VERSION, eventType: "quotaFull", at: at.toISOString(), tenantName, quota, limit, used },
  },
});

export interface NoteFullDeps {
  readonly quotas: Pick<QuotaStore, "get" | "put">;
  readonly announceFull: Pick<AnnounceFull, "of">;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/** To be called with each refusal. It costs something for the first of a day only. Never throws. */
export type NoteFull = (tenantName: string, full: Pick<FullQuota, "quota" | "limit" | "used">) => Promise<void>;

export function createNoteFull({ quotas, announceFull, now, log }: NoteFullDeps): NoteFull {
  /** The day on which this instance has noted it last. */
  const noted = new Map<string, string>();

  /** Resolves to whether it is on the row, written by this instance or another one. */
  async function note(tenantName: string, fresh: FullQuota): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const current: Stored<TenantQuota> | undefined = await quotas.get(tenantName);
      if (current === undefined) return true;
      const full = current.value.full ?? [];
      if (full.some((one) => isSame(one, fresh))) return true;
      const others = full.filter(({ quota }) => quota !== fresh.quota);
      if (await quotas.put({ ...current.value, full: [...others, fresh] }, current.etag)) return true;
    }
    return false;
  }

  return async (tenantName, { quota, limit, used }) => {
    const at = now();
    const day = at.toISOString().slice(0, 10);
    const key = `${tenantName} ${quota}`;
    if (noted.get(key) === day) return;
    noted.set(key, day);
    try {
      if (!(await note(tenantName, { quota, day, at, limit, used, isMade: false }))) noted.delete(key);
    } catch (error) {
      // The next refusal notes it.
      noted.delete(key);
      log.warn({ tenantName, error: messageOf(error) }, "a full quota was not noted; trying again");
      return;
    }
    void announceFull.of(tenantName);
  };
}
