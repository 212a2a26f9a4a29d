/** Operations on the quotas of a tenant: show, set. */
import { NotFoundError, UnavailableError } from "../../core/errors.ts";
import { putQuotasSchema, quotaView, type QuotaView, quotaViewSchema } from "../../core/http/quota-api.ts";
import { tenantParams } from "../../core/http/tenant-api.ts";
import type { JobIndex } from "../../core/ports/job-index.ts";
import type { PauseStore } from "../../core/ports/pause-store.ts";
import type { QuotaStore, TenantQuota } from "../../core/ports/quota-store.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import type { Clock } from "../../core/clock.ts";
import { type Operation, operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";

export interface ReadQuotaDeps {
  readonly quotas: Pick<QuotaStore, "get">;
  readonly pauseBoard: Pick<PauseBoard, "current">;
  readonly index: Pick<JobIndex, "read">;
  readonly now: Clock["now"];
}

export interface QuotaOperationDeps extends ReadQuotaDeps {
  readonly quotas: Pick<QuotaStore, "get" | "put">;
  readonly tenants: Pick<TenantStore, "get">;
  /** Where workers find how many jobs may run at once. */
  readonly pauses: Pick<PauseStore, "putRunningLimit" | "removeRunningLimit">;
  readonly pauseBoard: Pick<PauseBoard, "current" | "refresh">;
  /** What this instance knows of the tenant's quotas. */
  readonly forget: (tenantName: string) => void;
}

const PATH = "/v1/tenants/{tenantName}/quotas";
/** Each conflict is an API instance that takes jobs of the day. */
const CHANGE_TRIES = 50;

export const quotaOperations = (deps: QuotaOperationDeps): readonly Operation[] => [getQuotas(deps), putQuotas(deps)];

/** What a tenant may use, and has used. Throws UnavailableError. */
export async function readQuotas(tenantName: string, deps: ReadQuotaDeps): Promise<QuotaView> {
  const limit = deps.pauseBoard.current().runningLimitOf(tenantName);
  const [stored, runningAtOnce] = await Promise.all([
    deps.quotas.get(tenantName),
    limit === undefined ? undefined : runningOf(tenantName, limit, deps),
  ]);
  return quotaView({ tenantName, quota: stored?.value, runningAtOnce }, deps.now());
}

/** One page of the index. Jobs that ran before the tenant had the quota can be more: then it is shown as full. */
async function runningOf(tenantName: string, limit: number, { index }: Pick<ReadQuotaDeps, "index">) {
  return { limit, used: (await index.read({ tenantName, state: "running" }, { limit })).length };
}

const getQuotas = (deps: QuotaOperationDeps) =>
  operation({
    id: "getQuotas",
    method: "get",
    path: PATH,
    tag: "Access",
    summary: "Show the quotas of a tenant and what it has used",
    needs: "read",
    params: tenantParams,
    responses: { 200: { description: "Quotas that do not exist are left out.", schema: quotaViewSchema } },
    errors: ["TenantNotFound"],
    async handle({ caller, params: { tenantName } }) {
      if (!caller.mayUse(tenantName)) throw noSuchTenant(tenantName);
      return { status: 200, body: await readQuotas(tenantName, deps) };
    },
  });

const putQuotas = ({ quotas, tenants, pauses, pauseBoard, index, forget, now }: QuotaOperationDeps) =>
  operation({
    id: "putQuotas",
    method: "put",
    path: PATH,
    tag: "Access",
    summary: "Set the quotas of a tenant",
    description: "Replaces them. What was used today stays counted. Takes effect on every instance within 10 seconds.",
    needs: "operate",
    params: tenantParams,
    body: jsonBody(putQuotasSchema),
    responses: { 200: { description: "The quotas.", schema: quotaViewSchema } },
    errors: ["TenantNotFound"],
    async handle({ caller, params: { tenantName }, body, changed }) {
      if ((await tenants.get(tenantName)) === undefined) throw noSuchTenant(tenantName);
      const { jobsPerDay, storedBytes, runningAtOnce } = body;
      const runningBefore = pauseBoard.current().runningLimitOf(tenantName);
      for (let tries = 0; tries < CHANGE_TRIES; tries++) {
        const stored = await quotas.get(tenantName);
        const before: TenantQuota = stored?.value ?? { ...UNUSED, tenantName, setAt: now(), setBy: caller.name };
        const quota = { ...before, jobsPerDay, storedBytes, setAt: now(), setBy: caller.name };
        if (!(await quotas.put(quota, stored?.etag))) continue;
        forget(tenantName);
        if (runningAtOnce === undefined) await pauses.removeRunningLimit(tenantName);
        else await pauses.putRunningLimit({ tenantName, max: runningAtOnce, setAt: now(), setBy: caller.name });
        await pauseBoard.refresh();
        changed({
          before: { jobsPerDay: before.jobsPerDay, storedBytes: before.storedBytes, runningAtOnce: runningBefore },
          after: { jobsPerDay, storedBytes, runningAtOnce },
        });
        const running = runningAtOnce === undefined ? undefined : await runningOf(tenantName, runningAtOnce, { index });
        return { status: 200, body: quotaView({ tenantName, quota, runningAtOnce: running }, now()) };
      }
      throw new UnavailableError("StorageUnavailable", "The quotas changed during every attempt. Retry later.");
    },
  });

const UNUSED = {
  ...{ jobsPerDay: undefined, storedBytes: undefined, day: "", jobsTaken: 0 },
  ...{ storedNow: undefined, storedAt: undefined },
};

const noSuchTenant = (tenantName: string): NotFoundError =>
  new NotFoundError("TenantNotFound", `There is no tenant ${tenantName} for this caller.`);
