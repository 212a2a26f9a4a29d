/**
 * Removes a directory tree whatever a job has made of it: directories without permissions, names that are no text,
 * trees deeper than any path can name, files that appear while it works. Never follows a link.
 */
import { Buffer } from "node:buffer";
import type { Dirent } from "node:fs";
import { chmod, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Something may still be writing or holding on for a moment after its process was killed. */
const RETRIES = 5;
const RETRY_MS = 50;
/** Far below PATH_MAX (4,096 on Linux, 1,024 on macOS), with room for the names inside a directory. */
const LONG_PATH_BYTES = 500;

/** Resolves when nothing is left at `path`; rejects with what the file system said last. */
export async function removeTree(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      // Most trees are ordinary, and this is the fast way.
      await rm(path, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt >= RETRIES) throw error;
      await makeOrdinary(path);
      if (attempt > 0) await delay(RETRY_MS * attempt);
    }
  }
}

/** Opens every directory and moves deep ones up, so that plain removal can reach everything. */
async function makeOrdinary(path: string): Promise<void> {
  const parent = dirname(path);
  const root = Buffer.from(path);
  const pending: Buffer[] = [root];
  let moved = 0;
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    // The entry came from readdir without following links. What vanished or resists shows at the next removal.
    await quietly(chmod(directory, 0o700));
    const entries = (await quietly(readdir(directory, { withFileTypes: true, encoding: "buffer" }))) ?? [];
    for (const entry of entries.filter(isDirectory)) {
      const inside = Buffer.concat([directory, Buffer.from(sep), entry.name]);
      if (inside.length <= Buffer.byteLength(parent) + LONG_PATH_BYTES) {
        pending.push(inside);
        continue;
      }
      const lifted = Buffer.from(join(path, `lifted-${process.pid}-${moved++}`));
      // A directory can only be moved out of one that may be written, and if it is itself writable.
      await quietly(chmod(inside, 0o700));
      if ((await quietly(rename(inside, lifted).then(() => true))) === true) pending.push(lifted);
    }
  }
}

const isDirectory = (entry: Dirent<Buffer>): boolean => entry.isDirectory();

const quietly = async <T>(work: Promise<T>): Promise<T | undefined> => work.catch(() => undefined);
