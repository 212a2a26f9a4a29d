/** Steps on worker machines: first boot, jobs, crashes, releases, scale. */
import { setTimeout as sleep } from "node:timers/promises";
import { autoscale } from "../cloud/autoscaler.ts";
import {
  expect,
  expectOneStart,
  machineOf,
  outcomes,
  submitWork,
  succeeded,
  WORK_PACKAGE,
  workerOf,
  type Rehearsal,
} from "./rehearsal.ts";
import { publishedNames } from "./service-steps.ts";
import { until, type Step } from "./step.ts";

/** The time of systemd's watchdog, and of ending and restarting the unit. */
const WATCHDOG_SECONDS = 60 + 40;
/** The sweeper checks batches without changes for a minute. docs/reliability.md */
const RECOVERY_SECONDS = 300;
const SILENCE_MS = 30_000;
/** Azure's minute in the autoscale step. */
const MINUTE_MS = 700;

export const recovery: Step<Rehearsal> = {
  name: "recovery",
  title: `Jobs without messages run within ${RECOVERY_SECONDS} s, each once.`,
  needs: ["purge", "boot"],
  machines: true,
  async run(rehearsal) {
    const { jobIds, since } = rehearsal.bereft;
    const left = RECOVERY_SECONDS - (performance.now() - since) / 1_000;
    const jobs = await Promise.all(jobIds.map((jobId) => succeeded(rehearsal, jobId, Math.max(1, left))));
    for (const job of jobs) expectOneStart(job);
  },
};

export const boot: Step<Rehearsal> = {
  name: "boot",
  title: "A new machine installs itself with cloud-init, and its worker takes jobs.",
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

export const sampleJobs: Step<Rehearsal> = {
  name: "samples",
  title:
    "Jobs of samples run as another user than the worker, with a setting, log and artifacts, and are retried if they fail.",
  needs: ["boot"],
  machines: true,
  async run(rehearsal) {
    const { client, tenantName } = rehearsal;
    const submit = (jobType: string, jobProcessorPackageName: string, parameters: object): Promise<string> =>
      client.management.submitJob({ tenantName, jobType, jobName: jobType, jobProcessorPackageName, parameters });
    // A fork that has removed a sample rehearses without it.
    const published = await publishedNames(rehearsal);
    const samples = SAMPLE_JOBS.filter(([, packageName]) => published.includes(packageName));
    const low = await submitWork(rehearsal, "low", 0, { priority: "low", jobType: "WorkTwice" });
    const others = await Promise.all([
      ...samples.map((sample) => submit(...sample)),
      submitWork(rehearsal, "high", 0, { priority: "high", jobType: "WorkTwice" }),
      submit("Work", WORK_PACKAGE, { seconds: 0, padding: "x".repeat(LARGE_PARAMETERS_BYTES) }),
    ]);
    const jobs = await Promise.all([low, ...others].map((jobId) => succeeded(rehearsal, jobId)));
    for (const { jobId, jobName } of jobs) {
      const artifacts = await client.monitoring.getArtifacts(jobId);
      expect(artifacts.length > 0, `${jobName} has no artifact.`);
      const { stream } = await client.monitoring.openArtifact(jobId, artifacts[0]?.path ?? "");
      const content = await new Response(stream).text();
      expect(content.length > 0, `${jobName} has an empty artifact.`);
      if (jobName === "high") expect(/^jobyard-job-\d+\n$/.test(content), `A job ran as ${content}.`);
    }
    const log = await client.monitoring.getLog(low);
    expect(log.includes("working for 0 s as jobyard-job-"), `The log is: ${log}`);
  },
};

/** Jobs of samples that need nothing else: type, package, parameters. */
const SAMPLE_JOBS: readonly (readonly [string, string, object])[] = [
  ["FinancialYearEnd", "financial-year-end.zip", { year: 2025 }],
  ["Documents", "documents.zip", { date: "2026-01-31", from: 1, count: 3 }],
  ["LogSummary", "shell-tool.zip", { log: "webshop-log.txt", top: 5 }],
  ["Thumbnails", "thumbnails.zip", { image: "bubbles-1.jpg", sizes: [64] }],
];

/** Too large to be stored in the job's row. */
const LARGE_PARAMETERS_BYTES = 100_000;

export const timers: Step<Rehearsal> = {
  name: "timers",
  title: "Timers of deployed packages run by their schedule.",
  needs: ["boot"],
  machines: true,
  async run(rehearsal) {
    const { client, tenantName } = rehearsal;
    // The packages of a fork may have no timers; this sample has two.
    const mustHaveTimers = (await publishedNames(rehearsal)).includes("metadata-export.zip");
    const names: string[] = [];
    for await (const { timerName } of client.timers.list(tenantName)) names.push(timerName);
    if (names.length === 0 && !mustHaveTimers) return;
    await until("a scheduled run has succeeded", 150, async () => {
      for await (const { isRunning, lastScheduledAt, lastResult, lastJobId } of client.timers.list(tenantName)) {
        if (isRunning || lastScheduledAt === undefined || lastResult !== "succeeded" || lastJobId === undefined)
          continue;
        const { parameters } = await client.monitoring.getJob(lastJobId);
        if ((parameters as { readonly trigger?: string }).trigger === "schedule") return true;
      }
      return false;
    });
  },
};

export const kill: Step<Rehearsal> = {
  name: "kill",
  title: "A killed worker starts again, and its job runs again.",
  needs: ["samples"],
  machines: true,
  async run(rehearsal) {
    const jobId = await submitWork(rehearsal, "killed", 60);
    const { machine } = await machineOf(rehearsal, jobId);
    const pid = await machine.mainPid("jobyard-worker");
    await machine.exec("kill", "-KILL", String(pid));
    const job = await succeeded(rehearsal, jobId);
    expect(outcomes(job).join() === "interrupted,succeeded", `The job's executions ended as ${outcomes(job).join()}.`);
  },
};

export const hang: Step<Rehearsal> = {
  name: "hang",
  title: "The watchdog ends a worker that hangs, and it starts again.",
  needs: ["samples"],
  // A frozen worker keeps its messages until their locks end. These must not include jobs of other steps.
  after: ["kill", "rollback", "recovery"],
  machines: true,
  async run({ pool }) {
    const member = pool.machines.at(-1);
    expect(member !== undefined, "There is no machine.");
    const { machine } = member;
    const pid = await machine.mainPid("jobyard-worker");
    // The worker itself, because the main process only forwards its signs of life.
    await machine.exec("pkill", "-STOP", "--parent", String(pid));
    await until("another worker process runs", WATCHDOG_SECONDS, async () => {
      const now = await machine.mainPid("jobyard-worker");
      return now !== 0 && now !== pid;
    });
  },
};

export const reboot: Step<Rehearsal> = {
  name: "reboot",
  title: "A restarted machine works again.",
  needs: ["boot"],
  after: ["hang"],
  machines: true,
  async run(rehearsal) {
    const member = rehearsal.pool.machines.at(-1);
    expect(member !== undefined, "There is no machine.");
    await member.machine.reboot();
    const before = new Date().toISOString();
    await until(`${member.workerId} works again`, 90, async () => {
      const worker = await workerOf(rehearsal, member);
      return worker?.state === "running" && worker.startedAt > before;
    });
  },
};

export const release: Step<Rehearsal> = {
  name: "release",
  title: "A new release does not interrupt a running job, and starts after it.",
  needs: ["samples"],
  after: ["kill"],
  machines: true,
  run: (rehearsal) => deployUnderJob(rehearsal, "second"),
};

export const rollback: Step<Rehearsal> = {
  name: "rollback",
  title: "The previous release returns in the same way.",
  needs: ["release"],
  machines: true,
  run: (rehearsal) => deployUnderJob(rehearsal, ""),
};

async function deployUnderJob(rehearsal: Rehearsal, text: string): Promise<void> {
  const { project, client } = rehearsal;
  const jobId = await submitWork(rehearsal, `under-release-${text || "first"}`, 20);
  const member = await machineOf(rehearsal, jobId);
  const before = (await workerOf(rehearsal, member))?.version;
  await project.writeRelease(text);
  await rehearsal.deploy();
  const job = await succeeded(rehearsal, jobId);
  expectOneStart(job);
  await until(`${member.workerId} runs the other release`, 90, async () => {
    const worker = await workerOf(rehearsal, member);
    return worker !== undefined && worker.state === "running" && worker.version !== before;
  });
  await client.monitoring.getMe();
}

export const silence: Step<Rehearsal> = {
  name: "silence",
  title: `No job is lost or runs twice if the data account does not answer for ${SILENCE_MS / 1_000} s.`,
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

export const notice: Step<Rehearsal> = {
  name: "notice",
  title: "A machine with a terminate notice hands back its jobs and approves.",
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

export const scale: Step<Rehearsal> = {
  name: "scale",
  title: "Under load, the pool grows from zero to its peak and shrinks again. No job is lost or runs twice.",
  needs: ["boot"],
  after: ["notice", "recovery", "timers"],
  machines: true,
  async run(rehearsal) {
    const { pool, cloud, busAdmin, estate, client, tenantName, maxMachines } = rehearsal;
    await Promise.all(pool.machines.map((machine) => pool.terminate(machine)));
    // Their runs would keep the pool busy.
    for await (const timer of client.timers.list(tenantName)) await client.timers.pause(timer);
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
      for (const job of jobs) expectOneStart(job);
      await until("the pool is empty again", 180, () => pool.machines.length === 0);
    };
    const [{ peak, unready }] = await Promise.all([scaling, working().finally(() => ended.abort())]);
    expect(peak > 1, `The pool grew only to ${peak}.`);
    expect(unready === 0, `${unready} machines did not approve their end.`);
  },
};
