/** `jobyard quotas`: shows or sets the quotas of a tenant. */
import type { QuotaView } from "../../client/index.ts";
import { type RemoteOptions, connect, show, showBytes, showInstant } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import type { Surroundings } from "../terminal.ts";

interface QuotasOptions extends RemoteOptions {
  readonly jobsPerDay?: number;
  readonly storedBytes?: number;
  readonly runningAtOnce?: number;
  readonly none?: true;
}

export async function quotas(options: QuotasOptions, around: Surroundings, tenantName: string): Promise<void> {
  const { terminal, signal } = around;
  const { jobsPerDay, storedBytes, runningAtOnce, none } = options;
  const isSet = jobsPerDay !== undefined || storedBytes !== undefined || runningAtOnce !== undefined;
  if (none === true && isSet) throw new UsageError("--none removes all quotas. Leave out the others.");
  const { monitoring, management } = await connect(options, around);
  if (!isSet && none !== true) {
    const view = await monitoring.getQuotas(tenantName, { signal });
    show(terminal, options, view, () => describeQuotas(view));
    return;
  }
  const wanted = {
    ...(jobsPerDay !== undefined && { jobsPerDay }),
    ...(storedBytes !== undefined && { storedBytes }),
    ...(runningAtOnce !== undefined && { runningAtOnce }),
  };
  const view = await management.putQuotas(tenantName, wanted, { signal });
  show(terminal, options, view, () => describeQuotas(view));
}

export function describeQuotas({ tenantName, jobsPerDay, storedBytes, runningAtOnce }: QuotaView): string {
  if (jobsPerDay === undefined && storedBytes === undefined && runningAtOnce === undefined)
    return `${tenantName} has no quotas.`;
  const lines = [`Quotas of ${tenantName}`];
  if (runningAtOnce !== undefined) lines.push(`  running at once  at most ${runningAtOnce.limit}`);
  if (jobsPerDay !== undefined) {
    lines.push(
      `  jobs a day       ${jobsPerDay.used} of ${jobsPerDay.limit}, until ${showInstant(jobsPerDay.until)} UTC`,
    );
  }
  if (storedBytes !== undefined) {
    const { used, limit, countedAt } = storedBytes;
    const known = used === undefined ? "not counted yet" : `${showBytes(used)}, counted ${showInstant(countedAt)} UTC`;
    lines.push(`  stored           ${known}; at most ${showBytes(limit)}`);
  }
  return lines.join("\n");
}
