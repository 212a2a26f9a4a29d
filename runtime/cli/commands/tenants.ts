/** `jobyard tenants`: lists, creates and deletes tenants, for administrators. */
import type { Command } from "commander";
import { connect, firstOf, remoteCommand, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface TenantsOptions extends RemoteOptions {
  readonly create?: string;
  readonly delete?: string;
}

export const tenantsCommand = (around: Surroundings): Command =>
  remoteCommand("tenants", "List the tenants, for administrators; create or delete one.", [
    "tenants",
    "tenants --create acme",
    "tenants --delete acme            # its jobs stay",
  ])
    .option("--create <name>", "create it, if need be")
    .option("--delete <name>", "delete it with its grants")
    .action(async (options: TenantsOptions) => {
      const { terminal, signal } = around;
      const { create, delete: gone } = options;
      if (create !== undefined && gone !== undefined) throw new UsageError("--create and --delete exclude each other.");
      const { monitoring, management } = await connect(options, around);
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
    });
