/** Counts what tenants with such a quota have stored: one tenant at each call, each once an hour. */
import type { CountStored, QuotaStore, TenantQuota } from "../core/ports/quota-store.ts";
import type { Clock } from "../core/clock.ts";

export interface StoredBytesSweepDeps {
  readonly quotas: Pick<QuotaStore, "all" | "get" | "put">;
  readonly countStored: CountStored;
  readonly now: Clock["now"];
}

const COUNT_EVERY_MS = 60 * 60_000;
/** Each conflict is an API instance that takes jobs of the day. */
const TRIES = 20;

export function createStoredBytesSweep({ quotas, countStored, now }: StoredBytesSweepDeps) {
  async function note(tenantName: string, storedNow: number): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const current = await quotas.get(tenantName);
      if (current === undefined) return;
      if (await quotas.put({ ...current.value, storedNow, storedAt: now() }, current.etag)) return;
    }
  }

  /** Throws UnavailableError. */
  return async (): Promise<void> => {
    let next: TenantQuota | undefined;
    for await (const { value } of quotas.all()) {
      if (value.storedBytes === undefined) continue;
      if (next === undefined || timeOf(value) < timeOf(next)) next = value;
    }
    if (next === undefined || now().getTime() - timeOf(next) < COUNT_EVERY_MS) return;
    await note(next.tenantName, await countStored(next.tenantName));
  };
}

const timeOf = ({ storedAt }: TenantQuota): number => storedAt?.getTime() ?? 0;
