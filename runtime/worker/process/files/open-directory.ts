/**
 * A directory that was opened stays the same directory, whatever becomes of its name: names below it are resolved from
 * the open descriptor, one step at a time, and no step follows a link. For trees that a job may change.
 */
import { type BigIntStats, constants, type Dirent, existsSync } from "node:fs";
import { chmod, type FileHandle, open, opendir } from "node:fs/promises";

export interface OpenDirectory extends AsyncDisposable {
  /** What was opened, not what its name means now. */
  readonly stats: BigIntStats;
  /** The path of an entry. Its last step may be a link: open it with O_NOFOLLOW, or use calls that do not follow. */
  at(name: Uint8Array): Buffer;
  /** Read piece by piece, so that a directory of a million files takes no memory. */
  entries(): AsyncIterable<Dirent<Buffer>>;
  /** Of this very directory. */
  chmod(mode: number): Promise<void>;
}

/** Linux: opens a place in the tree and no content, so it needs no rights on the directory itself. */
const O_PATH = 0o10_000_000;
const NO_LINK = constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Where descriptors have paths (Linux), a directory is reached by its own. Elsewhere (macOS) it is reached by its name,
 * which is no loss: jobs have the worker's user there, and no rights that the worker has not.
 */
export const DESCRIPTORS_HAVE_PATHS = process.platform === "linux" && existsSync("/proc/self/fd");

/** Rejects as `open` does: ENOENT, ENOTDIR or ELOOP for a link or a file, EACCES. */
export async function openDirectory(
  path: string | Uint8Array,
  byDescriptor = DESCRIPTORS_HAVE_PATHS,
): Promise<OpenDirectory> {
  const handle = await open(asPath(path), NO_LINK | (byDescriptor ? O_PATH : constants.O_RDONLY));
  try {
    const stats = await handle.stat({ bigint: true });
    return directoryOf(handle, stats, asPath(byDescriptor ? `/proc/self/fd/${handle.fd}` : path), byDescriptor);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function directoryOf(handle: FileHandle, stats: BigIntStats, path: Buffer, byDescriptor: boolean): OpenDirectory {
  return {
    stats,
    at: (name) => Buffer.concat([path, SLASH, name]),
    async *entries() {
      // The types do not know of the encoding "buffer", which keeps names that are no text.
      const encoding = "buffer" as BufferEncoding;
      yield* (await opendir(path, { encoding })) as unknown as AsyncIterable<Dirent<Buffer>>;
    },
    // A descriptor of O_PATH has no fchmod; its path leads to the same directory.
    chmod: (mode) => (byDescriptor ? chmod(path, mode) : handle.chmod(mode)),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

const SLASH = Buffer.from("/");
const asPath = (path: string | Uint8Array): Buffer => Buffer.from(path as string);
