/** The folder in which the local stack keeps everything, and the claim of one running stack on it. */
import { constants } from "node:fs";
import { access, chmod, mkdir, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { FolderInUseError, type OwnFolderOptions, type OwnedFolder, ownFolder } from "../platform/own-folder.ts";

export interface Home {
  readonly directory: string;
  /** Data of storage and message broker, kept from start to start. */
  readonly storage: string;
  readonly bus: string;
  /** In the folder of the message broker, what belongs to it alone. */
  readonly messages: string;
  /** Certificate and keys of the local issuer. */
  readonly identity: string;
  /** Logs of the stack's processes, by their names. */
  readonly logs: string;
  /** Package caches and workspaces of workers, by their ids. */
  readonly workers: string;
  /** Copies of the demo's artifacts. */
  readonly artifacts: string;
  /** File that names the batch of the sample jobs, once they have been submitted. */
  readonly demo: string;
  /** Lets another stack use the folder. */
  release(): void;
}

export class HomeInUseError extends Error {
  override readonly name = "HomeInUseError";
}

const OWNER_ONLY = 0o700;

/** Programs of a stack that was killed let their jobs end first. */
const LEFT_OVER_WAIT_MS = 60_000;

/**
 * Creates the folder if need be, and closes it to other users. Waits for the programs of a stack that was killed, because
 * they hold its ports too. Throws HomeInUseError while another stack runs in it, and what the file system says.
 */
export async function openHome(path: string, waiting: Omit<OwnFolderOptions, "directory"> = {}): Promise<Home> {
  await mkdir(path, { recursive: true, mode: OWNER_ONLY });
  const directory = await realpath(path);
  await access(directory, constants.W_OK | constants.X_OK);
  // It holds keys, and all data of all tenants. A folder that was there already is closed to others, too.
  await chmod(directory, OWNER_ONLY);
  const owned = await claimed({ ...waiting, directory });
  const home = {
    directory,
    storage: join(directory, "storage"),
    bus: join(directory, "bus"),
    messages: join(directory, "bus/data"),
    identity: join(directory, "identity"),
    logs: join(directory, "logs"),
    workers: join(directory, "workers"),
    artifacts: join(directory, "artifacts"),
  };
  try {
    await Promise.all(Object.values(home).map((folder) => mkdir(folder, { recursive: true })));
    const found = await readdir(home.workers, { withFileTypes: true });
    const workers = found.filter((entry) => entry.isDirectory()).map(({ name }) => join(home.workers, name));
    // Workers first, as they end: each wait is told once.
    for (const folder of [...workers, home.messages, home.storage, home.identity]) {
      (await claimed({ ...waiting, waitMs: LEFT_OVER_WAIT_MS, directory: folder })).release();
    }
  } catch (error) {
    owned.release();
    throw error;
  }
  return { ...home, demo: join(directory, "demo-batch"), release: owned.release };
}

async function claimed(options: OwnFolderOptions): Promise<OwnedFolder> {
  try {
    return await ownFolder(options);
  } catch (error) {
    if (!(error instanceof FolderInUseError)) throw error;
    throw new HomeInUseError(
      `Another Jobyard already runs in ${options.directory} (${error.owner}). Stop it, or set JOBYARD_HOME to another folder.`,
      { cause: error },
    );
  }
}
