/**
 * A worker machine: a container with systemd, set up by cloud-init from the scale set's own custom data. Two things in
 * that document are changed: the source of Node, and the certificates that TLS trusts.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { inCgroup } from "./cgroups.ts";
import { command } from "./command.ts";
import { BRIDGE } from "./network.ts";
import { until } from "../steps/step.ts";

export interface MachineOptions {
  /** Host name, unique in this run. */
  readonly name: string;
  /** With the length of the subnet: `10.20.4.4/22`. */
  readonly address: string;
  readonly gateway: string;
  readonly customData: string;
  /** Layers of the file system, the upper first. */
  readonly layers: readonly string[];
  /** The folder for what the machine writes. */
  readonly folder: string;
  readonly node: NodeSource;
}

/** The address from which the machine downloads Node. */
export interface NodeSource {
  readonly url: string;
  readonly sha256: string;
}

export interface Machine {
  readonly name: string;
  /** Runs a program in the machine and returns its output. Rejects if it fails. */
  exec(...args: readonly string[]): Promise<string>;
  /** The main process of a unit. 0: none. */
  mainPid(unit: string): Promise<number>;
  /** Resolves when it has shut down and begun to start again. */
  reboot(): Promise<void>;
  /** Shuts the machine down, and kills it after the time. */
  stop(afterMs: number): Promise<void>;
  readonly consoleFile: string;
}

/** Inside the machine. */
const CA_FILE = "/usr/local/share/ca-certificates/rehearsal.crt";

const documentSchema = z.looseObject({
  write_files: z.array(z.looseObject({ path: z.string(), content: z.string() })),
});
const SETTINGS_FILE = "/etc/jobyard/worker.env";

/** Shared by all machines of a run: trusted certificates, host names, and a cloud-init that reads its own disk. */
export async function prepareLayer(
  tree: string,
  folder: string,
  { ca, hosts }: { readonly ca: string; readonly hosts: string },
): Promise<string> {
  const upper = join(folder, "layer");
  const root = await mountLayers(join(folder, "layer-root"), upper, [tree]);
  await write(root, CA_FILE, ca);
  await write(root, "/etc/hosts", hosts);
  await write(
    root,
    "/etc/cloud/cloud.cfg.d/99-rehearsal.cfg",
    "datasource_list: [NoCloud]\nnetwork: {config: disabled}\n",
  );
  await command("chroot", root, "update-ca-certificates");
  const units = ["systemd-networkd", "systemd-networkd-wait-online", "cloud-init-local", "cloud-init"];
  await command("chroot", root, "systemctl", "enable", ...units, "cloud-config", "cloud-final");
  await command("umount", root);
  return upper;
}

export async function bootMachine(options: MachineOptions): Promise<Machine> {
  const { name, folder } = options;
  const root = await mountLayers(join(folder, "root"), join(folder, "upper"), options.layers);
  const seed = "/var/lib/cloud/seed/nocloud";
  await write(root, `${seed}/user-data`, rehearsedCustomData(options.customData, options.node));
  await write(root, `${seed}/meta-data`, `instance-id: ${name}\nlocal-hostname: ${name}\n`);
  await write(
    root,
    // Before systemd's own file for containers.
    "/etc/systemd/network/10-host0.network",
    `[Match]\nName=host0\n[Network]\nAddress=${options.address}\nGateway=${options.gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n`,
  );
  const consoleFile = join(folder, "console.log");
  let container = await startContainer(name, root, consoleFile);
  /** Runs until the machine is powered off. A restart of the machine is a new start of the container. */
  const ended = (async (): Promise<void> => {
    while ((await exitCode(container)) === REBOOT_CODE) container = await startContainer(name, root, consoleFile);
  })();

  async function leader(): Promise<string> {
    const pid = String(container.pid);
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    const [first] = children.trim().split(" ");
    if (!first) throw new Error(`The machine ${name} is not running; its console: ${consoleFile}`);
    return first;
  }
  const machine: Machine = {
    name,
    consoleFile,
    exec: async (...args) => command("nsenter", "--target", await leader(), "--all", "--", ...args),
    async mainPid(unit) {
      const text = await machine.exec("systemctl", "show", "--property=MainPID", "--value", unit);
      return Number(text);
    },
    async reboot() {
      const before = await leader();
      await machine.exec("systemctl", "reboot", "--no-block");
      await until(`${name} starts again`, REBOOT_SECONDS, async () => (await leader()) !== before);
    },
    async stop(afterMs) {
      // Sends the machine's systemd the signal to power off.
      container.kill("SIGTERM");
      const timer = setTimeout(() => container.kill("SIGKILL"), afterMs);
      await ended;
      clearTimeout(timer);
    },
  };
  return machine;
}

/** The time for the worker to end its jobs, plus the time to stop. */
const REBOOT_SECONDS = 120;
/** systemd-nspawn's exit code for a machine that restarts. */
const REBOOT_CODE = 133;

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}

async function startContainer(name: string, root: string, consoleFile: string): Promise<ChildProcess> {
  const log = openSync(consoleFile, "a");
  const options = ["--quiet", "--register=no", "--keep-unit", "--boot", "--console=read-only"];
  const place = [`--machine=${name}`, `--directory=${root}`, `--network-bridge=${BRIDGE}`];
  const [program = "", ...args] = await inCgroup(name, ["systemd-nspawn", ...options, ...place]);
  return spawn(program, args, { stdio: ["ignore", log, log] });
}

async function mountLayers(root: string, upper: string, lower: readonly string[]): Promise<string> {
  const work = `${upper}-work`;
  for (const folder of [root, upper, work]) await mkdir(folder, { recursive: true });
  const options = `lowerdir=${lower.join(":")},upperdir=${upper},workdir=${work}`;
  await command("mount", "-t", "overlay", "overlay", "-o", options, root);
  return root;
}

async function write(root: string, path: string, content: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

/** The scale set's document, with Node from this machine and trust in this run's certificates. */
export function rehearsedCustomData(customData: string, node: NodeSource): string {
  const [firstLine = "", ...rest] = customData.split("\n");
  const document = documentSchema.parse(JSON.parse(rest.join("\n")));
  for (const file of document.write_files) {
    if (file.path !== SETTINGS_FILE) continue;
    file.content = [
      ...file.content
        .trimEnd()
        .split("\n")
        .filter((line) => !/^JOBYARD_NODE_(?:URL|SHA256)=/.test(line)),
      `JOBYARD_NODE_URL="${node.url}"`,
      `JOBYARD_NODE_SHA256="${node.sha256}"`,
      `NODE_EXTRA_CA_CERTS="${CA_FILE}"`,
      "",
    ].join("\n");
  }
  return `${firstLine}\n${JSON.stringify(document)}\n`;
}
