/**
 * The first boot of a worker machine, as a cloud-init document with the files in `infra/cloud-init`. It contains the
 * location of the code, never its version. If a scale set's model changed with every release, it would soon have more
 * models than Azure allows.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { RELEASES } from "../../runtime/core/deployment/storage-layout.ts";
import { NODE_RUNTIME } from "./node-runtime.ts";

export interface CloudInitRequest {
  /** Settings of the worker, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** Address of the container that holds the releases. */
  readonly releasesUrl: string;
  /** Number of jobs that run at a time. */
  readonly slots: number;
  /** Whether jobs can use the machine's devices, such as a GPU. */
  readonly devices: boolean;
  /** The time that running jobs get after the worker receives the stop signal. */
  readonly drainSeconds: number;
  /** Whether SSH login is possible. Otherwise the machine does not listen for SSH. */
  readonly ssh: boolean;
}

/** The group of all users that jobs run as, and the prefix of their names. `firewall.nft` restricts it. */
export const JOB_GROUP = "jobyard-job";
/** Those users, in the form of the worker's setting. */
export const JOB_USERS = `${JOB_GROUP}-*`;
/** Above the ids that the system assigns, with room for every slot, and the same on every machine. */
const JOB_USER_FIRST_ID = 30_001;
/** In addition to one for each slot: for processes that wait ready, and for idle shared ones. */
const JOB_USERS_BEYOND_SLOTS = 8;

/** The time between the end of the drain and systemd's SIGKILL, to release leases and write the last log lines. */
const STOP_MARGIN_SECONDS = 60;

interface MachineFile {
  readonly path: string;
  readonly permissions: "0600" | "0644" | "0755";
  readonly content: string;
}

/** The same request gives the same text. JSON is valid YAML and needs no quoting rules. */
export function workerCloudInit(request: CloudInitRequest): string {
  const document = { write_files: machineFiles(request), runcmd: commands(request) };
  return `#cloud-config\n${JSON.stringify(document, undefined, 2)}\n`;
}

/** All files that Jobyard puts on a machine, except Node and its own code. */
export function machineFiles(request: CloudInitRequest): readonly MachineFile[] {
  const { environment, releasesUrl, slots } = request;
  return [
    {
      path: "/etc/jobyard/worker.env",
      permissions: "0600",
      content: environmentFile({ ...environment, ...bootstrapEnvironment(releasesUrl) }),
    },
    file("/etc/jobyard/firewall.nft", "firewall.nft"),
    file("/etc/sysusers.d/jobyard.conf", "sysusers.conf"),
    { path: "/etc/sysusers.d/jobyard-jobs.conf", permissions: "0644", content: jobUsers(slots) },
    file("/usr/local/lib/jobyard/bootstrap.sh", "bootstrap.sh", "0755"),
    file("/usr/local/lib/jobyard/start-worker.py", "start-worker.py", "0755"),
    file("/etc/systemd/system/jobyard-firewall.service", "jobyard-firewall.service"),
    file("/etc/systemd/system/jobyard-worker.service", "jobyard-worker.service"),
    {
      path: "/etc/systemd/system/jobyard-worker.service.d/pool.conf",
      permissions: "0644",
      content: poolUnit(request),
    },
  ];
}

/** The differences between pools in the worker's unit. */
const poolUnit = ({ drainSeconds, devices }: CloudInitRequest): string =>
  [
    "[Service]",
    `TimeoutStopSec=${drainSeconds + STOP_MARGIN_SECONDS}s`,
    ...(devices ? ["PrivateDevices=no"] : []),
    "",
  ].join("\n");

/** For sysusers.d. Jobyard could use users without names, but some programs look up their user's name. */
const jobUsers = (slots: number): string =>
  Array.from(
    { length: slots + JOB_USERS_BEYOND_SLOTS },
    (_, index) => `u ${JOB_GROUP}-${index + 1} ${JOB_USER_FIRST_ID + index}:${JOB_GROUP}\n`,
  ).join("");

const bootstrapEnvironment = (releasesUrl: string): Readonly<Record<string, string>> => ({
  JOBYARD_RELEASES_URL: releasesUrl,
  JOBYARD_RELEASE_POINTER: RELEASES.workerPointer,
  JOBYARD_NODE_URL: NODE_RUNTIME.url,
  JOBYARD_NODE_SHA256: NODE_RUNTIME.sha256,
});

const UNITS = ["jobyard-firewall.service", "jobyard-worker.service"];

const commands = ({ ssh }: CloudInitRequest): readonly (readonly string[])[] => [
  ...(ssh ? [] : [["systemctl", "disable", "--now", "ssh.socket", "ssh.service"]]),
  ["systemd-sysusers", "/etc/sysusers.d/jobyard.conf", "/etc/sysusers.d/jobyard-jobs.conf"],
  // Part of Ubuntu's image. Without it no worker starts.
  ["sh", "-c", "command -v nft || { apt-get update && apt-get install -y nftables; }"],
  ["systemctl", "daemon-reload"],
  // cloud-init does not wait: from here on systemd starts it, at this boot and every other.
  ["systemctl", "enable", "--now", "--no-block", ...UNITS],
];

const FOLDER = join(import.meta.dirname, "../cloud-init");

const file = (path: string, name: string, permissions: MachineFile["permissions"] = "0644"): MachineFile => ({
  path,
  permissions,
  content: readFileSync(join(FOLDER, name), "utf8"),
});

/** The setting in systemd's format. Throws RangeError for a value that does not fit on one line. */
function environmentFile(environment: Readonly<Record<string, string>>): string {
  const lines = Object.entries(environment).map(([name, value]) => {
    if (/[\r\n]/.test(value)) throw new RangeError(`The setting ${name} must be one line.`);
    return `${name}="${value.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`;
  });
  return `${lines.join("\n")}\n`;
}
