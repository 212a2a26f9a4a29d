/** `jobyard identities`: which pools' identities a tenant's jobs may use, and for which services of Azure. */
import { connect, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface IdentitiesOptions extends RemoteOptions {
  readonly grant?: string;
  readonly audiences?: string;
  readonly revoke?: string;
}

/** Lists the grants of a tenant; grants or revokes one. */
export async function identities(options: IdentitiesOptions, around: Surroundings, tenantName: string): Promise<void> {
  const { terminal, signal } = around;
  const { grant, audiences, revoke } = options;
  if (grant !== undefined && revoke !== undefined) throw new UsageError("--grant and --revoke exclude each other.");
  if ((grant === undefined) !== (audiences === undefined)) {
    throw new UsageError("Use --grant <pool> and --audiences <list> together.");
  }
  const { monitoring, management } = await connect(options, around);
  if (grant !== undefined) {
    const list = (audiences ?? "").split(",").map((audience) => audience.trim());
    const made = await management.putIdentityGrant(tenantName, grant, { audiences: list }, { signal });
    show(
      terminal,
      options,
      made,
      () => `Jobs of ${tenantName} on pool ${made.pool} get tokens for ${made.audiences.join(", ")}.`,
    );
  } else if (revoke !== undefined) {
    await management.deleteIdentityGrant(tenantName, revoke, { signal });
    show(terminal, options, { revoked: revoke }, () => `Jobs of ${tenantName} on pool ${revoke} get no more tokens.`);
  } else {
    const items = await monitoring.getIdentityGrants(tenantName, { signal });
    show(terminal, options, { items }, () =>
      table(
        ["pool", { title: "audiences", shortens: true }, "granted", "by"],
        items.map((one) => [one.pool, one.audiences.join(", "), showInstant(one.grantedAt), one.grantedBy]),
        { ...terminal, empty: "No grants." },
      ),
    );
  }
}
