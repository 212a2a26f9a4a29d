/**
 * Attacks of hostile jobs on a deployed machine, with its real systemd, units and users, and their required outcomes.
 */
import { join } from "node:path";
import { packPackage } from "../../../runtime/package/build/pack.ts";
import { WORKER_HEALTH } from "../../../runtime/core/settings/machine-settings.ts";
import type { JobView } from "../../../runtime/core/http/views.ts";
import type { PoolMachine } from "../cloud/pool.ts";
import { expect, expectOneStart, machineOf, workerOf, type Rehearsal } from "./rehearsal.ts";
import { until, type Step } from "./step.ts";

const PACKAGE = "attack.zip";
const WORKER = "jobyard-worker";
/** systemd acts on a message at once. */
const REACTION_MS = 3_000;
const LIMIT_SECONDS = 120;

const submit = (
  { client, tenantName }: Rehearsal,
  jobName: string,
  script: string,
  timeoutMs?: number,
): Promise<string> =>
  client.management.submitJob({
    ...{ tenantName, jobType: "Attack", jobName, jobProcessorPackageName: PACKAGE, parameters: { script } },
    ...(timeoutMs !== undefined && { timeoutMs }),
  });

interface Ended {
  readonly job: JobView;
  readonly log: string;
}

/** Runs a script as a job, whether it succeeds or fails. */
async function attack(rehearsal: Rehearsal, name: string, script: string, timeoutMs?: number): Promise<Ended> {
  const jobId = await submit(rehearsal, name, script, timeoutMs);
  const job = await rehearsal.client.waitForJob(jobId, { signal: AbortSignal.timeout(LIMIT_SECONDS * 1_000) });
  expectOneStart(job);
  return { job, log: await rehearsal.client.monitoring.getLog(jobId) };
}

/** The state of each machine's worker unit, as one line. */
const unitsOf = async (machines: readonly PoolMachine[]): Promise<string> =>
  (
    await Promise.all(
      machines.map(({ machine }) =>
        machine.exec("systemctl", "show", "--property=MainPID,NRestarts,ActiveState,SubState,StatusText", WORKER),
      ),
    )
  ).join("\n");

/** The processes of jobs by machine, without the spare ones. */
const jobProcesses = async ({ machine }: PoolMachine): Promise<string> =>
  machine.exec("sh", "-c", "ps -eo group:20,pid,args | grep '^jobyard-job ' | grep -v 'host.cjs' || true");

/** Sends datagrams to systemd, as sd_notify does. */
const NOTIFY = `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for text in ("WATCHDOG=trigger", "STOPPING=1", "RELOADING=1", "MAINPID=%d" % os.getpid(), "STATUS=owned", "ERRNO=1", "FDSTORE=1"):
    try:
        s.sendto(text.encode(), "/run/systemd/notify")
        print("sent", text)
    except OSError as error:
        print("not sent", text, error)`;

const notify: Step<Rehearsal> = {
  name: "attack-notify",
  title: "systemd accepts no message from a job: the worker and all other jobs continue.",
  needs: ["samples"],
  // Other steps end workers, which would look here like the effect of the job.
  after: ["kill", "hang", "release", "rollback", "reboot", "silence"],
  machines: true,
  async run(rehearsal) {
    const { pool, client, tenantName } = rehearsal;
    const { zip } = await packPackage({
      directory: join(import.meta.dirname, "../attack-package"),
      target: { os: "linux", arch: "x64", libc: "glibc" },
    });
    await client.management.publishPackage(tenantName, PACKAGE, new Uint8Array(zip));
    const before = await unitsOf(pool.machines);
    const { job, log } = await attack(
      rehearsal,
      "notify",
      `python3 - <<'E'\n${NOTIFY}\nE\nsleep ${REACTION_MS / 1_000}`,
    );
    expect(job.state === "succeeded", `The job ${job.state}: ${log}`);
    expect(log.includes("sent MAINPID"), `The job sent nothing: ${log}`);
    const after = await unitsOf(pool.machines);
    expect(after === before, `The units were ${before} and are now ${after}.`);
  },
};

const outlive: Step<Rehearsal> = {
  name: "attack-outlive",
  title: "No process or file outlives its job: no daemon without an environment, no fork bomb, no file in /tmp.",
  needs: ["attack-notify"],
  machines: true,
  async run(rehearsal) {
    const { pool } = rehearsal;
    const daemon = `env -i setsid /bin/sh -c 'setsid sh -c "sleep 600" & exit 0' >/dev/null 2>&1 </dev/null; touch /tmp/left`;
    expect((await attack(rehearsal, "daemon", daemon)).job.state === "succeeded", "The daemon's job failed.");
    // `exec`: a shell that cannot start one more process would fail before its time is over.
    const bomb = await attack(rehearsal, "bomb", `b() { b | b & }; b 2>/dev/null; exec sleep 600`, 5_000);
    expect(
      bomb.job.failure?.code === "JobTimedOut",
      `The fork bomb ${bomb.job.state}: ${bomb.job.failure?.code ?? ""}`,
    );
    for (const member of pool.machines) {
      const left = await jobProcesses(member);
      expect(left === "", `Processes that still run on ${member.workerId}: ${left}`);
    }
    const { log } = await attack(rehearsal, "after", "ls /tmp; echo fine");
    expect(log.includes("fine") && !log.includes("left"), `The next job found: ${log}`);
  },
};

/** Prints a word for each access. All must be closed. */
const accesses = (worker: number, node: number, neighbour: string): string => `
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "OPEN $name"; else echo "closed $name"; fi; }
try settings cat /etc/jobyard/worker.env
try run-as cat /proc/${worker}/environ
try environment cat /proc/${node}/environ
try memory dd if=/proc/${node}/mem bs=1 count=1
try descriptors ls /proc/${node}/fd
try seen ls -d /proc/${node}
try signal kill -0 ${node}
try stop kill -STOP ${worker}
try worker-folder ls /var/lib/jobyard
try attempts ls /var/lib/jobyard/attempts
try packages ls /var/lib/jobyard/packages
try journal cat /var/lib/jobyard/claims
try neighbour-folder ls ${neighbour}
try neighbour-secret cat ${neighbour}/secret
try neighbour-write touch ${neighbour}/mine
try more-rights setpriv --reuid 0 true
try group setpriv --regid 0 --clear-groups true
try device head -c 0 /dev/kmsg
reach() { try "$1" node -e 'const s = require("net").connect({ host: process.argv[1], port: process.argv[2] }, () => process.exit(0)); s.on("error", () => process.exit(1)); setTimeout(() => process.exit(1), 3000)' "$2" \${3:-80}; }
reach metadata 169.254.169.254
reach platform 168.63.129.16
reach metadata-by-ipv6 ::ffff:169.254.169.254
reach platform-by-ipv6 ::ffff:168.63.129.16
reach health 127.0.0.1 ${WORKER_HEALTH.port}
echo all tried; echo "user $(id -un)"; ls -l /proc/self/fd`;
const ACCESS_COUNT = 23;

const reach: Step<Rehearsal> = {
  name: "attack-reach",
  title: "A job reaches neither the worker, nor the job of another slot, nor the platform. Each job has its own user.",
  needs: ["attack-outlive"],
  machines: true,
  async run(rehearsal) {
    const { pool, client } = rehearsal;
    await Promise.all(pool.machines.map((member) => addSlot(rehearsal, member)));
    // Fills all slots but one, so that the next job has a neighbour.
    const victims = await Promise.all(
      pool.machines
        .flatMap((member) => [member, member])
        .slice(1)
        .map((_member, index) => submit(rehearsal, `victim-${index}`, VICTIM)),
    );
    const members = await Promise.all(victims.map((jobId) => machineOf(rehearsal, jobId)));
    const target = pool.machines.find((one) => members.filter((other) => other === one).length === 1);
    expect(target !== undefined, "No machine has both a free and a busy slot.");
    const { machine } = target;
    const secret = await until("the victim has its secret", 20, async () => {
      const found = await machine.exec("sh", "-c", "ls /var/lib/jobyard/attempts/*/work/secret 2>/dev/null || true");
      return found.trim() || undefined;
    });
    const main = await machine.mainPid(WORKER);
    const [node = ""] = (await machine.exec("pgrep", "--parent", String(main))).trim().split("\n");
    const script = accesses(main, Number(node), secret.replace(/\/secret$/, ""));
    const { job, log } = await attack(rehearsal, "accesses", script);
    expect(job.workerId === target.workerId, `The job ran on ${job.workerId ?? "no machine"}, not ${target.workerId}.`);
    expect(job.state === "succeeded" && log.includes("all tried"), `The job ${job.state}: ${log}`);
    expect(!log.includes("OPEN"), `Accesses were open: ${log}`);
    expect(log.split("closed ").length - 1 === ACCESS_COUNT, `Not every access was tried: ${log}`);
    // The neighbour ran all the time.
    expect((await machine.exec("cat", secret)).trim() === "mine", "The victim has lost its secret.");
    expect((await machine.mainPid(WORKER)) === main, "The worker was restarted.");
    const theirs = userOf(await client.monitoring.getLog(victims[members.indexOf(target)] ?? ""));
    expect(userOf(log) !== theirs, `Both jobs ran as ${theirs}.`);
    await Promise.all(victims.map((jobId) => client.management.cancelJob(jobId)));
  },
};

const VICTIM = 'echo "user $(id -un)"; echo mine >secret; sleep 600';

/** Throws if the job's log names no user. */
function userOf(log: string): string {
  const user = /user (jobyard-job-\d+)/.exec(log)?.[1];
  expect(user !== undefined, `The log names no user: ${log}`);
  return user;
}

/** Sets the worker to two slots. Its machine has users for more. */
async function addSlot(rehearsal: Rehearsal, member: PoolMachine): Promise<void> {
  const before = (await workerOf(rehearsal, member))?.startedAt ?? "";
  await member.machine.exec("sed", "-i", 's/^JOBYARD_SLOTS=.*/JOBYARD_SLOTS="2"/', "/etc/jobyard/worker.env");
  await member.machine.exec("systemctl", "restart", WORKER);
  await until(`${member.workerId} has two slots`, 90, async () => {
    const worker = await workerOf(rehearsal, member);
    return worker?.state === "running" && worker.startedAt > before && worker.slots === 2;
  });
}

export const ATTACK_STEPS: readonly Step<Rehearsal>[] = [notify, outlive, reach];
