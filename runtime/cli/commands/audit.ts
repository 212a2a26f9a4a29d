/** `jobyard audit`: who changed what through the API. */
import type { AuditEntryView } from "../../client/index.ts";
import { type RemoteOptions, connect, firstOf, show, showInstant, tenantOf } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { sinceOf } from "../since.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface AuditOptions extends RemoteOptions {
  readonly tenant?: string;
  readonly system?: true;
  readonly since?: string;
  readonly actor?: string;
  readonly operation?: string;
  readonly limit: number;
}

export async function audit(options: AuditOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const { tenant, system, actor, operation, limit } = options;
  if (system === true && tenant !== undefined) throw new UsageError("--tenant and --system exclude each other.");
  const since = options.since === undefined ? undefined : sinceOf(options.since, new Date());
  const client = await connect(options, around);
  const filter = { since, actor, operation, pageSize: Math.min(limit, 1_000), signal };
  const found =
    system === true
      ? client.monitoring.getSystemAudit(filter)
      : client.monitoring.getAudit(await tenantOf(client, tenant, around), filter);
  const items = await firstOf(found, limit);
  show(terminal, options, { items }, () =>
    table(
      ["at", "operation", "outcome", { title: "who", shortens: true }, "from", { title: "what", shortens: true }],
      items.map((one) => [
        showInstant(one.at),
        one.operation,
        one.code ?? one.outcome,
        one.actor,
        one.from ?? "-",
        whatOf(one),
      ]),
      { ...terminal, empty: "No changes." },
    ),
  );
}

/** `package mail.zip: version 1 → 2, secret true` */
function whatOf({ subject, before = {}, after = {} }: AuditEntryView): string {
  const what = Object.entries(subject).map(([name, value]) => `${name} ${value}`);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changes = names.map((name) => {
    const [old, fresh] = [before[name], after[name]];
    if (old === fresh || old === undefined) return `${name} ${fresh}`;
    return `${name} ${old} → ${fresh ?? "-"}`;
  });
  return [what.join(", "), ...(changes.length > 0 ? [changes.join(", ")] : [])].join(": ");
}
