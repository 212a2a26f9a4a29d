/** Reads the pointer to the code that workers should run. The latest deployment wrote it. */
import { RELEASES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import {
  RELEASE_POINTER_MAX_BYTES,
  type ReleasePointer,
  type ReleaseReader,
  parseReleasePointer,
} from "../../core/ports/release-reader.ts";
import type { StorageClients } from "../connect.ts";
import { openBlob, readAll } from "./open-blob.ts";

export function createReleaseReader({ storage }: { readonly storage: Pick<StorageClients, "blobs"> }): ReleaseReader {
  const blob = storage.blobs.getContainerClient(RELEASES.container).getBlobClient(RELEASES.workerPointer);
  return {
    async current(signal): Promise<ReleasePointer | undefined> {
      const opened = await openBlob(blob, { signal });
      if (opened === undefined || opened === "unchanged") return undefined;
      if (opened.bytes > RELEASE_POINTER_MAX_BYTES) {
        opened.close();
        throw new InvariantError(
          `The release pointer has ${opened.bytes} bytes; at most ${RELEASE_POINTER_MAX_BYTES} are allowed.`,
        );
      }
      const pointer = parseReleasePointer((await readAll(opened)).toString());
      if (pointer === undefined) throw new InvariantError("The release pointer lacks version, blob or sha256.");
      return pointer;
    },
  };
}
