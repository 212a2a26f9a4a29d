/** The folder in which the local stack keeps everything, and the claim of one running stack on it. */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, chmod, mkdir, realpath, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Home {
  readonly directory: string;
  /** Data of storage and message broker, kept from start to start. */
  readonly storage: string;
  readonly bus: string;
  /** Certificate and keys of the local issuer. */
  readonly identity: string;
  /** Logs of the stack's processes, by their names. */
  readonly logs: string;
  /** Package caches and workspaces of workers, by their ids. */
  readonly workers: string;
  /** Copies of the demo's artifacts. */
  readonly artifacts: string;
  /** Lets another stack use the folder. */
  release(): Promise<void>;
}

export class HomeInUseError extends Error {
  override readonly name = "HomeInUseError";
}

const OWNER_ONLY = 0o700;

/** Creates the folder if need be, and closes it to other users. Throws HomeInUseError while another stack runs in it, and what the file system says. */
export async function openHome(path: string): Promise<Home> {
  await mkdir(path, { recursive: true, mode: OWNER_ONLY });
  const directory = await realpath(path);
  await access(directory, constants.W_OK | constants.X_OK);
  // It holds keys, and all data of all tenants. A folder that was there already is closed to others, too.
  await chmod(directory, OWNER_ONLY);
  const lock = await lockFolder(directory);
  const home = {
    directory,
    storage: join(directory, "storage"),
    bus: join(directory, "bus"),
    identity: join(directory, "identity"),
    logs: join(directory, "logs"),
    workers: join(directory, "workers"),
    artifacts: join(directory, "artifacts"),
  };
  try {
    await Promise.all(Object.values(home).map((folder) => mkdir(folder, { recursive: true })));
  } catch (error) {
    await closed(lock);
    throw error;
  }
  return { ...home, release: () => closed(lock) };
}

/**
 * A listening socket, because the system takes it back whenever and however its process ends, which a lock file does
 * not know. Its name comes from the folder; on Linux and Windows it is no file at all.
 */
async function lockFolder(directory: string): Promise<Server> {
  const name = `jobyard-${createHash("sha256").update(directory).digest("hex").slice(0, 24)}`;
  const path =
    process.platform === "linux"
      ? `\0${name}`
      : process.platform === "win32"
        ? `\\\\.\\pipe\\${name}`
        : join(tmpdir(), `${name}.sock`);
  try {
    return await listenOn(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    const isFile = process.platform !== "linux" && process.platform !== "win32";
    if (!isFile || (await isAlive(path))) {
      throw new HomeInUseError(
        `Another Jobyard already runs in ${directory}. Stop it, or set JOBYARD_HOME to another folder.`,
      );
    }
    await rm(path, { force: true });
    return listenOn(path);
  }
}

function listenOn(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
