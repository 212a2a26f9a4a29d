/** `jobyard quotas`: shows the quotas of a tenant, or changes those that are named. */
import type { QuotaView } from "../../client/index.ts";
import { type RemoteOptions, connect, show, showBytes, showInstant } from "../command.ts";
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
  const { monitoring, management } = await connect(options, around);
  const current = await monitoring.getQuotas(tenantName, { signal });
  if (!isSet && none !== true) {
    show(terminal, options, current, () => describeQuotas(current));
    return;
  }
  const wanted = {
    ...(none === true ? {} : limitsOf(current)),
    ...(jobsPerDay !== undefined && { jobsPerDay }),
    ...(storedBytes !== undefined && { storedBytes }),
    ...(runningAtOnce !== undefined && { runningAtOnce }),
  };
  const view = await management.putQuotas(tenantName, wanted, { signal });
  show(terminal, options, view, () => describeQuotas(view));
}

const limitsOf = ({ jobsPerDay, storedBytes, runningAtOnce }: QuotaView) => ({
  ...(jobsPerDay && { jobsPerDay: jobsPerDay.limit }),
  ...(storedBytes && { storedBytes: storedBytes.limit }),
  ...(runningAtOnce && { runningAtOnce: runningAtOnce.limit }),
});

export function describeQuotas({ tenantName, jobsPerDay, storedBytes, runningAtOnce }: QuotaView): string {
  if (jobsPerDay === undefined && storedBytes === undefined && runningAtOnce === undefined)
    return `${tenantName} has no quotas.`;
  const lines = [`Quotas of ${tenantName}`];
  if (runningAtOnce !== undefined) lines.push(`  running at once  ${runningAtOnce.used} of ${runningAtOnce.limit}`);
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
