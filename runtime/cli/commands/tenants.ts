/** `jobyard tenants` and `jobyard grants`: manage tenants and the access to them, for administrators. */
import type { TenantAccess } from "../../core/http/access.ts";
import { LONG, type RemoteOptions, connect, firstOf, show, showInstant } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface TenantsOptions extends RemoteOptions {
  readonly create?: string;
  readonly weigh?: string;
  readonly weight?: number;
  readonly delete?: string;
}

/** Lists, creates, weighs or deletes tenants. */
export async function tenants(options: TenantsOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const { create, weigh, weight, delete: gone } = options;
  if ([create, weigh, gone].filter((given) => given !== undefined).length > 1) {
    throw new UsageError("--create, --weigh and --delete exclude each other.");
  }
  if ((weigh === undefined) !== (weight === undefined)) throw new UsageError("Use --weigh and --weight together.");
  const { monitoring, management } = await connect(options, around, LONG);
  if (create !== undefined) {
    const tenant = await management.createTenant(create, { signal });
    show(terminal, options, tenant, () => `The tenant ${create} exists.`);
  } else if (weigh !== undefined && weight !== undefined) {
    const tenant = await management.putWeight(weigh, weight, { signal });
    show(terminal, options, tenant, () => `The tenant ${weigh} has the weight ${weight}.`);
  } else if (gone !== undefined) {
    await management.deleteTenant(gone, { signal });
    show(terminal, options, { deleted: gone }, () => `Deleted ${gone}.`);
  } else {
    const items = await firstOf(monitoring.getTenants({ signal }), Infinity);
    show(terminal, options, { items }, () =>
      table(
        ["tenant", "weight", "created", "by"],
        items.map((one) => [one.tenantName, String(one.weight), showInstant(one.createdAt), one.createdBy]),
        { ...terminal, empty: "No tenants." },
      ),
    );
  }
}

interface GrantsOptions extends RemoteOptions {
  readonly grant?: string;
  readonly access: TenantAccess;
  readonly name?: string;
  readonly revoke?: string;
}

/** Lists or changes the grants of a tenant. */
export async function grants(options: GrantsOptions, around: Surroundings, tenantName: string): Promise<void> {
  const { terminal, signal } = around;
  const { grant, access, name, revoke } = options;
  if (grant !== undefined && name === undefined) throw new UsageError("Add a name for people with --name.");
  const { monitoring, management } = await connect(options, around);
  if (grant !== undefined) {
    const made = await management.putGrant(tenantName, grant, { access, name: name ?? "" }, { signal });
    show(terminal, options, made, () => `${made.name} may ${made.access} for ${tenantName}.`);
  } else if (revoke !== undefined) {
    await management.deleteGrant(tenantName, revoke, { signal });
    show(terminal, options, { revoked: revoke }, () => `Revoked ${revoke}.`);
  } else {
    const items = await monitoring.getGrants(tenantName, { signal });
    show(terminal, options, { items }, () =>
      table(
        [{ title: "who", shortens: true }, "access", "object id", "granted", "by"],
        items.map((one) => [one.name, one.access, one.principalId, showInstant(one.grantedAt), one.grantedBy]),
        { ...terminal, empty: "No grants." },
      ),
    );
  }
}
