/**
 * `npm run rehearse`: deploys a stack into a cloud on this machine and tests what a deployed system must survive. This
 * file reads the command line and prepares the folder. `inside.ts` does the rest in separate Linux namespaces. All
 * processes end with the namespaces, even if this process is killed. Lives of stacks need no namespaces.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { Command, InvalidArgumentError } from "commander";
import { makeCertificate } from "../../runtime/local/identity/certificate.ts";
import { ROOT } from "../tools/stack-graph.ts";
import { removeOldCgroups } from "./cloud/cgroups.ts";
import { CERTIFICATE_NAMES } from "./cloud/cloud.ts";
import { command } from "./cloud/command.ts";
import { cacheFolder, prepareTree } from "./cloud/machine-tree.ts";
import { FORK, runLives } from "./lives.ts";
import { isGood, reportLines, verdictLines, type Report } from "./report.ts";
import type { RehearsalRequest } from "./request.ts";

const FOLDER_PREFIX = "jobyard-rehearsal-";
/** The part that needs neither services nor machines. */
const LIFE = "life";
const MACHINES_MAX = 20;
const INTERRUPTED = 130;

interface Options {
  readonly stack?: string;
  readonly only: readonly string[];
  readonly machines: number;
  readonly keep: boolean;
  readonly json: boolean;
}

function machineCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MACHINES_MAX) return count;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MACHINES_MAX}.`);
}

const options = new Command("npm run rehearse --")
  .description("Deploys a stack into a cloud on this machine, and tests what a deployed system must survive.")
  .option("--stack <name>", "the stack; its configuration is Pulumi.<name>.yaml (default: dev; for life all)")
  .option("--only <steps>", "run these steps and those they need, separated by commas", (text) => text.split(","), [])
  .option("--machines <count>", "maximum worker machines at a time", machineCount, Math.max(3, availableParallelism()))
  .option("--keep", "keep everything running at the end, until Ctrl-C", false)
  .option("--json", "print one JSON object as the last line of standard output, and all else on standard error", false)
  .allowExcessArguments(false)
  .parse()
  .opts<Options>();

const say = (line: string): void => void (options.json ? process.stderr : process.stdout).write(`${line}\n`);
const has = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

/** Programs that machines need, by Debian package. */
const MACHINE_PROGRAMS: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  "systemd-nspawn": "systemd-container",
  ip: "iproute2",
  nft: "nftables",
};

/** The reason why no machines can start here. Undefined: they can. */
function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "Machines need root.";
  const missing = Object.entries(MACHINE_PROGRAMS).flatMap(([program, name]) => (has(program) ? [] : [name]));
  return missing.length === 0 ? undefined : `Machines need: apt-get install ${missing.join(" ")}`;
}

/** Folders of runs that were killed. */
async function removeOldFolders(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(FOLDER_PREFIX) ? name.split("-").at(-2) : undefined;
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** This Node as an archive, for the machines to download. */
async function prepareNode(): Promise<string> {
  const file = join(cacheFolder(), `node-${process.version}.tar`);
  if (existsSync(file)) return file;
  await mkdir(dirname(file), { recursive: true });
  const half = `${file}.${process.pid}`;
  const [folder, name] = [dirname(process.execPath), basename(process.execPath)];
  await command("tar", "--create", `--file=${half}`, `--directory=${folder}`, "--transform=s,^,node/bin/,", name);
  await rename(half, file);
  return file;
}

/** Deployments alone, in this process: of one stack, or of all stacks and of a fork with three pools. */
async function live(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
  try {
    const all = await stackNames();
    const stacks = options.stack === undefined ? [...all, FORK] : [options.stack];
    const { engine, verdicts } = await runLives({
      ...{ stacks, folder, forkOf: all[0] ?? "" },
      onEnd: (verdict, step) => verdictLines(verdict, step).forEach(say),
    });
    const report = { ...EMPTY_REPORT, steps: verdicts, failed: verdicts.filter(({ ok }) => !ok).length, engine };
    reportLines(report).forEach(say);
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    return isGood(report) ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const EMPTY_REPORT: Pick<Report, "denied" | "unusedGrants" | "differences"> = {
  denied: [],
  unusedGrants: [],
  differences: ["Azure and the providers are a stand-in that refuses what docs/rehearse.md lists. Nothing else runs."],
};

const stackNames = async (): Promise<readonly string[]> =>
  (await readdir(ROOT)).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []).toSorted();

async function main(): Promise<number> {
  if (options.only.includes(LIFE)) {
    if (options.only.length > 1) throw new Error(`"${LIFE}" cannot be combined with other steps: --only ${LIFE}.`);
    return live();
  }
  if (process.platform !== "linux") {
    throw new Error("The rehearsal needs Linux; on Windows, run it in WSL2. `npm run infra:graph` runs everywhere.");
  }
  await removeOldFolders();
  const why = obstacle();
  if (why !== undefined) say(`Only record and API are rehearsed, without worker machines. ${why}`);
  else await removeOldCgroups();
  const [tree, nodeArchive] = await Promise.all([why === undefined ? prepareTree(say) : undefined, prepareNode()]);
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
  try {
    const { ca, cert, key } = await makeCertificate(Date.now(), CERTIFICATE_NAMES);
    await Promise.all([
      writeFile(join(folder, "ca.pem"), ca),
      writeFile(join(folder, "server.pem"), cert),
      writeFile(join(folder, "server-key.pem"), key, { mode: 0o600 }),
    ]);
    const request: RehearsalRequest = {
      stack: options.stack ?? "dev",
      only: options.only,
      machines: why === undefined,
      maxMachines: options.machines,
      keep: options.keep,
      json: options.json,
      ...{ folder, tree, nodeArchive },
    };
    return await runInside(request, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
    if (why === undefined) await removeOldCgroups();
  }
}

/**
 * Runs in a separate network, mount and process namespace. When this process ends, the kernel kills the first process
 * there, and with it all others, their mounts and their network.
 */
async function runInside(request: RehearsalRequest, folder: string): Promise<number> {
  const namespaces = ["--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"];
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const child = spawn(
    "setpriv",
    [
      ...["--pdeathsig", "KILL", "--", "unshare", ...user, ...namespaces],
      ...[process.execPath, join(import.meta.dirname, "inside.ts"), JSON.stringify(request)],
    ],
    { stdio: "inherit", env: { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") } },
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill("SIGKILL"));
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? INTERRUPTED;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
