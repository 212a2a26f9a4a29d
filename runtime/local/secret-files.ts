/**
 * Secrets of packages on a laptop: one file each, which only this user can read. They are not encrypted: whoever reads files
 * of this user reads the developer's other keys too.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { UnavailableError, messageOf } from "../core/errors.ts";
import type { SecretStore } from "../core/ports/secret-store.ts";
import { readIfThere, writePrivateFile } from "./private-file.ts";

const OWNER_ONLY = 0o700;
/** As made here. Ids come from rows, and must not lead out of the folder. */
const ID = /^[0-9a-f-]{36}$/;

/** API and workers use the same folder. */
export function createSecretFiles(directory: string): SecretStore {
  async function act<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new UnavailableError("SecretsUnavailable", `The folder of secrets cannot be used: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  return {
    add: (value) =>
      act(async () => {
        const id = randomUUID();
        await mkdir(directory, { recursive: true, mode: OWNER_ONLY });
        await writePrivateFile(join(directory, id), value);
        return id;
      }),
    get: (id) => act(() => (ID.test(id) ? readIfThere(join(directory, id)) : Promise.resolve(undefined))),
    remove: (id) => act(() => (ID.test(id) ? rm(join(directory, id), { force: true }) : Promise.resolve())),
  };
}
