/** Runs the local issuer as a process. Arguments: `--directory`, `--port`, `--page-port`, `--host` (loopback only). */
import { parseArgs } from "node:util";
import { SettingsError } from "../core/settings/environment.ts";
import { NotLoopbackError, startIdentityServer } from "../local/identity/identity-server.ts";
import { ownFolder } from "../platform/own-folder.ts";
import { ownerPatience, runService, type Service } from "./service-process.ts";

async function start(): Promise<Service> {
  const { values } = parseArgs({
    options: {
      directory: { type: "string" },
      port: { type: "string" },
      "page-port": { type: "string" },
      host: { type: "string" },
    },
  });
  const { directory, host } = values;
  if (directory === undefined) throw new SettingsError("--directory is missing.");
  const owned = await ownFolder({ ...ownerPatience, directory });
  try {
    const port = Number(values.port ?? 0);
    const server = await startIdentityServer({
      directory,
      port,
      pagePort: Number(values["page-port"] ?? 0),
      onFailure: console.error,
      ...(host !== undefined && { host }),
    });
    return {
      ready: { authority: server.authority, pageAuthority: server.pageAuthority, caFile: server.caFile },
      async stop() {
        await server.close();
        owned.release();
      },
    };
  } catch (error) {
    throw error instanceof NotLoopbackError ? new SettingsError(error.message, { cause: error }) : error;
  }
}

await runService(start);
