/** `jobyard grants <tenant>`: who may act for a tenant, and how far; for administrators. */
import type { TenantAccess } from "../../core/grants.ts";
import { connect, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface GrantsOptions extends RemoteOptions {
  readonly grant?: string;
  readonly access: TenantAccess;
  readonly name?: string;
  readonly revoke?: string;
}

export async function grants(options: GrantsOptions, around: Surroundings, tenantName: string): Promise<void> {
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
}
