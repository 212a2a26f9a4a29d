/**
 * The file system of the machines: a small Debian with systemd and cloud-init. It is built once from Debian's packages,
 * and cached for the user under the list of its packages.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { command } from "./command.ts";

/** Ubuntu's image has these too. cloud-init installs everything else. */
const PACKAGES: readonly string[] = [
  "ca-certificates",
  "cloud-init",
  "curl",
  "dbus",
  "iproute2",
  "nftables",
  "procps",
  "python3-minimal",
  "systemd",
  "systemd-sysv",
  "xz-utils",
];
const SUITE = "bookworm";

export const cacheFolder = (): string =>
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "jobyard", "rehearsal");

/** The folder of the tree. It may not exist yet. */
function treeFolder(): string {
  const key = createHash("sha256")
    .update([SUITE, ...PACKAGES].join(" "))
    .digest("hex")
    .slice(0, 12);
  return join(cacheFolder(), `tree-${key}`);
}

/** Builds the tree unless it exists. This takes minutes the first time, and needs root and mmdebstrap. */
export async function prepareTree(say: (line: string) => void): Promise<string> {
  const folder = treeFolder();
  if (existsSync(folder)) return folder;
  say(`Building the machines' file system in ${folder}, once; this takes minutes.`);
  await mkdir(dirname(folder), { recursive: true });
  // Under another name until it is complete.
  const half = await mkdtemp(`${folder}.half-`);
  try {
    await command("mmdebstrap", "--quiet", "--variant=minbase", `--include=${PACKAGES.join(",")}`, SUITE, half);
    await rename(half, folder);
  } catch (error) {
    await rm(half, { recursive: true, force: true });
    throw error;
  }
  return folder;
}
