/**
 * What a new worker machine does at its first boot, as a cloud-init document around the files in `infra/cloud-init`. It
 * names where the code lies, never its version: a scale set whose model changed with every release would soon have more
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
  /** Jobs that run at a time. */
  readonly slots: number;
  /** Whether jobs reach the machine's devices, such as a GPU. */
  readonly devices: boolean;
  /** What running jobs get when the worker is told to stop. */
  readonly drainSeconds: number;
  /** Whether somebody may log in; otherwise the machine does not even listen. */
  readonly ssh: boolean;
}

/** The group of all users that jobs run as, and how their names begin; `firewall.nft` shuts it in. */
export const JOB_GROUP = "jobyard-job";
/** Those users, as the worker is told. */
export const JOB_USERS = `${JOB_GROUP}-*`;
/** Above those that the system gives out, so that there is room for every slot, and the same on every machine. */
const JOB_USER_FIRST_ID = 30_001;
/** Beside one for each slot: for processes that wait ready, and for shared ones that rest. */
const JOB_USERS_BEYOND_SLOTS = 8;

/** Between the end of the drain and systemd's SIGKILL: leases are handed back, the log gets its last lines. */
const STOP_MARGIN_SECONDS = 60;

interface MachineFile {
  readonly path: string;
  readonly permissions: "0600" | "0644" | "0755";
  readonly content: string;
}

/** The same request gives the same text. JSON is YAML, and needs no quoting rules. */
export function workerCloudInit(request: CloudInitRequest): string {
  const document = { write_files: machineFiles(request), runcmd: commands(request) };
  return `#cloud-config\n${JSON.stringify(document, undefined, 2)}\n`;
}

/** Everything Jobyard puts on a machine, besides Node and its own code. */
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

/** What differs between pools in the worker's unit. */
const poolUnit = ({ drainSeconds, devices }: CloudInitRequest): string =>
  [
    "[Service]",
    `TimeoutStopSec=${drainSeconds + STOP_MARGIN_SECONDS}s`,
    ...(devices ? ["PrivateDevices=no"] : []),
    "",
  ].join("\n");

/** For sysusers.d. Users without a name of their own would do for us, but not for programs that ask who they are. */
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
  // Part of Ubuntu's image; without it no worker starts.
  ["sh", "-c", "command -v nft || { apt-get update && apt-get install -y nftables; }"],
  ["systemctl", "daemon-reload"],
  // Not waited for: from here on systemd sees to it, at this boot and at every other.
  ["systemctl", "enable", "--now", "--no-block", ...UNITS],
];

const FOLDER = join(import.meta.dirname, "../cloud-init");

const file = (path: string, name: string, permissions: MachineFile["permissions"] = "0644"): MachineFile => ({
  path,
  permissions,
  content: readFileSync(join(FOLDER, name), "utf8"),
});

/** As systemd reads it. Throws RangeError for a value that does not fit on a line. */
function environmentFile(environment: Readonly<Record<string, string>>): string {
  const lines = Object.entries(environment).map(([name, value]) => {
    if (/[\r\n]/.test(value)) throw new RangeError(`The setting ${name} must be one line.`);
    return `${name}="${value.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`;
  });
  return `${lines.join("\n")}\n`;
}
