/** Quotas of tenants in requests and answers of the web API. */
import * as z from "zod";
import { CONCURRENCY_MAX, QUOTA_MAX } from "../limits.ts";
import type { TenantQuota } from "../ports/quota-store.ts";
import type { Frozen } from "./views.ts";

const limit = z.int().min(0).max(QUOTA_MAX);

export const putQuotasSchema = z
  .strictObject({
    jobsPerDay: limit
      .optional()
      .meta({ description: "Jobs that may be submitted in a day (UTC). Default: any number." }),
    storedBytes: limit.optional().meta({
      description: "Bytes of packages, inputs, logs and artifacts. Default: any number.",
    }),
    runningAtOnce: z.int().min(1).max(CONCURRENCY_MAX).optional().meta({
      description: "Jobs that may run at once, over all workers. Others wait. Default: any number.",
    }),
  })
  .meta({ id: "PutQuotas", description: "Replaces the quotas of the tenant. One that is not given does not exist." });

export const quotaViewSchema = z
  .object({
    tenantName: z.string(),
    jobsPerDay: z
      .object({
        limit: z.int(),
        used: z.int().meta({
          description:
            "Taken by API instances today, which may not have submitted up to a hundredth of the limit each.",
        }),
        until: z.iso.datetime().meta({ description: "When the day ends." }),
      })
      .optional(),
    storedBytes: z
      .object({
        limit: z.int(),
        used: z.int().optional().meta({ description: "As counted last. Absent: not yet." }),
        countedAt: z.iso.datetime().optional(),
      })
      .optional(),
    runningAtOnce: z
      .object({ limit: z.int(), used: z.int().meta({ description: "Jobs that run, some seconds late." }) })
      .optional(),
  })
  .meta({ id: "Quotas", description: "What a tenant may use, and has used." });

export type PutQuotasBody = Readonly<z.input<typeof putQuotasSchema>>;
export type QuotaView = Frozen<z.infer<typeof quotaViewSchema>>;

const DAY_MS = 24 * 60 * 60_000;

export interface Quotas {
  readonly tenantName: string;
  readonly quota: TenantQuota | undefined;
  readonly runningAtOnce: QuotaView["runningAtOnce"];
}

export function quotaView({ tenantName, quota, runningAtOnce }: Quotas, now: Date): QuotaView {
  const running = runningAtOnce === undefined ? {} : { runningAtOnce };
  if (quota === undefined) return { tenantName, ...running };
  const { jobsPerDay, storedBytes, storedNow, storedAt } = quota;
  const until = new Date((Math.floor(now.getTime() / DAY_MS) + 1) * DAY_MS);
  const isToday = quota.day === now.toISOString().slice(0, 10);
  return {
    tenantName,
    ...running,
    ...(jobsPerDay !== undefined && {
      jobsPerDay: { limit: jobsPerDay, used: isToday ? quota.jobsTaken : 0, until: until.toISOString() },
    }),
    ...(storedBytes !== undefined && {
      storedBytes: {
        limit: storedBytes,
        ...(storedNow !== undefined && { used: storedNow }),
        ...(storedAt && { countedAt: storedAt.toISOString() }),
      },
    }),
  };
}
