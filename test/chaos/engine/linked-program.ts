/** A worker or the API of a chaos run: the usual program, but its connections go through the run's network. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { LINK, NETWORK_FILE } from "./links.ts";
import type { ServiceName } from "./network-faults.ts";

const { env } = process;
const program = env[SETTING.workerId] ?? process.argv[2] ?? "";
const network = JSON.parse(await readFile(join(env["JOBYARD_HOME"] ?? "", NETWORK_FILE), "utf8")) as { port: number };

async function linked(service: ServiceName, connectionString = ""): Promise<string> {
  let result = connectionString;
  for (const [address, port = ""] of connectionString.matchAll(/127\.0\.0\.1:(\d+)/g)) {
    const query = new URLSearchParams({ [LINK.program]: program, [LINK.service]: service, [LINK.port]: port });
    const response = await fetch(`http://127.0.0.1:${network.port}/?${query.toString()}`);
    if (!response.ok) throw new Error(`The network has no link from ${program} to ${service}.`);
    result = result.replace(address, `127.0.0.1:${await response.text()}`);
  }
  return result;
}

env[SETTING.storageConnectionString] = await linked("storage", env[SETTING.storageConnectionString]);
env[SETTING.serviceBusConnectionString] = await linked("bus", env[SETTING.serviceBusConnectionString]);
await import(import.meta.resolve("../../../runtime/main/start.mjs"));
