/** Steps that need no worker machine: the API, its callers, the messages, the end. */
import { setTimeout as sleep } from "node:timers/promises";
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { clientSecretCredential, type EntraFacts } from "../../../runtime/client/index.ts";
import { DEMO_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import { expect, signIn, submitWork, WORK_PACKAGE, type Rehearsal } from "./rehearsal.ts";
import { until, type Step } from "./step.ts";

/** Roles take up to ten minutes in Azure. */
const ROLES_SPREAD_MS = 6_000;

export const roles: Step<Rehearsal> = {
  name: "roles",
  title: "The API starts although its roles come late, and accepts callers with tokens of Entra ID.",
  needs: [],
  async run(rehearsal) {
    const { cloud, admin, tenantName } = rehearsal;
    const deploying = cloud.deploy(rehearsal.estate());
    await sleep(ROLES_SPREAD_MS);
    cloud.access.takeEffect();
    await deploying;
    await signIn(rehearsal);
    // With deployed packages, the API creates their tenant.
    if (!hasPackages(rehearsal)) await admin.management.createTenant(tenantName);
    await until(`tenant ${tenantName} exists`, 60, async () => {
      const grant = { access: "manage", name: "Rehearsal" } as const;
      await admin.management.putGrant(tenantName, DEMO_APPLICATION.principalId, grant);
      return true;
    });
  },
};

const hasPackages = ({ estate }: Pick<Rehearsal, "estate">): boolean =>
  estate().site.settings["JOBYARD_PACKAGES_TENANT"] !== undefined;

export const packages: Step<Rehearsal> = {
  name: "packages",
  title: "The API publishes its deployed packages, and accepts another.",
  needs: ["roles"],
  async run(rehearsal) {
    const { client, workPackage, tenantName } = rehearsal;
    if (hasPackages(rehearsal)) {
      await until("the deployed packages are published", 60, async () => (await publishedNames(rehearsal)).length > 0);
    }
    await client.management.publishPackage(tenantName, WORK_PACKAGE, workPackage);
    // Without it no job of the package is accepted.
    await client.management.putSetting(tenantName, WORK_PACKAGE, "REHEARSAL", { value: "ready" });
  },
};

export async function publishedNames({ client, tenantName }: Rehearsal): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { packageName } of client.monitoring.getPackages(tenantName)) names.push(packageName);
  return names;
}

export const api: Step<Rehearsal> = {
  name: "api",
  title: "Jobs are submitted, listed and canceled, on every instance; large parameters are stored in a blob.",
  needs: ["packages"],
  async run(rehearsal) {
    const { client, cloud } = rehearsal;
    // Two jobs for each instance. Instances take turns.
    for (let turn = 0; turn < 2 * cloud.site.pids.length; turn++) {
      const later = new Date(Date.now() + 3_600_000).toISOString();
      const jobId = await submitWork(rehearsal, `later-${turn}`, 1, { runAt: later });
      expect((await client.monitoring.getJob(jobId)).state === "queued", `${jobId} is not queued.`);
      await client.management.cancelJob(jobId);
      expect((await client.monitoring.getJob(jobId)).state === "canceled", `${jobId} is not canceled.`);
    }
  },
};

/** A tenant of its own, so that no job of another step is meant. */
const LEAVING = "leaving";
const LEAVING_JOBS = 3;

export const erasure: Step<Rehearsal> = {
  name: "erasure",
  title:
    "A tenant's jobs are rescheduled, exported and canceled by an action; then all that is stored of it is erased.",
  needs: ["packages"],
  async run({ admin, client, workPackage }) {
    await admin.management.createTenant(LEAVING);
    await admin.management.putGrant(LEAVING, DEMO_APPLICATION.principalId, { access: "manage", name: "Rehearsal" });
    await until("the grant is known", 60, () => client.management.publishPackage(LEAVING, WORK_PACKAGE, workPackage));
    await client.management.putSetting(LEAVING, WORK_PACKAGE, "REHEARSAL", { value: "ready" });
    const runAt = new Date(Date.now() + 3_600_000).toISOString();
    const submit = (name: string) => submitWork({ client, tenantName: LEAVING }, name, 1, { runAt });
    const jobIds = [await submit("first")];
    while (jobIds.length < LEAVING_JOBS) jobIds.push(await submit("another"));

    const moved = await client.management.rescheduleJob(jobIds[0] ?? "", { delayMs: 7_200_000 });
    expect(moved.runAt !== undefined && moved.runAt > runAt, `The job may start at ${moved.runAt}.`);
    const exported: string[] = [];
    for await (const { jobId } of client.monitoring.exportJobs(LEAVING)) exported.push(jobId);
    expect(
      jobIds.every((jobId) => exported.includes(jobId)),
      `Exported: ${exported.join(", ")}.`,
    );
    const { actionId } = await client.management.startAction(LEAVING, { kind: "cancel", filter: { state: "queued" } });
    await until("the action has canceled the jobs", 60, async () => {
      const { state, counts } = await client.monitoring.getAction(LEAVING, actionId);
      return state === "done" && counts.done === LEAVING_JOBS;
    });

    await admin.management.eraseTenant(LEAVING, LEAVING);
    const removed = await until("the tenant is erased", 120, async () => {
      const { state, removed } = await admin.monitoring.getErasure(LEAVING);
      return state === "done" && removed;
    });
    for (const thing of ["jobs", "packages"] as const) expect((removed[thing] ?? 0) > 0, `No ${thing} were removed.`);
    for await (const { tenantName } of admin.monitoring.getTenants())
      expect(tenantName !== LEAVING, "The tenant is still listed.");
  },
};

export const events: Step<Rehearsal> = {
  name: "events",
  title: "The end of a job arrives through the front, in the SDK's event stream and in SignalR's client.",
  needs: ["api"],
  async run(rehearsal) {
    const { client, estate, tenantName } = rehearsal;
    const url = `https://${estate().site.host}`;
    const received = { stream: "", hub: "" };
    client.notifications.on("jobCompleted", ({ jobId }) => void (received.stream = jobId));
    await client.notifications.subscribeToTenant(tenantName);
    const hub = new HubConnectionBuilder()
      .withUrl(`${url}/hubs/jobs`, { accessTokenFactory: () => applicationToken(url) })
      .configureLogging(LogLevel.None)
      .build();
    hub.on("jobCompleted", (event: { readonly jobId: string }) => void (received.hub = event.jobId));
    await hub.start();
    try {
      await hub.invoke("SubscribeToTenant", tenantName);
      const runAt = new Date(Date.now() + 3_600_000).toISOString();
      const jobId = await submitWork(rehearsal, "followed", 0, { runAt });
      await client.management.cancelJob(jobId);
      await until("both have received its end", 30, () => received.stream === jobId && received.hub === jobId);
    } finally {
      client.notifications.disconnect();
      await hub.stop();
    }
  },
};

async function applicationToken(url: string): Promise<string> {
  const facts = (await (await fetch(`${url}/v1/auth`)).json()) as EntraFacts;
  const { clientId, secret: clientSecret } = DEMO_APPLICATION;
  const token = await clientSecretCredential(facts, { clientId, clientSecret }, fetch).getToken([]);
  if (token === null) throw new Error("The CLI returned no token.");
  return token.token;
}

export const purge: Step<Rehearsal> = {
  name: "purge",
  title: "All messages are removed from the queues, while jobs and a delayed job wait.",
  needs: ["api"],
  machines: true,
  async run(rehearsal) {
    const names = Array.from({ length: 5 }, (_, index) => `bereft-${index}`);
    const waiting = await Promise.all(names.map((name) => submitWork(rehearsal, name, 0)));
    const runAt = new Date(Date.now() + 20_000).toISOString();
    const delayed = await submitWork(rehearsal, "bereft-delayed", 0, { runAt });
    await until("their messages are in the queues", 20, async () => (await takeMessages(rehearsal)) > 0);
    while ((await takeMessages(rehearsal)) > 0);
    rehearsal.bereft.jobIds = [...waiting, delayed];
    rehearsal.bereft.since = performance.now();
  },
};

/** Removes all messages from the queues, scheduled ones too. Returns their number. */
async function takeMessages({ bus, estate }: Rehearsal): Promise<number> {
  let count = 0;
  for (const { name } of estate().topology.queues) {
    const sender = bus.createSender(name);
    const receiver = bus.createReceiver(name, { receiveMode: "receiveAndDelete" });
    const peeked = await receiver.peekMessages(100);
    const scheduled = peeked.filter(({ state }) => state === "scheduled").map(({ sequenceNumber }) => sequenceNumber);
    if (scheduled.length > 0) await sender.cancelScheduledMessages(scheduled.filter((number) => number !== undefined));
    const active = peeked.length - scheduled.length;
    if (active > 0) await receiver.receiveMessages(active, { maxWaitTimeInMs: 1_000 });
    count += peeked.length;
    await receiver.close();
    await sender.close();
  }
  return count;
}

/** What each program sends: log lines, metrics and spans. */
const TELEMETRY = ["MessageData", "MetricData", "RequestData"];

export const telemetry: Step<Rehearsal> = {
  name: "telemetry",
  title: "Log lines, metrics and traces of the API and of workers arrive at Application Insights.",
  needs: ["samples"],
  machines: true,
  async run({ cloud }) {
    const wanted = ["jobyard-api", "jobyard-worker"].flatMap((program) =>
      TELEMETRY.map((kind) => `jobyard.${program} ${kind}`),
    );
    await until(`${wanted.join(", ")} have come`, 90, () => wanted.every((key) => cloud.telemetry.counts.has(key)));
  },
};

export const tokens: Step<Rehearsal> = {
  name: "tokens",
  title: "Tokens have expired and were renewed, and no request was refused for it.",
  needs: ["samples"],
  after: ["scale", "recovery"],
  machines: true,
  async run({ cloud, client }) {
    expect(cloud.tokens.issuedCount > TOKENS_MIN, `Only ${cloud.tokens.issuedCount} tokens were issued.`);
    const refused = cloud.access.denials.filter(({ who }) => who === "without a usable token");
    expect(refused.length === 0, `Refused for their token: ${refused.map(({ resource }) => resource).join(", ")}.`);
    await client.monitoring.getMe();
  },
};

/** Each program requests one token for each service. All others are renewals. */
const TOKENS_MIN = 20;

export const destroy: Step<Rehearsal> = {
  name: "destroy",
  title: "Every created resource is deleted.",
  needs: [],
  async run({ stack, cloud, pool }) {
    await pool.stop();
    await cloud.site.stop();
    await stack.destroy();
    const left = Object.keys(stack.cloud);
    expect(left.length === 0, `Left: ${left.join(", ")}.`);
  },
};
