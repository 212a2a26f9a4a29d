/** The storage process of a chaos run: Azurite, with the recorder in front of its tables, on the public port. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { azuriteConnectionString, startAzurite } from "../../../runtime/local/azurite.ts";
import { freePorts } from "../../../runtime/local/ports.ts";
import { runService, type Service } from "../../../runtime/main/service-process.ts";
import { startRecorder } from "./recorded-proxy.ts";
import { RECORD_FILE } from "./record-file.ts";

async function start(): Promise<Service> {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: {
      directory: { type: "string", default: "" },
      "blob-port": { type: "string" },
      "table-port": { type: "string" },
    },
  });
  const { directory } = values;
  const ports = { blobPort: Number(values["blob-port"]), tablePort: Number(values["table-port"]) };
  const [hiddenPort = 0] = await freePorts(1);
  const azurite = await startAzurite({
    directory,
    blobPort: ports.blobPort,
    tablePort: hiddenPort,
    environment: process.env,
  });
  const recorder = await startRecorder({
    port: ports.tablePort,
    targetPort: hiddenPort,
    file: join(directory, RECORD_FILE),
  });
  return {
    ready: { connectionString: azuriteConnectionString({ ...ports, accountKey: azurite.accountKey }) },
    async stop() {
      await recorder.close();
      await azurite.close();
    },
  };
}

await runService(start);
