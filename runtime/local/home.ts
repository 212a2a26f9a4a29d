/** The folder with all data of the local stack, used by one running stack at a time. */
import { constants } from "node:fs";
import { access, chmod, mkdir, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { FolderInUseError, type OwnFolderOptions, type OwnedFolder, ownFolder } from "../platform/own-folder.ts";

export interface Home {
  readonly directory: string;
  /** Data of storage and message broker, kept between starts. */
  readonly storage: string;
  readonly bus: string;
  /** The message broker's own files, in its folder. */
  readonly messages: string;
  /** Certificate and keys of the local issuer. */
  readonly identity: string;
  /** Values of secrets of packages, by id. */
  readonly secrets: string;
  /** Logs of the stack's processes, by name. */
  readonly logs: string;
  /** Package caches and workspaces of workers, by worker id. */
  readonly workers: string;
  /** Copies of the demo's artifacts. */
  readonly artifacts: string;
  /** The id of the sample jobs' batch, after they have been submitted. */
  readonly demo: string;
  /** Releases the folder for another stack. */
  release(): void;
}

export class HomeInUseError extends Error {
  override readonly name = "HomeInUseError";
}

const OWNER_ONLY = 0o700;

/** Programs of a killed stack finish their jobs first. */
const LEFT_OVER_WAIT_MS = 60_000;

/**
 * Creates the folder if necessary and closes it to other users. Waits for the programs of a killed stack, because they
 * still use its ports. Throws HomeInUseError while another stack uses it, and errors of the file system.
 */
export async function openHome(path: string, waiting: Omit<OwnFolderOptions, "directory"> = {}): Promise<Home> {
  await mkdir(path, { recursive: true, mode: OWNER_ONLY });
  const directory = await realpath(path);
  await access(directory, constants.W_OK | constants.X_OK);
  // The folder contains keys and all data of all tenants, so an existing one is closed to other users too.
  await chmod(directory, OWNER_ONLY);
  const owned = await claimed({ ...waiting, directory });
  const home = {
    directory,
    storage: join(directory, "storage"),
    bus: join(directory, "bus"),
    messages: join(directory, "bus/data"),
    identity: join(directory, "identity"),
    secrets: join(directory, "secrets"),
    logs: join(directory, "logs"),
    workers: join(directory, "workers"),
    artifacts: join(directory, "artifacts"),
  };
  try {
    await Promise.all(Object.values(home).map((folder) => mkdir(folder, { recursive: true })));
    const found = await readdir(home.workers, { withFileTypes: true });
    const workers = found.filter((entry) => entry.isDirectory()).map(({ name }) => join(home.workers, name));
    // Workers first, in the order in which they end. Each wait is reported once.
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
      `${options.directory} is in use by another Jobyard (${error.owner}). Stop it, or set JOBYARD_HOME to another folder.`,
      { cause: error },
    );
  }
}
