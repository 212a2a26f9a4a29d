/** `jobyard grants <tenant>`: who may act for a tenant, and how far; for administrators. */
import { type Command, Option } from "commander";
import { TENANT_ACCESS, type TenantAccess } from "../../core/grants.ts";
import { connect, remoteCommand, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface GrantsOptions extends RemoteOptions {
  readonly grant?: string;
  readonly access: TenantAccess;
  readonly name?: string;
  readonly revoke?: string;
}

export const grantsCommand = (around: Surroundings): Command =>
  remoteCommand("grants", "List who may act for a tenant; grant or revoke it.", [
    "grants acme",
    `grants acme --grant <objectId> --access submit --name "Ada (accounting)"`,
    "grants acme --revoke <objectId>",
  ])
    .argument("<tenant>", "the tenant")
    .option("--grant <objectId>", "of a user or of an application's service principal")
    .addOption(new Option("--access <access>", "each includes those before").choices(TENANT_ACCESS).default("submit"))
    .option("--name <text>", "of whom, for people")
    .option("--revoke <objectId>", "take it away")
    .action(async (tenantName: string, options: GrantsOptions) => {
      const { terminal, signal } = around;
      const { grant, access, name, revoke } = options;
      if (grant !== undefined && name === undefined) throw new UsageError("Say for people whose it is, with --name.");
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
            { ...terminal, empty: "Nobody." },
          ),
        );
      }
    });
