/** Counts the bytes of a tenant's blobs: current packages, inputs, logs and artifacts. 5,000 blobs a request. */
import { CONTAINERS } from "../../core/deployment/storage-layout.ts";
import type { CountStored } from "../../core/ports/quota-store.ts";
import type { StorageClients } from "../connect.ts";
import { storageError } from "../translate-error.ts";

const COUNTED = [CONTAINERS.packages, CONTAINERS.input, CONTAINERS.logs, CONTAINERS.output];

export const createCountStored =
  ({ storage }: { readonly storage: Pick<StorageClients, "blobs"> }): CountStored =>
  async (tenantName) => {
    let bytes = 0;
    try {
      for (const name of COUNTED) {
        const blobs = storage.blobs.getContainerClient(name).listBlobsFlat({ prefix: `${tenantName}/` });
        for await (const { properties } of blobs) bytes += properties.contentLength ?? 0;
      }
    } catch (error) {
      throw storageError(error, "counting stored bytes");
    }
    return bytes;
  };
