/** Creates the tables and containers of the topology where nobody else does: on a laptop and in tests. */
import { CONTAINERS, TABLES } from "../core/topology.ts";
import type { StorageClients } from "./connect.ts";
import { storageError } from "./translate-error.ts";

/** Idempotent. */
export async function provisionStorage(storage: StorageClients): Promise<void> {
  try {
    await Promise.all([
      // Creating a table that exists succeeds.
      ...Object.values(TABLES).map((name) => storage.table(name).retrying.createTable()),
      ...Object.values(CONTAINERS).map((name) => storage.blobs.getContainerClient(name).createIfNotExists()),
    ]);
  } catch (error) {
    throw storageError(error, "creating tables and containers");
  }
}
