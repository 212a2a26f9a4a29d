/** The network of a rehearsal, in its own namespace: a bridge for Azure, its subnets and its addresses. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { APP_IDENTITY_ADDRESS, gatewayOf, METADATA_ADDRESS, PUBLIC_ADDRESS } from "./addresses.ts";
import { command } from "./command.ts";

/** Machines and apps are connected to it. */
export const BRIDGE = "azure0";
/**
 * A bridge without an address uses the lowest of its ports' addresses, which changes when a port is added or removed.
 * Then every machine sends to the old one until its ARP entry expires half a minute later.
 */
const BRIDGE_MAC = "02:00:00:00:00:01";

const ip = (...args: readonly string[]): Promise<string> => command("ip", ...args);

/** New namespaces have no network, not even loopback, and show the host's /run, which must not be written to. */
export async function preparePlace(): Promise<void> {
  await ip("link", "set", "lo", "up");
  await command("mount", "-t", "tmpfs", "tmpfs", "/run");
}

/** Throws unless this process has its own network namespace, where changes are safe. */
export async function createNetwork(subnets: ReadonlyMap<string, string>): Promise<void> {
  await ip("link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge");
  await ip("link", "set", BRIDGE, "up");
  const gateways = [...subnets.values()].map(gatewayOf).map(({ address, bits }) => `${address}/${bits}`);
  const single = [PUBLIC_ADDRESS, METADATA_ADDRESS, APP_IDENTITY_ADDRESS].map((address) => `${address}/32`);
  for (const address of [...gateways, ...single]) await ip("address", "add", address, "dev", BRIDGE);
}

/** The addresses of Azure's names, as lines of a hosts file. */
export const hostLines = (names: readonly string[]): string =>
  ["127.0.0.1 localhost", ...names.map((name) => `${PUBLIC_ADDRESS} ${name}`), ""].join("\n");

/** Makes this namespace, and only this one, resolve names with these lines. */
export async function useHosts(lines: string, folder: string): Promise<void> {
  const file = join(folder, "hosts");
  await writeFile(file, lines);
  await command("mount", "--bind", file, "/etc/hosts");
}

export interface ConnectedProcess {
  readonly child: ChildProcess;
  readonly address: string;
}

export interface ConnectedProcessOptions {
  /** The name of its network device on our side, of 15 characters at most. */
  readonly device: string;
  readonly address: string;
  readonly prefix: string;
  /** A line for the shell. */
  readonly commandLine: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** A file descriptor. */
  readonly output: number;
}

/** Starts a program with its own address, as a container of App Service has one. */
export async function startConnected(options: ConnectedProcessOptions): Promise<ConnectedProcess> {
  const { device, address, prefix, commandLine, cwd, env, output } = options;
  const own = await readlink("/proc/self/ns/net");
  // The program waits for a line, which it gets when its network exists.
  const script = 'read -r _ && exec sh -c "$0"';
  const child = spawn("unshare", ["--net", "--", "sh", "-c", script, commandLine], {
    cwd,
    env,
    stdio: ["pipe", output, output],
  });
  await once(child, "spawn");
  const pid = String(child.pid);
  while ((await readlink(`/proc/${pid}/ns/net`)) === own) await sleep(5);
  const { address: gateway, bits } = gatewayOf(prefix);
  await ip("link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", pid);
  await ip("link", "set", device, "master", BRIDGE, "up");
  const inside = (...args: readonly string[]): Promise<string> =>
    command("nsenter", "--target", pid, "--net", "--", "ip", ...args);
  await inside("link", "set", "lo", "up");
  await inside("address", "add", `${address}/${bits}`, "dev", "eth0");
  await inside("link", "set", "eth0", "up");
  await inside("route", "add", "default", "via", gateway);
  child.stdin?.end("\n");
  return { child, address };
}
