/** Removes what a tenant has beside its jobs, and what a later tenant of the same name must not get. Can be repeated. */
import type { ErasedThing } from "../../core/job/erasure.ts";
import { tenantOfPause } from "../../core/http/pause-api.ts";
import { PAGE_SIZE_MAX } from "../../core/limits.ts";
import type { IdentityGrantStore } from "../../core/ports/identity-grant-store.ts";
import type { PauseStore } from "../../core/ports/pause-store.ts";
import type { QuotaStore } from "../../core/ports/quota-store.ts";
import type { RetentionStore } from "../../core/ports/retention-store.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import type { WebhookStore } from "../../core/ports/webhook-store.ts";
import type { SettingCommands } from "../setting-commands.ts";

export interface RemoveTenantDeps {
  readonly webhooks: Pick<WebhookStore, "of" | "remove">;
  readonly settingCommands: Pick<SettingCommands, "removeTenant">;
  readonly identityGrants: Pick<IdentityGrantStore, "of" | "remove">;
  readonly pauses: Pick<PauseStore, "list" | "remove" | "removeRunningLimit">;
  readonly quotas: Pick<QuotaStore, "remove">;
  readonly retentions: Pick<RetentionStore, "remove">;
  readonly tenants: Pick<TenantStore, "listGrants" | "removeGrant">;
}

type Removed = Readonly<Pick<Record<ErasedThing, number>, "webhooks" | "settings" | "identityGrants" | "pauses">>;

/** Its webhooks, settings with their secrets, identities, pauses, quotas and retention. Resolves to how many there were. */
export async function removeBelongings(tenantName: string, by: string, deps: RemoveTenantDeps): Promise<Removed> {
  const { webhooks, settingCommands, identityGrants, pauses, quotas, retentions } = deps;
  const hooks = await webhooks.of(tenantName);
  for (const { webhookName } of hooks) await webhooks.remove(tenantName, webhookName);
  const settings = await settingCommands.removeTenant(tenantName, by);
  const identities = await identityGrants.of(tenantName);
  for (const { pool } of identities) await identityGrants.remove(tenantName, pool);
  const paused = (await pauses.list(() => undefined)).pauses.filter(
    // The erasing of the tenant must go on.
    ({ subject }) => subject.kind !== "erasure" && tenantOfPause(subject) === tenantName,
  );
  for (const { subject } of paused) await pauses.remove(subject);
  await quotas.remove(tenantName);
  await pauses.removeRunningLimit(tenantName);
  await retentions.remove(tenantName);
  return { webhooks: hooks.length, settings, identityGrants: identities.length, pauses: paused.length };
}

/** Resolves to their number. */
export async function removeGrants(
  tenantName: string,
  { tenants }: Pick<RemoveTenantDeps, "tenants">,
): Promise<number> {
  let count = 0;
  let continuationToken: string | undefined;
  do {
    const page = await tenants.listGrants(tenantName, { pageSize: PAGE_SIZE_MAX, continuationToken });
    for (const { principalId } of page.items) await tenants.removeGrant(tenantName, principalId);
    count += page.items.length;
    ({ continuationToken } = page);
  } while (continuationToken !== undefined);
  return count;
}
