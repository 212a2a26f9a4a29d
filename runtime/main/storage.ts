/** The storage process of the local stack, Azurite. Arguments: `--directory`, `--blob-port`, `--table-port`. */
import { parseArgs } from "node:util";
import { SettingsError } from "../core/settings/environment.ts";
import { startAzurite } from "../local/azurite.ts";
import { ownFolder } from "../platform/own-folder.ts";
import { ownerPatience, runService, type Service } from "./service-process.ts";

async function start(): Promise<Service> {
  const { values } = parseArgs({
    options: { directory: { type: "string" }, "blob-port": { type: "string" }, "table-port": { type: "string" } },
  });
  const directory = values.directory;
  if (directory === undefined) throw new SettingsError("--directory is missing.");
  const ports = { blobPort: Number(values["blob-port"]), tablePort: Number(values["table-port"]) };
  // Azurite keeps its tables in memory and writes them as a whole, so a second process would overwrite the first one's data.
  const owned = await ownFolder({ ...ownerPatience, directory });
  const azurite = await startAzurite({ directory, ...ports, environment: process.env });
  return {
    ready: { connectionString: azurite.connectionString },
    async stop() {
      await azurite.close();
      owned.release();
    },
  };
}

await runService(start);
