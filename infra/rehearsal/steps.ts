/** The steps of a rehearsal: what is done to the deployed system, and what must then hold. */
import { setTimeout as sleep } from "node:timers/promises";
import { DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { ATTACK_STEPS } from "./attack-steps.ts";
import { autoscale } from "./autoscaler.ts";
import {
  expect,
  machineOf,
  outcomes,
  signIn,
  submitWork,
  succeeded,
  TENANT,
  WORK_PACKAGE,
  workerOf,
  type Rehearsal,
} from "./rehearsal.ts";
import { until, type Step } from "./step.ts";

/** Roles take up to ten minutes in Azure. */
const ROLES_SPREAD_MS = 6_000;
/** systemd's watchdog, and what it needs to end the unit and start it again. */
const WATCHDOG_SECONDS = 60 + 40;
/** docs/reliability.md promises it. */
const RECOVERY_SECONDS = 180;
const SILENCE_MS = 30_000;
/** Azure's minute in the autoscale step. */
const MINUTE_MS = 700;

const roles: Step<Rehearsal> = {
  name: "roles",
  title: "The API starts although its roles come late, and takes callers with tokens of Entra.",
  needs: [],
  async run(rehearsal) {
    const { cloud, admin } = rehearsal;
    const deploying = cloud.deploy(rehearsal.estate());
    await sleep(ROLES_SPREAD_MS);
    cloud.access.takeEffect();
    await deploying;
    await signIn(rehearsal);
    await until("tenant demo exists", 60, async () => {
      await admin.management.putGrant(TENANT, DEMO_APPLICATION.principalId, { access: "manage", name: "Rehearsal" });
      return true;
    });
  },
};

const packages: Step<Rehearsal> = {
  name: "packages",
  title: "The API has published the packages it was deployed with, and takes another.",
  needs: ["roles"],
  async run({ client, workPackage }) {
    await until("the deployed packages are published", 60, async () => {
      for await (const _published of client.monitoring.getPackages(TENANT)) return true;
      return false;
    });
    await client.management.publishPackage(TENANT, WORK_PACKAGE, workPackage);
  },
};

const api: Step<Rehearsal> = {
  name: "api",
  title: "Jobs are submitted, listed and canceled, on every instance; large parameters go by blob.",
  needs: ["packages"],
  async run(rehearsal) {
    const { client, cloud } = rehearsal;
    // Twice for each instance, which take turns.
    for (let turn = 0; turn < 2 * cloud.site.pids.length; turn++) {
      const later = new Date(Date.now() + 3_600_000).toISOString();
      const jobId = await submitWork(rehearsal, `later-${turn}`, 1, { runAt: later });
      expect((await client.monitoring.getJob(jobId)).state === "queued", `${jobId} is not queued.`);
      await client.management.cancelJob(jobId);
      expect((await client.monitoring.getJob(jobId)).state === "canceled", `${jobId} is not canceled.`);
    }
  },
};

const purge: Step<Rehearsal> = {
  name: "purge",
  title: "Every message in the queues is taken away, under waiting jobs and a delayed one.",
  needs: ["api"],
  async run(rehearsal) {
    const names = Array.from({ length: 5 }, (_, index) => `bereft-${index}`);
    const waiting = await Promise.all(names.map((name) => submitWork(rehearsal, name, 0)));
    const runAt = new Date(Date.now() + 20_000).toISOString();
    const delayed = await submitWork(rehearsal, "bereft-delayed", 0, { runAt });
    await until("their messages are there", 20, async () => (await takeMessages(rehearsal)) > 0);
    while ((await takeMessages(rehearsal)) > 0);
    rehearsal.bereft.jobIds = [...waiting, delayed];
    rehearsal.bereft.since = performance.now();
  },
};

/** Removes what the queues hold, scheduled messages too; how many those were. */
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

const recovery: Step<Rehearsal> = {
  name: "recovery",
  title: `Jobs without messages run within ${RECOVERY_SECONDS} s, each once.`,
  needs: ["purge", "boot"],
  machines: true,
  async run(rehearsal) {
    const { jobIds, since } = rehearsal.bereft;
    const left = RECOVERY_SECONDS - (performance.now() - since) / 1_000;
    const jobs = await Promise.all(jobIds.map((jobId) => succeeded(rehearsal, jobId, Math.max(1, left))));
    for (const job of jobs) expect(job.history.length === 1, `${job.jobName} ran ${job.history.length} times.`);
  },
};

const boot: Step<Rehearsal> = {
  name: "boot",
  title: "A new machine installs itself by cloud-init and its worker takes jobs.",
  needs: ["packages"],
  after: ["purge"],
  machines: true,
  async run(rehearsal) {
    const { pool } = rehearsal;
    await Promise.all(Array.from({ length: 2 }, () => pool.add()));
    await Promise.all(
      pool.machines.map((machine) =>
        until(`${machine.workerId} works`, 90, async () => (await workerOf(rehearsal, machine))?.state === "running"),
      ),
    );
  },
};

const samples: Step<Rehearsal> = {
  name: "samples",
  title: "A job of each sample runs as another user than the worker, and leaves log and artifacts.",
  needs: ["boot"],
  machines: true,
  async run(rehearsal) {
    const { client } = rehearsal;
    const submit = (jobType: string, jobProcessorPackageName: string, parameters: object): Promise<string> =>
      client.management.submitJob({
        tenantName: TENANT,
        jobType,
        jobName: jobType,
        jobProcessorPackageName,
        parameters,
      });
    const jobIds = await Promise.all([
      submit("FinancialYearEnd", "financial-year-end.zip", { year: 2025 }),
      submit("Documents", "documents.zip", { date: "2026-01-31", from: 1, count: 3 }),
      submit("LogSummary", "shell-tool.zip", { log: "webshop-log.txt", top: 5 }),
      submit("Thumbnails", "thumbnails.zip", { image: "bubbles-1.jpg", sizes: [64] }),
      submitWork(rehearsal, "high", 0, { priority: "high" }),
      submitWork(rehearsal, "low", 0, { priority: "low" }),
      client.management.submitJob({
        ...{ tenantName: TENANT, jobType: "Work", jobName: "large", jobProcessorPackageName: WORK_PACKAGE },
        parameters: { seconds: 0, padding: "x".repeat(LARGE_PARAMETERS_BYTES) },
      }),
    ]);
    const jobs = await Promise.all(jobIds.map((jobId) => succeeded(rehearsal, jobId)));
    for (const { jobId, jobName } of jobs) {
      const artifacts = await client.monitoring.getArtifacts(jobId);
      expect(artifacts.length > 0, `${jobName} left no artifact.`);
      const { stream } = await client.monitoring.openArtifact(jobId, artifacts[0]?.path ?? "");
      const content = await new Response(stream).text();
      expect(content.length > 0, `${jobName} left an empty artifact.`);
      if (jobName === "high") expect(/^jobyard-job-\d+\n$/.test(content), `A job ran as ${content}.`);
    }
    const log = await client.monitoring.getLog(jobIds[4]);
    expect(log.includes("working for 0 s as jobyard-job-"), `The log says: ${log}`);
  },
};

/** More than fits beside the job. */
const LARGE_PARAMETERS_BYTES = 100_000;

const timers: Step<Rehearsal> = {
  name: "timers",
  title: "Timers of deployed packages run by their schedule.",
  needs: ["boot"],
  machines: true,
  async run({ client }) {
    await until("a run by schedule has succeeded", 150, async () => {
      for await (const { isRunning, lastScheduledAt, lastResult, lastJobId } of client.timers.list(TENANT)) {
        if (isRunning || lastScheduledAt === undefined || lastResult !== "succeeded" || lastJobId === undefined)
          continue;
        const { parameters } = await client.monitoring.getJob(lastJobId);
        if ((parameters as { readonly trigger?: string }).trigger === "schedule") return true;
      }
      return false;
    });
  },
};

const kill: Step<Rehearsal> = {
  name: "kill",
  title: "A worker that is killed starts again, and its job runs again.",
  needs: ["samples"],
  machines: true,
  async run(rehearsal) {
    const jobId = await submitWork(rehearsal, "killed", 4);
    const { machine } = await machineOf(rehearsal, jobId);
    const pid = await machine.mainPid("jobyard-worker");
    await machine.exec("kill", "-KILL", String(pid));
    const job = await succeeded(rehearsal, jobId);
    expect(outcomes(job).join() === "interrupted,succeeded", `The job's starts ended as ${outcomes(job).join()}.`);
  },
};

const hang: Step<Rehearsal> = {
  name: "hang",
  title: "A worker that hangs is ended by the watchdog, and starts again.",
  needs: ["samples"],
  after: ["kill"],
  machines: true,
  async run({ pool }) {
    const member = pool.machines.at(-1);
    expect(member !== undefined, "There is no machine.");
    const { machine } = member;
    const pid = await machine.mainPid("jobyard-worker");
    // The worker itself: the main process only passes on that it lives.
    await machine.exec("pkill", "-STOP", "--parent", String(pid));
    await until("another worker process runs", WATCHDOG_SECONDS, async () => {
      const now = await machine.mainPid("jobyard-worker");
      return now !== 0 && now !== pid;
    });
  },
};

const reboot: Step<Rehearsal> = {
  name: "reboot",
  title: "A machine that is restarted works again.",
  needs: ["boot"],
  after: ["hang"],
  machines: true,
  async run(rehearsal) {
    const member = rehearsal.pool.machines.at(-1);
    expect(member !== undefined, "There is no machine.");
    const before = (await workerOf(rehearsal, member))?.startedAt ?? "";
    await member.machine.reboot();
    await until(`${member.workerId} works again`, 90, async () => {
      const worker = await workerOf(rehearsal, member);
      return worker?.state === "running" && worker.startedAt > before;
    });
  },
};

const release: Step<Rehearsal> = {
  name: "release",
  title: "A new release leaves a running job alone, and takes over when it has ended.",
  needs: ["samples"],
  after: ["kill"],
  machines: true,
  run: (rehearsal) => deployUnderJob(rehearsal, "second"),
};

const rollback: Step<Rehearsal> = {
  name: "rollback",
  title: "The release before comes back in the same way.",
  needs: ["release"],
  machines: true,
  run: (rehearsal) => deployUnderJob(rehearsal, ""),
};

async function deployUnderJob(rehearsal: Rehearsal, text: string): Promise<void> {
  const { stack, client } = rehearsal;
  const jobId = await submitWork(rehearsal, `under-release-${text || "first"}`, 20);
  const member = await machineOf(rehearsal, jobId);
  const before = (await workerOf(rehearsal, member))?.version;
  await stack.writeRelease(text);
  await rehearsal.deploy();
  const job = await succeeded(rehearsal, jobId);
  expect(job.history.length === 1, `The job was started ${job.history.length} times.`);
  await until(`${member.workerId} runs the other release`, 90, async () => {
    const worker = await workerOf(rehearsal, member);
    return worker !== undefined && worker.state === "running" && worker.version !== before;
  });
  await client.monitoring.getMe();
}

const silence: Step<Rehearsal> = {
  name: "silence",
  title: `A data account that answers nothing for ${SILENCE_MS / 1_000} s loses and doubles no job.`,
  needs: ["samples"],
  after: ["rollback", "reboot"],
  machines: true,
  async run(rehearsal) {
    const { cloud, estate } = rehearsal;
    const jobIds = await Promise.all([0, 1, 2, 3].map((index) => submitWork(rehearsal, `silence-${index}`, 3)));
    const account = estate().site.settings["JOBYARD_STORAGE_ACCOUNT"] ?? "";
    const end = cloud.storage.silence(account);
    await sleep(SILENCE_MS);
    end();
    const jobs = await Promise.all(jobIds.map((jobId) => succeeded(rehearsal, jobId, 180)));
    for (const job of jobs) {
      const ends = outcomes(job).filter((outcome) => outcome !== "interrupted");
      expect(ends.join() === "succeeded", `${job.jobName}'s starts ended as ${outcomes(job).join()}.`);
    }
  },
};

const notice: Step<Rehearsal> = {
  name: "notice",
  title: "A machine that is told of its end hands its work on, and approves.",
  needs: ["samples"],
  after: ["silence", "attack-reach"],
  machines: true,
  async run(rehearsal) {
    const jobId = await submitWork(rehearsal, "noticed", 8);
    const member = await machineOf(rehearsal, jobId);
    expect(await rehearsal.pool.terminate(member), "The machine did not approve its end.");
    await succeeded(rehearsal, jobId);
  },
};

const LOAD_COUNT = 24;

const scale: Step<Rehearsal> = {
  name: "scale",
  title: "Autoscale takes the pool from nothing to its peak and back under load; no job is lost or run twice.",
  needs: ["boot"],
  after: ["notice", "recovery", "timers"],
  machines: true,
  async run(rehearsal) {
    const { pool, cloud, busAdmin, estate, client, maxMachines } = rehearsal;
    await Promise.all(pool.machines.map((machine) => pool.terminate(machine)));
    // Their runs would keep the pool awake.
    for await (const timer of client.timers.list(TENANT)) await client.timers.pause(timer);
    const [scaleSet] = estate().scaleSets;
    expect(scaleSet?.autoscale !== undefined, "The pool has no autoscale.");
    const ended = new AbortController();
    const scaling = autoscale(
      {
        plan: scaleSet.autoscale,
        pool,
        depth: async (queue) => (await busAdmin.getQueueRuntimeProperties(queue)).activeMessageCount,
        isProtected: ({ instance }) => cloud.resourceManager.isProtected(instance.resourceId),
        minuteMs: MINUTE_MS,
        maxMachines,
      },
      ended.signal,
    );
    const working = async (): Promise<void> => {
      const names = Array.from({ length: LOAD_COUNT }, (_, index) => `load-${index}`);
      const jobIds = await Promise.all(names.map((name) => submitWork(rehearsal, name, 4)));
      const jobs = await Promise.all(jobIds.map((jobId) => succeeded(rehearsal, jobId, 240)));
      for (const job of jobs) expect(job.history.length === 1, `${job.jobName} ran ${job.history.length} times.`);
      await until("the pool is empty again", 180, () => pool.machines.length === 0);
    };
    const [{ peak, unready }] = await Promise.all([scaling, working().finally(() => ended.abort())]);
    expect(peak > 1, `The pool grew to ${peak} only.`);
    expect(unready === 0, `${unready} machines did not approve their end.`);
  },
};

const tokens: Step<Rehearsal> = {
  name: "tokens",
  title: "Tokens have expired and were renewed, and nothing was refused for it.",
  needs: ["samples"],
  after: ["scale", "recovery"],
  machines: true,
  async run({ cloud, client }) {
    expect(cloud.tokens.issuedCount > TOKENS_MIN, `Only ${cloud.tokens.issuedCount} tokens were asked for.`);
    const refused = cloud.access.denials.filter(({ who }) => who === "without a usable token");
    expect(refused.length === 0, `Refused for their token: ${refused.map(({ resource }) => resource).join(", ")}.`);
    await client.monitoring.getMe();
  },
};

/** Each program asks once for each service; more are renewals. */
const TOKENS_MIN = 20;

const destroy: Step<Rehearsal> = {
  name: "destroy",
  title: "Everything goes that was made.",
  needs: [],
  after: ["roles", "packages", "api", "recovery", "timers", "scale", "tokens", "notice"],
  async run({ stack, cloud, pool }) {
    await pool.stop();
    await cloud.site.stop();
    await stack.destroy();
    const left = Object.keys(stack.cloud);
    expect(left.length === 0, `Left: ${left.join(", ")}.`);
  },
};

export const STEPS: readonly Step<Rehearsal>[] = [
  ...[roles, packages, api, purge, boot, samples, timers, recovery],
  ...[kill, hang, release, rollback, reboot, silence, ...ATTACK_STEPS, notice, scale, tokens, destroy],
];
