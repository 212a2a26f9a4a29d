/**
 * Redis and PostgreSQL of Debian, durable, on free ports of this machine and in a folder that is removed. Installs what is
 * missing if it may.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync } from "node:fs";
import { chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../../runtime/local/ports.ts";
import { until } from "../suite.ts";

const execute = promisify(execFile);

export interface PeerServices extends AsyncDisposable {
  readonly redisPort: number;
  readonly postgresUrl: string;
  /** For the conditions of a run. */
  readonly versions: string;
}

const BENCH = join(import.meta.dirname, "..");
const isRoot = (): boolean => process.getuid?.() === 0;

/** The peers' packages are of this folder only. `npm ci` of the project does not know them. */
export async function installPeers(): Promise<void> {
  if (existsSync(join(BENCH, "node_modules/.package-lock.json"))) return;
  await execute("npm", ["ci", "--loglevel=error"], { cwd: BENCH });
}

/** Throws an Error that says what to install. */
async function installServices(): Promise<{ readonly redis: string; readonly postgres: string }> {
  const missing = [
    ...(redisServer() === undefined ? ["redis-server"] : []),
    ...(postgresFolder() === undefined ? ["postgresql"] : []),
  ];
  if (missing.length > 0) {
    if (!isRoot() || !existsSync("/usr/bin/apt-get")) {
      throw new Error(
        `Missing: ${missing.join(", ")}. Install them (Debian: apt-get install ${missing.join(" ")}), then try again.`,
      );
    }
    // The packages would start a server of their own; run level 1 prevents that.
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
    await execute("apt-get", ["update", "-qq"], { env });
    await execute("apt-get", ["install", "-qq", "-y", "--no-install-recommends", ...missing], { env });
  }
  const [redis, postgres] = [redisServer(), postgresFolder()];
  if (redis === undefined || postgres === undefined) throw new Error("redis-server or postgresql is still missing.");
  return { redis, postgres };
}

const redisServer = (): string | undefined =>
  ["/usr/bin/redis-server", "/usr/local/bin/redis-server"].find((file) => existsSync(file));
/** Debian keeps the programs of each version in a folder outside of PATH. */
const postgresFolder = (): string | undefined =>
  globSync("/usr/lib/postgresql/*/bin").find((folder) => existsSync(join(folder, "initdb")));

export async function startPeerServices(): Promise<PeerServices> {
  const { redis, postgres } = await installServices();
  const directory = await mkdtemp(join(tmpdir(), "jobyard-bench-"));
  const stops: (() => Promise<void>)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.toReversed()) await stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const [redisPort = 0, postgresPort = 0] = await freePorts(2);
    stops.push(await startRedis(redis, join(directory, "redis"), redisPort));
    stops.push(await startPostgres(postgres, join(directory, "postgres"), postgresPort));
    const [redisVersion, postgresVersion] = await Promise.all([
      execute(redis, ["--version"]),
      execute(join(postgres, "postgres"), ["--version"]),
    ]);
    return {
      redisPort,
      postgresUrl: `postgres://postgres@127.0.0.1:${postgresPort}/postgres`,
      versions: [
        `Redis ${/v=(\S+)/.exec(redisVersion.stdout)?.[1] ?? ""} (appendonly yes, appendfsync always)`,
        `PostgreSQL ${/\d[\d.]*/.exec(postgresVersion.stdout)?.[0] ?? ""} (fsync on, synchronous_commit on)`,
      ].join(", "),
      [Symbol.asyncDispose]: stopAll,
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

type Stop = () => Promise<void>;

async function startRedis(program: string, directory: string, port: number): Promise<Stop> {
  await mkdir(directory, { recursive: true });
  const options = { port, bind: "127.0.0.1", dir: directory, save: "", appendonly: "yes", appendfsync: "always" };
  const args = Object.entries({ ...options, "maxmemory-policy": "noeviction" }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  const child = spawn(program, args, { stdio: "ignore" });
  await listens("Redis", child, port);
  return () => ended(child, "SIGTERM");
}

/** The server refuses to run as root, so that it runs as the user that Debian made for it. */
async function startPostgres(folder: string, directory: string, port: number): Promise<Stop> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const own = isRoot() ? await userNamed("postgres") : undefined;
  if (own !== undefined) {
    await chown(join(directory, ".."), own.uid, own.gid);
    await chown(directory, own.uid, own.gid);
  }
  const data = join(directory, "data");
  await execute(join(folder, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "--no-instructions"], {
    ...own,
    cwd: directory,
  });
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: directory,
    fsync: "on",
    synchronous_commit: "on",
  };
  const args = Object.entries({ ...settings, max_connections: 200 }).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  const child = spawn(join(folder, "postgres"), ["-D", data, ...args], { ...own, cwd: directory, stdio: "ignore" });
  await listens("PostgreSQL", child, port);
  return () => ended(child, "SIGINT");
}

async function userNamed(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (option) => Number((await execute("id", [option, name])).stdout)),
  );
  if (uid === undefined || gid === undefined) throw new Error(`There is no user ${name}.`);
  return { uid, gid };
}

async function listens(what: string, child: ChildProcess, port: number): Promise<void> {
  await until(
    `${what} listens`,
    () => {
      if (child.exitCode !== null) throw new Error(`${what} ended with ${child.exitCode} before it was ready.`);
      return new Promise((resolve) => {
        const socket = connect({ host: "127.0.0.1", port });
        socket.once("connect", () => resolve(true));
        socket.once("error", () => resolve(false));
        socket.once("close", () => socket.destroy());
        socket.once("connect", () => socket.end());
      });
    },
    50,
  );
}

async function ended(child: ChildProcess, signal: "SIGTERM" | "SIGINT"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}
