/** For each operation on timers, and on the batch of one, requests for the statuses that depend on what it does. */
import { newTimerRun } from "../../../runtime/core/timer/timer.ts";
import { timerOf } from "../builders.ts";
import { claimAndEnd } from "../stores/row-moves.ts";
import type { TestApi } from "./test-api.ts";
import { testPackage } from "../packages/test-package.ts";
import { freshTenant } from "../stores/test-storage.ts";
import { get, JSON_TYPE, post } from "./wire.ts";

interface KnownTimer {
  readonly tenantName: string;
  readonly path: string;
}

const PACKAGE = testPackage({ jobs: { Echo: "return {};", Other: "return {};" } });
const NO_TIMER = "/v1/tenants/acme/timers/echo.zip/Nobody";
const KEY = { "idempotency-key": "once" };

export function timerDrivers(api: TestApi) {
  /** Of a package that is there. */
  async function knownTimer(tenantName = freshTenant(), timerName = "Echo"): Promise<KnownTimer> {
    await api.put(`/v1/tenants/${tenantName}/packages/echo.zip`, PACKAGE);
    await api.timers.write(timerOf({ tenantName, packageName: "echo.zip", timerName }), undefined);
    return { tenantName, path: `/v1/tenants/${tenantName}/timers/echo.zip/${timerName}` };
  }

  /** One that has run, and is missed and skipped and waited for. */
  async function timerThatRuns(): Promise<KnownTimer> {
    const timer = await knownTimer();
    const { jobId, batchId } = (await api.post(`${timer.path}/run`)).body;
    await claimAndEnd(api.jobs, jobId, "failed");
    const at = new Date();
    const times = { coveredUpTo: at, lastScheduledAt: at, lastSkippedAt: at, lastMissedAt: at };
    const counts = { fence: 3, skippedCount: 1, missedCount: 2, waitingJobIds: ["another"] };
    await api.timers.writeRun({ ...newTimerRun(batchId), ...times, ...counts, currentJobId: jobId }, undefined);
    return timer;
  }

  async function timerBatch(): Promise<string> {
    const { path } = await knownTimer();
    return (await api.post(`${path}/run`)).body.batchId;
  }

  async function ranOnce(): Promise<KnownTimer> {
    const timer = await knownTimer();
    await api.post(`${timer.path}/run`, {}, { ...JSON_TYPE, ...KEY });
    return timer;
  }

  return {
    closeTimerBatch: async () => post(`/v1/batches/${await timerBatch()}/close`),
    cancelTimerBatch: async () => post(`/v1/batches/${await timerBatch()}/cancel`),
    operations: {
      listTimers: {
        200: async () => {
          const { tenantName } = await timerThatRuns();
          await knownTimer(tenantName, "Other");
          return get(`/v1/tenants/${tenantName}/timers?pageSize=1`);
        },
      },
      getTimer: {
        200: async () => get((await timerThatRuns()).path),
        404: () => get(NO_TIMER),
      },
      listTimerOccurrences: {
        200: async () => get(`${(await knownTimer()).path}/next?count=3`),
        404: () => get(`${NO_TIMER}/next`),
      },
      pauseTimer: {
        200: async () => post(`${(await knownTimer()).path}/pause`),
        404: () => post(`${NO_TIMER}/pause`),
      },
      resumeTimer: {
        200: async () => {
          const { path } = await knownTimer();
          await api.post(`${path}/pause`);
          return post(`${path}/resume`);
        },
        404: () => post(`${NO_TIMER}/resume`),
      },
      setTimerSchedule: {
        200: async () => ({ ...post(`${(await knownTimer()).path}/schedule`, { cron: "0 0 3 * * *" }), method: "PUT" }),
        404: () => ({ ...post(`${NO_TIMER}/schedule`, { cron: "00:10:00" }), method: "PUT" }),
      },
      resetTimerSchedule: {
        200: async () => {
          const { path } = await knownTimer();
          await api.put(`${path}/schedule`, { cron: "0 0 3 * * *" });
          return { method: "DELETE", path: `${path}/schedule` };
        },
        404: () => ({ method: "DELETE", path: `${NO_TIMER}/schedule` }),
      },
      runTimer: {
        200: async () => post(`${(await ranOnce()).path}/run`, {}, KEY),
        201: async () => post(`${(await knownTimer()).path}/run`),
        404: () => post(`${NO_TIMER}/run`),
        409: async () => {
          const { tenantName } = await ranOnce();
          return post(`${(await knownTimer(tenantName, "Other")).path}/run`, {}, KEY);
        },
      },
    },
  };
}
