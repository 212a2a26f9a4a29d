/** `jobyard tenants`: lists, creates and deletes tenants, for administrators. */
import { connect, firstOf, LONG, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface TenantsOptions extends RemoteOptions {
  readonly create?: string;
  readonly delete?: string;
}

export async function tenants(options: TenantsOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const { create, delete: gone } = options;
  if (create !== undefined && gone !== undefined) throw new UsageError("--create and --delete exclude each other.");
  const { monitoring, management } = await connect(options, around, LONG);
  if (create !== undefined) {
    const tenant = await management.createTenant(create, { signal });
    show(terminal, options, tenant, () => `There is a tenant ${create}.`);
  } else if (gone !== undefined) {
    await management.deleteTenant(gone, { signal });
    show(terminal, options, { deleted: gone }, () => `Deleted ${gone}.`);
  } else {
    const items = await firstOf(monitoring.getTenants({ signal }), Infinity);
    show(terminal, options, { items }, () =>
      table(
        ["tenant", "created", "by"],
        items.map(({ tenantName, createdAt, createdBy }) => [tenantName, showInstant(createdAt), createdBy]),
        { ...terminal, empty: "No tenants." },
      ),
    );
  }
}
