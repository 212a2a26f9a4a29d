/** The erasing of a tenant: what is left, what is refused meanwhile, and what becomes of it when its process dies. */
import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { createEraseStep, type EraseStepDeps } from "../../../runtime/api/erase/erase-step.ts";
import { createSettingCommands } from "../../../runtime/api/setting-commands.ts";
import { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { ErasureView } from "../../../runtime/core/http/erasure-api.ts";
import { ERASURE_SETTLES_MS } from "../../../runtime/core/limits.ts";
import { startPauseBoard } from "../../../runtime/lifecycle/pause-board.ts";
import { composeTimers } from "../../../runtime/main/compose-api.ts";
import { startApiWithQueue } from "../../support/api/api-with-queue.ts";
import { artifactContent } from "../../support/api/artifact-content.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { actionOf, deliveryOf } from "../../support/builders.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { eventually } from "../../support/eventually.ts";
import { silentEvents, silentLog, silentUnreadable } from "../../support/silent.ts";
import type { TableName } from "../../support/stores/memory-stores.ts";
import { claimAndEnd, claimRow, endRow } from "../../support/stores/row-moves.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const world = await startApiWithQueue();
afterAll(() => world[Symbol.asyncDispose]());
const { api } = world;
const { stores } = api;

/** How much later it is for those who erase. */
let aheadMs = 0;
const now = (): Date => new Date(Date.now() + aheadMs);

/** The step of one more process. It reads pauses itself. */
async function instance(options: Partial<EraseStepDeps> = {}) {
  const pauseBoard = startPauseBoard({ pauses: stores.pauses, unreadable: silentUnreadable, log: silentLog });
  await pauseBoard.ready;
  pauseBoard.stop();
  const clock = { now, trustedNow: now, monotonicNow: () => performance.now() };
  const { registration: timerRegistration } = composeTimers({
    ...{ stores, subscriptions: undefined, pools: ["default"], events: silentEvents, clock, log: silentLog },
    outbox: {
      send: () => Promise.resolve(),
      assertReady: () => undefined,
      waitingCount: 0,
      close: () => Promise.resolve(),
    },
    onChange: () => undefined,
  });
  const settingCommands = createSettingCommands({ ...stores, now, log: silentLog });
  const shared = {
    ...stores,
    settingCommands,
    timerRegistration,
    events: silentEvents,
    pauseBoard,
    now,
    log: silentLog,
  };
  return createEraseStep({ ...shared, ...options });
}

/** Steps until the end. It waits for nothing: time passes at once. */
async function erased(tenantName: string): Promise<ErasureView> {
  for (let steps = 0; steps < 200; steps++) {
    const step = await instance();
    if (!(await step(tenantName))) aheadMs += ERASURE_SETTLES_MS;
    const report = await view(tenantName);
    if (report.state === "done" && !(await isHeld(tenantName))) return report;
  }
  throw new Error(`The erasing does not end: ${JSON.stringify(await view(tenantName))}`);
}

const pathOf = (tenantName: string): string => `/v1/tenants/${tenantName}/erasure`;
const view = async (tenantName: string) => (await api.get(pathOf(tenantName))).body as unknown as ErasureView;
const begin = (tenantName: string) => api.post(pathOf(tenantName), { confirm: tenantName });
const isHeld = async (tenantName: string): Promise<boolean> =>
  (await stores.pauses.list()).pauses.some(
    ({ subject }) => subject.kind === "erasure" && subject.tenantName === tenantName,
  );

const TIMER = { timerName: "Nightly", cron: "0 0 3 * * *" };

/** Something of everything that a tenant can have. The jobs have ended. */
async function fill(tenantName: string) {
  const tenant = `/v1/tenants/${tenantName}`;
  await api.put(tenant);
  await api.put(`${tenant}/grants/${randomUUID()}`, { access: "manage", name: "Ada" });
  await api.put(`${tenant}/identities/default`, { audiences: ["https://vault.azure.net"] });
  await api.put(`${tenant}/quotas`, { jobsPerDay: 100 });
  const days = { rowDays: 30, logDays: 7, fileDays: 0 };
  await api.put(`${tenant}/retention`, { succeeded: days, failed: days, canceled: days, deadLetterDays: 7 });
  await api.put(`${tenant}/packages/echo.zip/settings/API_KEY`, { value: "geheim", secret: true });
  await api.put(`${tenant}/types/Echo/pause`, { reason: "Later." });
  await api.put(`${tenant}/webhooks/billing`, { url: "https://hooks.example.com/jobyard" });
  const zip = testPackage({ jobs: { Echo: "return {};", Nightly: "return {};" }, timers: [TIMER] });
  await api.put(`${tenant}/packages/echo.zip`, zip);
  const webhook = (await stores.webhooks.get(tenantName, "billing"))!.value;
  await stores.deliveries.add(deliveryOf(webhook, { nextTryAt: new Date("9999-01-01T00:00:00Z") }));
  const jobs: string[] = [];
  for (const more of [{ clientJobId: "order-7", tags: ["a"] }, { unique: { key: "customer-7" } }]) {
    jobs.push((await api.post("/v1/jobs", { ...jobRequestOf(tenantName), ...more })).body.jobId);
  }
  const [succeeded = "", failed = ""] = jobs;
  await claimRow(stores.jobs, succeeded);
  const claimId = (await stores.jobs.get(succeeded))!.value.claim!.id;
  await stores.files.putArtifact(succeeded, claimId, "report.txt", artifactContent("a report"));
  await stores.files.appendLog(succeeded, claimId, Buffer.from("one\n"));
  await stores.files.putParameters(succeeded, "{}");
  await endRow(stores.jobs, succeeded, "succeeded");
  await claimAndEnd(stores.jobs, failed, "failed");
  const { batchId } = (await stores.jobs.get(failed))!.value;
  await stores.waiting.note("jobs-default-normal", batchId);
  await stores.actions.start(actionOf({ tenantName }));
  await stores.rows.merge("gates", { partitionKey: `${tenantName}.0f0f`, rowKey: "head" }, { key: "customer-7" });
  return { succeeded, claimId };
}

type Filled = Awaited<ReturnType<typeof fill>>;

/** Rows that name the tenant in a key, and blobs. The audit stays, and the report. */
async function leftOf(tenantName: string, { succeeded, claimId }: Filled): Promise<readonly string[]> {
  const named = new RegExp(`(^|[.!~])${tenantName}($|[.])`);
  const left: string[] = [];
  for (const table of Object.keys(TABLES) as TableName[]) {
    for (const { partitionKey, rowKey } of await stores.rows.all(table)) {
      const place = [partitionKey, rowKey].map(String);
      const stays = table === "audit" || (table === "tenants" && place[0] === "erasure");
      if (!stays && place.some((key) => named.test(key))) left.push(`${table} ${place.join(" ")}`);
    }
  }
  if ((await stores.packages.get(tenantName, "echo.zip")) !== undefined) left.push("package");
  if ((await stores.files.getParameters(succeeded)) !== undefined) left.push("parameters");
  if ((await stores.files.openLog(succeeded, claimId)) !== undefined) left.push("log");
  if ((await stores.files.listArtifacts(succeeded, claimId)).length > 0) left.push("artifacts");
  return left.toSorted();
}

const submitTo = (tenantName: string) => api.post("/v1/jobs", jobRequestOf(tenantName));

describe("erasing a tenant", () => {
  it("removes everything that is the tenant's and nothing of tenants whose names begin with its name", async () => {
    const tenantName = freshTenant();
    const names = [tenantName, `${tenantName}-eu`, `${tenantName}0`];
    const filled = new Map<string, Filled>();
    for (const name of names) filled.set(name, await fill(name));
    const secretId = (await stores.settings.of(tenantName, "echo.zip"))[0]!.secretId!;
    const before = await Promise.all(names.map((name) => leftOf(name, filled.get(name)!)));
    // What is of every kind before is missed afterwards.
    const tables = new Set(before[0]!.map((place) => place.split(" ")[0]));
    expect([...tables].toSorted()).toEqual(
      [
        ...Object.keys(TABLES).filter((name) => !["audit", "workers"].includes(name)),
        "package",
        "parameters",
        "log",
        "artifacts",
      ].toSorted(),
    );

    expect((await begin(tenantName)).status).toBe(202);
    const report = await erased(tenantName);
    const after = await Promise.all(names.map((name) => leftOf(name, filled.get(name)!)));
    expect(after).toEqual([[], ...before.slice(1)]);
    expect(await stores.secrets.get(secretId)).toBeUndefined();
    expect(report).toMatchObject({
      ...{ tenantName, state: "done", startedBy: "local", canceled: 0, open: 0 },
      removed: {
        jobs: 2,
        batches: 1,
        files: 3,
        packages: 1,
        settings: 1,
        identityGrants: 1,
        pauses: 1,
        grants: 1,
        notes: 1,
      },
    });
    const { items } = (await api.get(`/v1/tenants/${tenantName}/audit?operation=startErasure`)).body;
    expect(items).toMatchObject([{ outcome: "done", operation: "startErasure" }]);

    // The name is free again, as soon as the API has read the pauses.
    await eventually(async () => expect((await api.put(`/v1/tenants/${tenantName}`)).status).toBe(200));
    expect((await submitTo(tenantName)).status).toBe(201);
  });

  it("waits for running jobs, cancels those that wait, and accepts nothing meanwhile", async () => {
    const tenantName = freshTenant();
    const other = `${tenantName}-eu`;
    const jobs = [await submitTo(tenantName), await submitTo(tenantName), await submitTo(other)].map(
      ({ body }) => body,
    );
    await claimRow(stores.jobs, jobs[1]!.jobId);
    expect((await begin(tenantName)).status).toBe(202);
    const step = await instance();
    aheadMs += 2 * ERASURE_SETTLES_MS;
    while (await step(tenantName));
    expect(await view(tenantName)).toMatchObject({ state: "stopping", canceled: 1, open: 1 });
    expect((await stores.jobs.get(jobs[0]!.jobId))?.value.state).toBe("canceled");
    expect((await stores.jobs.get(jobs[1]!.jobId))?.value).toMatchObject({ state: "running", cancelWanted: true });
    expect((await stores.jobs.get(jobs[2]!.jobId))?.value.state).toBe("queued");

    const refused = [
      await submitTo(tenantName),
      await api.post("/v1/jobs", { ...jobRequestOf(tenantName), batchId: jobs[0]!.batchId }),
      await api.post("/v1/batches", { tenantName, batchName: "A batch" }),
      await api.put(`/v1/tenants/${tenantName}/packages/echo.zip`, testPackage({ jobs: { Echo: "return {};" } })),
      await api.put(`/v1/tenants/${tenantName}`),
    ];
    expect(refused.map(({ status, body }) => [status, body.error.code])).toEqual(
      refused.map(() => [409, "TenantErasing"]),
    );
    const bulk = await api.post("/v1/jobs/bulk", { jobs: [jobRequestOf(tenantName), jobRequestOf(other)] });
    expect(bulk.body.results.map(({ error }) => error?.code)).toEqual(["TenantErasing", undefined]);
    // Resuming the tenant does not let its jobs go on.
    await api.put(`/v1/tenants/${tenantName}/pause`, {});
    expect((await api.delete(`/v1/tenants/${tenantName}/pause`)).status).toBe(204);
    expect(await isHeld(tenantName)).toBe(true);
    const again = (await begin(tenantName)).body as unknown as ErasureView;
    expect(again.startedAt).toBe((await view(tenantName)).startedAt);

    await endRow(stores.jobs, jobs[1]!.jobId, "canceled");
    expect(await erased(tenantName)).toMatchObject({ state: "done", removed: { jobs: 2 } });
    expect((await stores.jobs.get(jobs[2]!.jobId))?.value.state).toBe("queued");
  });

  it("what lands late is removed too: it looks again until it finds nothing", async () => {
    const tenantName = freshTenant();
    const { succeeded } = await fill(tenantName);
    await begin(tenantName);
    let late = 0;
    const rows: EraseStepDeps["removal"]["rows"] = async (name, kind) => {
      const removed = await stores.removal.rows(name, kind);
      // When everything is gone: an entry that another process had not written yet.
      if (kind === "deliveries" && removed === 0 && late++ === 0) {
        const facts = { jobType: "Echo", tags: ["late"] };
        await stores.index.write([{ jobId: succeeded, facts, from: undefined, to: "succeeded", runAt: undefined }]);
      }
      return removed;
    };
    const step = await instance({ removal: { ...stores.removal, rows } });
    for (let steps = 0; steps < 50 && (await view(tenantName)).state !== "done"; steps++) {
      if (!(await step(tenantName))) aheadMs += ERASURE_SETTLES_MS;
    }
    expect(late).toBeGreaterThan(1);
    expect(await stores.index.read({ tenantName, tag: "late" }, { limit: 10 })).toEqual([]);
  });

  it("must be confirmed by the name of the tenant", async () => {
    const tenantName = freshTenant();
    for (const confirm of [undefined, `${tenantName}-eu`, ""]) {
      const { status, body } = await api.post(pathOf(tenantName), { confirm });
      expect([status, body.error.target]).toEqual([400, "confirm"]);
    }
    expect(await isHeld(tenantName)).toBe(false);
    expect((await api.get(pathOf(tenantName))).body.error.code).toBe("ErasureNotFound");
  });

  it.each(["before", "after"] as const)(
    "dies %s each of its writes once, and another process goes on",
    async (when) => {
      const tenantName = freshTenant();
      const filled = await fill(tenantName);
      const { body } = await submitTo(tenantName);
      await begin(tenantName);
      const died = new Set<string>();
      const mortal = <T extends object>(part: string, inner: T): T =>
        new Proxy(inner, {
          get(target, name): unknown {
            const method: unknown = Reflect.get(target, name);
            if (typeof method !== "function" || READS.has(String(name))) return method;
            return async (...args: unknown[]): Promise<unknown> => {
              // Each kind of row is a write of its own.
              const call = `${part}.${String(name)}${name === "rows" ? ` ${String(args[1])}` : ""}`;
              const isDeadly = !died.has(call);
              died.add(call);
              if (isDeadly && when === "before") throw new UnavailableError("StorageUnavailable", "Killed.");
              const result: unknown = await Reflect.apply(method, target, args);
              if (isDeadly) throw new UnavailableError("StorageUnavailable", "Killed.");
              return result;
            };
          },
        });
      const { removal, erasures, pauses, tenants, quotas, retentions, webhooks, identityGrants, waiting, jobs } =
        stores;
      const parts = { removal, erasures, pauses, tenants, quotas, retentions, webhooks, identityGrants, waiting, jobs };
      const mortals = Object.fromEntries(
        Object.entries(parts).map(([name, part]) => [name, mortal(name, part)]),
      ) as typeof parts;
      for (let steps = 0; steps < 200 && (await isHeld(tenantName)); steps++) {
        const step = await instance(mortals);
        if (!(await step(tenantName).catch(() => true))) aheadMs += ERASURE_SETTLES_MS;
      }
      expect(await view(tenantName)).toMatchObject({ state: "done" });
      expect(await leftOf(tenantName, filled)).toEqual([]);
      expect(await stores.jobs.get(body.jobId)).toBeUndefined();
      expect([...died].filter((call) => call.startsWith("removal.rows"))).toHaveLength(10);
      for (const call of ["jobs.update", "erasures.put", "pauses.remove", "tenants.remove", "tenants.removeGrant"]) {
        expect(died).toContain(call);
      }
    },
  );
});

/** Calls that change nothing. */
const READS = new Set(["get", "all", "list", "of", "listGrants", "openJobs"]);
