/**
 * A secret that all processes with access to a table share: whoever needs it first makes it. It lies in table `tenants`,
 * which no worker may read, under `secret` and its name; whoever removes the row and restarts the API has changed it.
 */
import { randomBytes } from "node:crypto";
import { InvariantError } from "../../core/errors.ts";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import type { StorageClients } from "../connect.ts";
import { isExisting, storageError } from "../translate-error.ts";

const PARTITION = "secret";
const BYTES = 32;

/** The same bytes at every call, in every process. Throws UnavailableError. */
export function createSharedSecret(storage: StorageClients, name: string): () => Promise<Uint8Array> {
  const table = storage.table(TABLES.tenants).retrying;
  let found: Promise<Uint8Array> | undefined;

  async function find(): Promise<Uint8Array> {
    try {
      await table.createEntity({
        partitionKey: PARTITION,
        rowKey: name,
        value: randomBytes(BYTES).toString("base64url"),
      });
    } catch (error) {
      if (!isExisting(error)) throw storageError(error, "making a secret");
    }
    // Read in any case: of a write that was repeated, the first may have landed.
    try {
      const { value } = await table.getEntity<{ value?: unknown }>(PARTITION, name);
      if (typeof value !== "string") throw new InvariantError(`Secret ${name} has no value.`);
      return Buffer.from(value, "base64url");
    } catch (error) {
      throw storageError(error, "reading a secret");
    }
  }

  return () => {
    found ??= find().catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    return found;
  };
}
