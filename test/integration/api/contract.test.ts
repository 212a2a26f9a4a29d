/** Drives every operation to every status its document promises, and has each answer judged by that document. */
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { identifyAs, LOCAL_CALLER, type Identify } from "../../../runtime/api/auth/caller.ts";
import {
  ForbiddenError,
  TooManyRequestsError,
  UnauthenticatedError,
  UnavailableError,
} from "../../../runtime/core/errors.ts";
import type { AuditEntry } from "../../../runtime/core/audit.ts";
import { parseBatchId } from "../../../runtime/core/job/ids.ts";
import { BATCH_COMMAND_MAX_MS, REQUEST_BODY_MAX_BYTES } from "../../../runtime/core/limits.ts";
import type { Operation, SeenAnswer } from "../../support/api/contract.ts";
import { faulty, type FaultSwitch } from "../../support/faults/faulty.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { actionOf, workerOf } from "../../support/builders.ts";
import { registrationDrivers } from "../../support/api/registration-drivers.ts";
import { claimAndEnd, claimRow } from "../../support/stores/row-moves.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { ECHO, packageDrivers, packagePath } from "../../support/api/package-drivers.ts";
import { pauseDrivers } from "../../support/api/pause-drivers.ts";
import { systemDrivers } from "../../support/api/system-drivers.ts";
import { settingDrivers } from "../../support/api/setting-drivers.ts";
import { webhookDrivers } from "../../support/api/webhook-drivers.ts";
import { timerDrivers } from "../../support/api/timer-drivers.ts";
import { JSON_TYPE, type WireRequest, del, get, openWire, post, put } from "../../support/api/wire.ts";
import { artifactContent } from "../../support/api/artifact-content.ts";

// --- The API, with a switch for whatever can happen to it -------------------------------------------------------------

const dependencies: FaultSwitch = { fault: undefined };
/** What becomes of a caller before anything is done for it. */
let refusal: Error | undefined;
/** How much later it is each time somebody looks at the clock. */
let clockStepMs = 0;
let clockMs = 0;

const known = identifyAs({ ...LOCAL_CALLER, mayUse: (tenantName) => tenantName !== "foreign" });
const identify: Identify = (needs) => (request, response, next) => {
  if (refusal === undefined) void known(needs)(request, response, next);
  else next(refusal);
};

const audited: AuditEntry[] = [];
const letters = letterQueue();
const registration = registrationDrivers();
const api = await startTestApi(faulty(letters.queue, dependencies), {
  identify,
  wrapJobs: (jobs) => faulty(jobs, dependencies),
  wrapBatches: (batches) => faulty(batches, dependencies),
  wrapKeys: (keys) => faulty(keys, dependencies),
  wrapWorkers: (workers) => faulty(workers, dependencies),
  wrapPackages: (packages) => faulty(packages, dependencies),
  wrapTenants: (tenants) => faulty(tenants, dependencies),
  wrapWebhooks: (webhooks) => faulty(webhooks, dependencies),
  wrapSettings: (settings) => faulty(settings, dependencies),
  wrapPauses: (pauses) => faulty(pauses, dependencies),
  wrapIdentityGrants: (grants) => faulty(grants, dependencies),
  wrapQuotas: (quotas) => faulty(quotas, dependencies),
  wrapActions: (actions) => faulty(actions, dependencies),
  wrapIndex: (index) => faulty(index, dependencies),
  wrapRetentions: (retentions) => faulty(retentions, dependencies),
  wrapErasures: (erasures) => faulty(erasures, dependencies),
  wrapAudit: (audit) => ({
    ...audit,
    list: (...request) => faulty(audit, dependencies).list(...request),
    add(entry) {
      audited.push(entry);
      return audit.add(entry);
    },
  }),
  wrapTimers: (timers) => registration.wrapTimers(faulty(timers, dependencies)),
  now: () => new Date(Date.now() + (clockMs += clockStepMs)),
});
const wire = openWire(api.url);
afterEach(() => {
  dependencies.fault = undefined;
  refusal = undefined;
  clockStepMs = 0;
  registration.reset();
});
afterAll(async () => {
  wire[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

const DAYS = { rowDays: 30, logDays: 7, fileDays: 0 };
const RETENTION = JSON.stringify({ succeeded: DAYS, failed: DAYS, canceled: DAYS, deadLetterDays: 7 });

// --- Requests that are fine, with what they need in place --------------------------------------------------------------

const timers = timerDrivers(api);

/** The same request, which has been served before. */
async function repeated(path: string, body: object): Promise<WireRequest> {
  const headers = { "idempotency-key": "once" };
  await api.post(path, body, { ...JSON_TYPE, ...headers });
  return post(path, body, headers);
}

async function newBatch(tenantName = freshTenant()): Promise<string> {
  return (await api.post("/v1/batches", { tenantName, batchName: "A batch" })).body.batchId;
}

async function newAction(): Promise<{ readonly tenantName: string; readonly path: string }> {
  const action = actionOf({ tenantName: freshTenant() });
  await api.actions.start(action);
  const { tenantName, actionId } = action;
  return { tenantName, path: `/v1/tenants/${tenantName}/actions/${actionId}` };
}

/** A job in a batch of its own. */
async function newJob(): Promise<{ readonly jobId: string; readonly batchId: string }> {
  const tenantName = freshTenant();
  const batchId = await newBatch(tenantName);
  const { body } = await api.post("/v1/jobs", { ...jobRequestOf(tenantName), batchId });
  return { jobId: body.jobId, batchId };
}

async function runningJob() {
  const job = await newJob();
  await claimRow(api.jobs, job.jobId);
  return job;
}

async function endedJob() {
  const job = await newJob();
  await claimAndEnd(api.jobs, job.jobId, "failed");
  return job;
}

/** One whose latest attempt left a file and a log. */
async function jobWithFiles() {
  const job = await runningJob();
  const claimId = (await api.jobs.get(job.jobId))!.value.claim!.id;
  await api.files.putArtifact(job.jobId, claimId, "report.txt", artifactContent("a report"));
  await api.files.appendLog(job.jobId, claimId, Buffer.from("one\n"));
  return job;
}

async function closedBatch(): Promise<{ readonly tenantName: string; readonly batchId: string }> {
  const tenantName = freshTenant();
  const batchId = await newBatch(tenantName);
  await api.post(`/v1/batches/${batchId}/close`);
  return { tenantName, batchId };
}

async function knownWorker(): Promise<string> {
  const worker = workerOf({ workerId: `w-${randomUUID()}` });
  await api.workers.beat(worker, undefined);
  return `/v1/workers/${worker.pool}/${worker.workerId}`;
}

/** One that is being erased. */
async function erasedTenant(): Promise<string> {
  const confirm = freshTenant();
  await api.post(`/v1/tenants/${confirm}/erasure`, { confirm });
  return confirm;
}

async function tenantWithGrants(): Promise<{ readonly tenant: string; readonly grant: string }> {
  const tenant = `/v1/tenants/${freshTenant()}`;
  await api.put(tenant);
  const grants = Array.from({ length: 2 }, () => `${tenant}/grants/${randomUUID()}`);
  for (const grant of grants) await api.put(grant, { access: "read", name: "Ada" });
  return { tenant, grant: grants[0]! };
}

const NO_JOB = "acme.0000000000aaaaaaaa.00.0000000000aaaaaaaa";
const NO_BATCH = "acme.0000000000aaaaaaaa";

function refused(request: WireRequest, error: Error): WireRequest {
  refusal = error;
  return request;
}

type Driver = () => WireRequest | Promise<WireRequest>;

/** For each operation the requests for the statuses that depend on what it does, by status. */
const DRIVERS: Readonly<Record<string, Readonly<Record<number, Driver>>>> = {
  submitJob: {
    200: () => repeated("/v1/jobs", jobRequestOf(freshTenant())),
    201: () => post("/v1/jobs", jobRequestOf(freshTenant())),
    404: () => post("/v1/jobs", { ...jobRequestOf("acme"), batchId: NO_BATCH }),
    409: async () => {
      const { tenantName, batchId } = await closedBatch();
      return post("/v1/jobs", { ...jobRequestOf(tenantName), batchId });
    },
    422: async () => {
      const tenantName = freshTenant();
      await api.put(packagePath(tenantName), ECHO);
      return post("/v1/jobs", { ...jobRequestOf(tenantName), jobType: "Ecko", publishLater: false });
    },
  },
  resubmitJob: {
    200: async () => repeated(`/v1/jobs/${(await endedJob()).jobId}/resubmit`, { publishLater: true }),
    201: async () => post(`/v1/jobs/${(await endedJob()).jobId}/resubmit`, { publishLater: true }),
    404: () => post(`/v1/jobs/${NO_JOB}/resubmit`),
    409: async () => {
      const path = `/v1/jobs/${(await endedJob()).jobId}/resubmit`;
      const { headers } = await repeated(path, { publishLater: true });
      return post(path, { publishLater: true, parameters: 1 }, headers);
    },
    422: async () => {
      const tenantName = freshTenant();
      const { body } = await api.post("/v1/jobs", { ...jobRequestOf(tenantName), jobType: "Ecko" });
      await api.put(packagePath(tenantName), ECHO);
      return post(`/v1/jobs/${body.jobId}/resubmit`, {});
    },
  },
  submitJobs: {
    200: () => post("/v1/jobs/bulk", { jobs: [jobRequestOf(freshTenant()), {}] }),
    404: () => post("/v1/jobs/bulk", { batchId: NO_BATCH, jobs: [{}] }),
    409: async () => post("/v1/jobs/bulk", { batchId: (await closedBatch()).batchId, jobs: [{}] }),
  },
  createBatch: {
    200: () => repeated("/v1/batches", { tenantName: freshTenant(), batchName: "A batch" }),
    201: () => post("/v1/batches", { tenantName: freshTenant(), batchName: "A batch" }),
    404: () => post("/v1/batches", { tenantName: "foreign", batchName: "A batch" }),
    409: async () => {
      const { headers } = await repeated("/v1/batches", { tenantName: "acme", batchName: "A batch" });
      return post("/v1/batches", { tenantName: "acme", batchName: "Another" }, headers);
    },
  },
  getClientJob: {
    200: async () => {
      const tenantName = freshTenant();
      await api.post("/v1/jobs", { ...jobRequestOf(tenantName), clientJobId: "order-7" });
      return get(`/v1/tenants/${tenantName}/jobs/order-7`);
    },
    404: () => get("/v1/tenants/foreign/jobs/order-7"),
  },
  getJob: {
    200: async () => get(`/v1/jobs/${(await endedJob()).jobId}`),
    404: () => get(`/v1/jobs/${NO_JOB}`),
  },
  listArtifacts: {
    200: async () => get(`/v1/jobs/${(await jobWithFiles()).jobId}/artifacts`),
    404: () => get(`/v1/jobs/${NO_JOB}/artifacts`),
  },
  getArtifact: {
    200: async () => get(`/v1/jobs/${(await jobWithFiles()).jobId}/artifacts/report.txt`),
    404: async () => get(`/v1/jobs/${(await jobWithFiles()).jobId}/artifacts/other.txt`),
  },
  getArtifactsZip: {
    200: async () => get(`/v1/jobs/${(await jobWithFiles()).jobId}/artifacts.zip`),
    404: async () => get(`/v1/jobs/${(await newJob()).jobId}/artifacts.zip`),
  },
  getLog: {
    200: async () => get(`/v1/jobs/${(await jobWithFiles()).jobId}/log`),
    404: async () => get(`/v1/jobs/${(await newJob()).jobId}/log`),
  },
  cancelJob: {
    200: async () => post(`/v1/jobs/${(await newJob()).jobId}/cancel`),
    202: async () => post(`/v1/jobs/${(await runningJob()).jobId}/cancel`),
    404: () => post(`/v1/jobs/${NO_JOB}/cancel`),
    409: async () => post(`/v1/jobs/${(await endedJob()).jobId}/cancel`),
  },
  requeueJob: {
    200: async () => post(`/v1/jobs/${(await endedJob()).jobId}/requeue`),
    404: () => post(`/v1/jobs/${NO_JOB}/requeue`),
    409: async () => post(`/v1/jobs/${(await runningJob()).jobId}/requeue`),
  },
  rescheduleJob: {
    200: async () => post(`/v1/jobs/${(await newJob()).jobId}/reschedule`, { delayMs: 60_000 }),
    404: () => post(`/v1/jobs/${NO_JOB}/reschedule`, { delayMs: 60_000 }),
    409: async () => post(`/v1/jobs/${(await endedJob()).jobId}/reschedule`, { delayMs: 60_000 }),
  },
  requeueJobs: {
    200: async () => post("/v1/jobs/requeue", { jobIds: [(await endedJob()).jobId, NO_JOB] }),
  },
  findJobs: {
    200: async () => {
      const tenantName = freshTenant();
      await api.post("/v1/jobs", { ...jobRequestOf(tenantName), tags: ["contract"] });
      return get(`/v1/tenants/${tenantName}/jobs?state=queued&tag=contract&pageSize=1`);
    },
  },
  exportJobs: {
    200: async () => {
      const { batchId } = await newJob();
      return get(`/v1/tenants/${parseBatchId(batchId)!.tenantName}/export?batchId=${batchId}`);
    },
    404: () => get("/v1/tenants/foreign/export"),
  },
  getOverview: {
    200: () => get(`/v1/tenants/${freshTenant()}/overview`),
    404: () => get("/v1/tenants/foreign/overview"),
  },
  startAction: {
    202: () => post(`/v1/tenants/${freshTenant()}/actions`, { kind: "tag", filter: { jobType: "Echo" }, tags: ["a"] }),
    404: () => post("/v1/tenants/foreign/actions", { kind: "cancel", filter: { tag: "a" } }),
  },
  listActions: {
    200: async () => {
      const { tenantName } = await newAction();
      return get(`/v1/tenants/${tenantName}/actions?pageSize=1`);
    },
  },
  getAction: {
    200: async () => get((await newAction()).path),
    404: () => get(`/v1/tenants/acme/actions/${NO_BATCH}`),
  },
  cancelAction: {
    200: async () => post(`${(await newAction()).path}/cancel`),
    404: () => post(`/v1/tenants/acme/actions/${NO_BATCH}/cancel`),
  },
  listBatches: {
    200: async () => {
      const tenantName = freshTenant();
      await newBatch(tenantName);
      await newBatch(tenantName);
      return get(`/v1/batches?tenantName=${tenantName}&pageSize=1`);
    },
  },
  getBatch: {
    200: async () => get(`/v1/batches/${(await newJob()).batchId}`),
    404: () => get(`/v1/batches/${NO_BATCH}`),
  },
  listJobs: {
    200: async () => get(`/v1/batches/${(await endedJob()).batchId}/jobs`),
    404: () => get(`/v1/batches/${NO_BATCH}/jobs`),
  },
  closeBatch: {
    200: async () => post(`/v1/batches/${await newBatch()}/close`),
    404: () => post(`/v1/batches/${NO_BATCH}/close`),
    409: timers.closeTimerBatch,
  },
  cancelBatch: {
    200: async () => post(`/v1/batches/${(await newJob()).batchId}/cancel`),
    202: async () => post(`/v1/batches/${(await runningJob()).batchId}/cancel`),
    404: () => post(`/v1/batches/${NO_BATCH}/cancel`),
    409: timers.cancelTimerBatch,
  },
  requeueBatch: {
    200: async () => post(`/v1/batches/${(await endedJob()).batchId}/requeue`),
    202: async () => {
      const { batchId } = await endedJob();
      clockStepMs = BATCH_COMMAND_MAX_MS + 1;
      return post(`/v1/batches/${batchId}/requeue`);
    },
    404: () => post(`/v1/batches/${NO_BATCH}/requeue`),
  },
  listDeadLetters: {
    200: async () => {
      letters.add((await endedJob()).jobId);
      return get("/v1/dead-letters?poison=true");
    },
  },
  removeDeadLetter: {
    204: async () => ({ method: "DELETE", path: letters.add((await endedJob()).jobId) }),
    404: () => ({ method: "DELETE", path: "/v1/dead-letters/jobs-default-normal/4711" }),
    409: async () => ({ method: "DELETE", path: letters.add((await runningJob()).jobId) }),
  },
  ...packageDrivers(api, registration),
  ...timers.operations,
  listWorkers: {
    200: async () => {
      await knownWorker();
      return get("/v1/workers?pool=default");
    },
  },
  getWorker: {
    200: async () => get(await knownWorker()),
    404: () => get("/v1/workers/default/nobody"),
  },
  drainWorker: {
    202: async () => post(`${await knownWorker()}/drain`),
    404: () => post("/v1/workers/default/nobody/drain"),
  },
  listTenants: {
    200: async () => {
      await tenantWithGrants();
      await tenantWithGrants();
      return get("/v1/tenants?pageSize=1");
    },
  },
  putTenant: {
    200: () => ({ method: "PUT", path: `/v1/tenants/${freshTenant()}` }),
    409: async () => ({ method: "PUT", path: `/v1/tenants/${await erasedTenant()}` }),
  },
  startErasure: {
    202: () => {
      const confirm = freshTenant();
      return post(`/v1/tenants/${confirm}/erasure`, { confirm });
    },
  },
  getErasure: {
    200: async () => get(`/v1/tenants/${await erasedTenant()}/erasure`),
    404: () => get(`/v1/tenants/${freshTenant()}/erasure`),
  },
  deleteTenant: {
    204: async () => del((await tenantWithGrants()).tenant),
    404: () => del(`/v1/tenants/${freshTenant()}`),
  },
  getRetention: {
    200: () => get(`/v1/tenants/${freshTenant()}/retention`),
    404: () => get("/v1/tenants/foreign/retention"),
  },
  putRetention: {
    200: () => put(`/v1/tenants/${freshTenant()}/retention`, RETENTION),
    404: () => put("/v1/tenants/foreign/retention", RETENTION),
  },
  deleteRetention: {
    204: () => del(`/v1/tenants/${freshTenant()}/retention`),
    404: () => del("/v1/tenants/foreign/retention"),
  },
  listGrants: {
    200: async () => get(`${(await tenantWithGrants()).tenant}/grants?pageSize=1`),
    404: () => get(`/v1/tenants/${freshTenant()}/grants`),
  },
  putGrant: {
    200: async () => {
      const { tenant } = await tenantWithGrants();
      return put(`${tenant}/grants/${randomUUID()}`, JSON.stringify({ access: "manage", name: "Ada" }));
    },
    404: () => put(`/v1/tenants/${freshTenant()}/grants/${randomUUID()}`, '{"access":"read","name":"Ada"}'),
  },
  deleteGrant: {
    204: async () => del((await tenantWithGrants()).grant),
    404: async () => del(`${(await tenantWithGrants()).tenant}/grants/${randomUUID()}`),
  },
  ...webhookDrivers(api),
  ...settingDrivers(api),
  ...pauseDrivers(api),
  followEvents: {
    200: async () => ({ ...get(`/v1/events?jobId=${(await newJob()).jobId}`), firstPieceOnly: true }),
    404: () => get(`/v1/events?batchId=${NO_BATCH}`),
  },
  createEventTicket: {
    201: async () => post("/v1/events/tickets", { jobId: (await newJob()).jobId }),
    404: () => post("/v1/events/tickets", { tenantName: "foreign" }),
  },
  getQuotas: {
    200: async () => {
      const { tenant } = await tenantWithGrants();
      await api.put(`${tenant}/quotas`, { jobsPerDay: 10, storedBytes: 5_000_000_000 });
      return get(`${tenant}/quotas`);
    },
    404: () => get("/v1/tenants/foreign/quotas"),
  },
  putQuotas: {
    200: async () => put(`${(await tenantWithGrants()).tenant}/quotas`, '{"jobsPerDay":10}'),
    404: () => put(`/v1/tenants/${freshTenant()}/quotas`, "{}"),
  },
  listTenantAudit: {
    200: async () => {
      const { tenant } = await tenantWithGrants();
      return get(`${tenant}/audit?pageSize=1&since=2026-01-01T00:00:00Z&operation=putGrant`);
    },
  },
  listSystemAudit: {
    200: async () => {
      await wire.send(post("/v1/workers/default/nobody/drain"));
      return get("/v1/audit?pageSize=1");
    },
  },
  ...systemDrivers(refused),
};

// --- The audit ----------------------------------------------------------------------------------------------------------

/** Changes without an entry. One more must be named here, with its reason in the operation. */
const UNAUDITED = ["submitJob", "createEventTicket"];

/** Every change leaves an entry, so an operation that is added leaves one too. */
function expectAudited({ operationId, method }: Operation, { headers }: SeenAnswer): void {
  const requestId = headers.get("x-request-id");
  const entries = audited.filter((entry) => entry.requestId === requestId);
  const isExpected = method !== "get" && !UNAUDITED.includes(operationId);
  expect(entries).toHaveLength(isExpected ? 1 : 0);
  for (const entry of entries) expect(entry).toMatchObject({ operation: operationId, outcome: "done", actor: "local" });
}

// --- Statuses that come the same way for every operation ----------------------------------------------------------------

/** A request the operation would serve: the first of its own. */
async function fine({ operationId }: Operation): Promise<WireRequest> {
  const [driver] = Object.values(DRIVERS[operationId] ?? {});
  if (driver === undefined) throw new Error(`Nothing here drives ${operationId}.`);
  return driver();
}

const EVERYWHERE: Readonly<Record<number, (operation: Operation) => Promise<WireRequest>>> = {
  304: async (operation) => {
    const request = await fine(operation);
    const etag = (await wire.send(request)).headers.get("etag") ?? "";
    return { ...request, headers: { "if-none-match": etag } };
  },
  400: async (operation) => {
    const request = await fine(operation);
    if (operation.path.includes("{")) return { ...request, path: operation.path.replaceAll(/\{\w+\}/g, "%E0%A4%A") };
    return operation.requestBody === undefined
      ? { ...request, path: `${operation.path}?pageSize=0` }
      : { ...request, body: "[]" };
  },
  401: async (operation) => refused(await fine(operation), new UnauthenticatedError("Sign in.")),
  403: async (operation) => refused(await fine(operation), new ForbiddenError("It takes a role.")),
  413: async (operation) => {
    const { body: _, ...request } = await fine(operation);
    return { ...request, announcedBytes: REQUEST_BODY_MAX_BYTES + 1 };
  },
  415: async (operation) => ({ ...(await fine(operation)), headers: { "content-type": "text/plain" }, body: "{}" }),
  429: async (operation) => refused(await fine(operation), new TooManyRequestsError("Wait a moment.")),
  500: async (operation) => {
    const request = await fine(operation);
    dependencies.fault = new TypeError("secret: cannot read properties of undefined");
    return request;
  },
  503: async (operation) => {
    const request = await fine(operation);
    dependencies.fault = new UnavailableError("StorageUnavailable", "The table does not answer.");
    return request;
  },
};

const promises = api.contract.operations.flatMap((operation) =>
  Object.keys(operation.responses).map((status) => ({ operation, status: Number(status), id: operation.operationId })),
);

describe("every promise of the document", () => {
  it.each(promises)("is kept: $id answers $status", async ({ operation, status }) => {
    const driver = DRIVERS[operation.operationId]?.[status] ?? EVERYWHERE[status];
    if (driver === undefined) throw new Error(`Nothing here drives ${operation.operationId} to ${status}.`);
    const request = await driver(operation);
    const answer = await wire.send(request);
    expect(answer.status, answer.text).toBe(status);
    api.contract.check(request.method, request.path, answer);
    if (status >= 500) expect(answer.text).not.toContain("secret");
    if (status < 300) expectAudited(operation, answer);
  });

  it("has been exercised", () => {
    expect([...api.contract.exercised]).toEqual(expect.arrayContaining([...api.contract.promised]));
  });
});
