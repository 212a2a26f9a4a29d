/**
 * A secret that all processes of the API share. The first process that needs it creates it. It is in table `tenants`,
 * which workers cannot read, with the keys `secret` and its name. To change the secret, delete the row and restart the
 * API.
 */
import { randomBytes } from "node:crypto";
import { InvariantError } from "../../core/errors.ts";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import type { StorageClients } from "../connect.ts";
import { isExisting, storageError } from "../translate-error.ts";

const PARTITION = "secret";
const BYTES = 32;

/** Returns the same bytes for every call in every process. Throws UnavailableError. */
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
      if (!isExisting(error)) throw storageError(error, "creating a secret");
    }
    // Read in any case: if the SDK repeated the write, the first one may have succeeded.
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
