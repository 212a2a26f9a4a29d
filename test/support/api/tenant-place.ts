/**
 * What a request may name of a tenant: things that are there, made when they are asked for, or names of things that are
 * not, in the same form and length. Requests about the two differ in nothing else.
 */
import type { PauseSubject } from "../../../runtime/core/admission/pause.ts";
import { createHash, randomBytes } from "node:crypto";
import { newErasure } from "../../../runtime/core/job/erasure.ts";
import { createIdSource } from "../../../runtime/core/job/ids.ts";
import { actionOf, deliveryOf, timerOf, webhookOf } from "../builders.ts";
import type { LetterQueue } from "../bus/letter-queue.ts";
import { claimAndEnd, claimRow, endRow } from "../stores/row-moves.ts";
import type { TestApi } from "./test-api.ts";
import { testPackage } from "../packages/test-package.ts";
import { artifactContent } from "./artifact-content.ts";
import { systemClock } from "../../../runtime/core/clock.ts";

export interface Place {
  readonly tenantName: string;
  /** Every name given so far: what answers may repeat. */
  readonly names: readonly string[];
  /** Open, with a failed job. */
  batch(): Promise<string>;
  queuedJob(): Promise<string>;
  failedJob(): Promise<string>;
  /** Ended; left a log and `report.txt`. */
  jobWithFiles(): Promise<string>;
  /** The id its submitter gave a job. */
  clientJob(): Promise<string>;
  /** Sequence number of a failed job's letter in `jobs-default-normal`. */
  letter(): Promise<string>;
  packageName(): Promise<string>;
  /** An older version of the package. */
  version(packageName: string): Promise<string>;
  webhook(): Promise<string>;
  /** `{webhook}/deliveries/{messageId}` */
  delivery(): Promise<string>;
  action(): Promise<string>;
  /** `{packageName}/{settingName}`, with a value. */
  setting(): Promise<string>;
  /** A pool whose identity the tenant's jobs may use. */
  identityPool(): Promise<string>;
  /** `{packageName}/{timerName}`. */
  timer(): Promise<string>;
  /** A caller with a grant on the tenant. */
  grantee(): Promise<string>;
  /** The tenant itself, paused. */
  pausedTenant(): Promise<string>;
  /** A job type of the tenant, paused. */
  pausedType(): Promise<string>;
  /** A pool that is paused, and its queue of low priority with it. */
  pausedPool(): Promise<string>;
  /** Another tenant, that can be missed. */
  spareTenant(): Promise<string>;
  /** Another one, that was erased. */
  erasedTenant(): Promise<string>;
}

type Namer = Omit<Place, "tenantName" | "names">;

export interface PlaceDeps {
  /** Without authorization. */
  readonly api: TestApi;
  readonly letters: LetterQueue;
}

/** Letters of places begin after it, so that all numbers have the same length and appear nowhere by chance. */
export const LETTERS_AFTER = 4_711_000;

const ids = createIdSource({ now: systemClock.now, random32: () => randomBytes(4).readUInt32BE() });
const hex = (bytes: number): string => randomBytes(bytes).toString("hex");
const freshPackageName = (): string => `package-${hex(4)}.zip`;
const freshTypeName = (): string => `Type-${hex(4)}`;
const freshWebhookName = (): string => `hook-${hex(4)}`;
const freshSettingName = (): string => `${freshPackageName()}/S${hex(4).toUpperCase()}`;
const freshPoolName = (): string => `pool-${hex(4)}`;
const freshClientId = (): string => `order-${hex(4)}`;
/** All of one length, so that a length reveals nothing. */
export const freshTenantName = (): string => `t-${hex(6)}`;
const freshPrincipal = (): string => `${hex(4)}-${hex(2)}-${hex(2)}-${hex(2)}-${hex(6)}`;

export const jobRequest = (tenantName: string) => ({
  tenantName,
  jobType: "Echo",
  jobName: "hello",
  jobProcessorPackageName: "echo.zip",
  publishLater: true,
});

export const zip = (): Buffer => testPackage({ jobs: { Echo: `return { output: "${hex(4)}" };` } });

/** Things of a tenant that are there. */
export function realPlace(tenantName: string, deps: PlaceDeps): Place {
  return remembering(tenantName, realNamer(tenantName, deps));
}

/** Names of things a tenant does not have. */
export function emptyPlace(tenantName: string): Place {
  const jobId = () => Promise.resolve(ids.jobId(ids.batchId(tenantName), 1));
  return remembering(tenantName, {
    batch: () => Promise.resolve(ids.batchId(tenantName)),
    queuedJob: jobId,
    failedJob: jobId,
    jobWithFiles: jobId,
    clientJob: () => Promise.resolve(freshClientId()),
    letter: () => Promise.resolve(String(2 * LETTERS_AFTER)),
    packageName: () => Promise.resolve(freshPackageName()),
    version: () => Promise.resolve(hex(32)),
    webhook: () => Promise.resolve(freshWebhookName()),
    delivery: () => Promise.resolve(`${freshWebhookName()}/deliveries/msg_0`),
    action: () => Promise.resolve(ids.batchId(tenantName)),
    setting: () => Promise.resolve(freshSettingName()),
    identityPool: () => Promise.resolve(freshPoolName()),
    timer: () => Promise.resolve(`${freshPackageName()}/Echo`),
    grantee: () => Promise.resolve(freshPrincipal()),
    pausedTenant: () => Promise.resolve(tenantName),
    pausedType: () => Promise.resolve(freshTypeName()),
    pausedPool: () => Promise.resolve("default"),
    spareTenant: () => Promise.resolve(freshTenantName()),
    erasedTenant: () => Promise.resolve(freshTenantName()),
  });
}

function remembering(tenantName: string, namer: Namer): Place {
  const names: string[] = [];
  const note = async (naming: Promise<string>): Promise<string> => {
    const name = await naming;
    names.push(name);
    return name;
  };
  /** Answers have its two parts apart. */
  const noteParts = async (naming: Promise<string>): Promise<string> => {
    const name = await naming;
    names.push(...name.split("/"));
    return name;
  };
  return {
    tenantName,
    names,
    batch: () => note(namer.batch()),
    queuedJob: () => note(namer.queuedJob()),
    failedJob: () => note(namer.failedJob()),
    jobWithFiles: () => note(namer.jobWithFiles()),
    clientJob: () => note(namer.clientJob()),
    letter: () => note(namer.letter()),
    packageName: () => note(namer.packageName()),
    version: (packageName) => note(namer.version(packageName)),
    webhook: () => note(namer.webhook()),
    delivery: () => noteParts(namer.delivery()),
    action: () => note(namer.action()),
    setting: () => noteParts(namer.setting()),
    identityPool: () => note(namer.identityPool()),
    timer: () => noteParts(namer.timer()),
    grantee: () => note(namer.grantee()),
    pausedTenant: () => namer.pausedTenant(),
    pausedType: () => note(namer.pausedType()),
    pausedPool: () => namer.pausedPool(),
    spareTenant: () => note(namer.spareTenant()),
    erasedTenant: () => note(namer.erasedTenant()),
  };
}

function realNamer(tenantName: string, { api, letters }: PlaceDeps): Namer {
  const { packages, tenants } = api;
  const upload = (packageName: string) => {
    const bytes = zip();
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return packages.upload(tenantName, packageName, bytes, { sha256, uploadedBy: "test", jobTypes: ["Echo"] });
  };

  async function batch(): Promise<string> {
    return (await api.post("/v1/batches", { tenantName, batchName: "Secret batch" })).body.batchId;
  }

  async function job(fields: object = {}): Promise<string> {
    const request = { ...jobRequest(tenantName), batchId: await batch(), ...fields };
    return (await api.post("/v1/jobs", request)).body.jobId;
  }

  async function failedJob(): Promise<string> {
    const jobId = await job();
    await claimAndEnd(api.jobs, jobId, "failed");
    return jobId;
  }

  const pause = (subject: PauseSubject): Promise<void> =>
    api.pauses.put({ subject, pausedAt: new Date(), pausedBy: "test", reason: undefined });

  return {
    queuedJob: job,
    failedJob,
    batch: async () => (await api.get(`/v1/jobs/${await failedJob()}`)).body.batchId,
    async jobWithFiles() {
      const jobId = await job();
      await claimRow(api.jobs, jobId);
      const claimId = (await api.jobs.get(jobId))?.value.claim?.id ?? "";
      await api.files.putArtifact(jobId, claimId, "report.txt", artifactContent("a report"));
      await api.files.appendLog(jobId, claimId, Buffer.from("one\n"));
      await endRow(api.jobs, jobId, "succeeded");
      return jobId;
    },
    async clientJob() {
      const clientJobId = freshClientId();
      await job({ clientJobId });
      return clientJobId;
    },
    letter: async () =>
      letters
        .add(await failedJob())
        .split("/")
        .at(-1) ?? "",
    async packageName() {
      const packageName = freshPackageName();
      await upload(packageName);
      return packageName;
    },
    async version(packageName) {
      const [current] = await packages.versions(tenantName, packageName);
      await upload(packageName);
      return current?.sha256 ?? "";
    },
    async delivery() {
      const webhook = webhookOf({ tenantName, webhookName: freshWebhookName() });
      await api.webhooks.create(webhook);
      const delivery = deliveryOf(webhook, { nextTryAt: new Date("9999-01-01T00:00:00Z") });
      await api.deliveries.add(delivery);
      return `${webhook.webhookName}/deliveries/${delivery.messageId}`;
    },
    async webhook() {
      const webhookName = freshWebhookName();
      await api.webhooks.create(webhookOf({ tenantName, webhookName }));
      return webhookName;
    },
    async action() {
      const action = actionOf({ tenantName });
      await api.actions.start(action);
      return action.actionId;
    },
    async setting() {
      const path = freshSettingName();
      const [packageName = "", name = ""] = path.split("/");
      const facts = { version: 1, value: undefined, secretId: "none", setAt: new Date(), setBy: "test" };
      await api.settings.put({ tenantName, packageName, name, ...facts }, undefined);
      return path;
    },
    async identityPool() {
      const pool = freshPoolName();
      const grant = { audiences: ["https://vault.azure.net"], grantedAt: new Date(), grantedBy: "test" };
      await api.identityGrants.put({ tenantName, pool, ...grant });
      return pool;
    },
    async timer() {
      const packageName = freshPackageName();
      await upload(packageName);
      await api.timers.write(timerOf({ tenantName, packageName, timerName: "Echo" }), undefined);
      return `${packageName}/Echo`;
    },
    async grantee() {
      const principalId = freshPrincipal();
      const granted = { name: "Somebody", grantedAt: new Date(), grantedBy: "test" };
      await tenants.putGrant({ tenantName, principalId, access: "read", ...granted });
      return principalId;
    },
    async pausedTenant() {
      await pause({ kind: "tenant", tenantName });
      return tenantName;
    },
    async pausedType() {
      const jobType = freshTypeName();
      await pause({ kind: "type", tenantName, jobType });
      return jobType;
    },
    async pausedPool() {
      // Nobody else resumes it.
      const pool = freshTenantName();
      await pause({ kind: "pool", pool });
      await pause({ kind: "queue", pool, priority: "low" });
      return pool;
    },
    async spareTenant() {
      const name = freshTenantName();
      await tenants.create({ tenantName: name, createdAt: new Date(), createdBy: "test" });
      return name;
    },
    async erasedTenant() {
      const name = freshTenantName();
      await api.stores.erasures.put(newErasure(name, new Date(), "test"), undefined);
      return name;
    },
  };
}
