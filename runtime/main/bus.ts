/**
 * Runs the local Service Bus as a process: `npm run bus -- --topology file.json`. Under a supervisor it reports when
 * it is ready, and ends with it.
 */
import { openSync, writeSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { messageOf } from "../core/errors.ts";
import { SettingsError } from "../core/settings/environment.ts";
import {
  BusError,
  InputFileError,
  JournalError,
  readTopologyFile,
  startLocalServiceBus,
  type AccessUse,
} from "../local/bus/index.ts";
import { wholeNumber } from "../platform/whole-number.ts";
import { explain } from "./explain.ts";
import { ownerPatience, runService, type Service } from "./service-process.ts";

interface BusOptions {
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  readonly dataDir?: string;
  readonly topology?: string;
  readonly key?: string;
  readonly access?: string;
  readonly audit?: string;
  readonly maxMessageKilobytes?: number;
}

const AMQP_PORT_DEFAULT = 5672;
/** The port of Microsoft's emulator. */
const ADMIN_PORT_DEFAULT = 5300;

function portNumber(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a whole number from 0 to 65535; 0 takes any free port.");
}

/** The largest value in Premium. */
const LARGEST_MESSAGE_KILOBYTES = 102_400;

const command = new Command("npm run bus --")
  .description("Runs Azure Service Bus queues and topics on this machine, for the unmodified Azure SDKs.")
  .option("--topology <file>", "JSON file with the queues and topics that must exist")
  .option("--port <port>", "port for AMQP", portNumber, AMQP_PORT_DEFAULT)
  .option("--admin-port <port>", "port for the administration API", portNumber, ADMIN_PORT_DEFAULT)
  .option("--host <address>", "loopback address to listen on", "127.0.0.1")
  .option("--data-dir <directory>", "folder for messages (default: in memory only)")
  .option("--key <key>", "shared access key (default: random, stored in the data directory)")
  .option("--access <file>", "JSON file with role assignments; also accepts access tokens of Microsoft Entra ID")
  .option(
    "--max-message-kilobytes <n>",
    "largest message, batch or request (default: 256, as in Standard)",
    wholeNumber(1, LARGEST_MESSAGE_KILOBYTES),
  )
  .option("--audit <file>", "file for a log of used rights and refusals, one JSON object in each line")
  .allowExcessArguments(false)
  .parse();

async function start(): Promise<Service> {
  try {
    return await startBus();
  } catch (error) {
    throw asSetting(error);
  }
}

async function startBus(): Promise<Service> {
  const { host, port, adminPort, dataDir, topology, key, access, audit, maxMessageKilobytes } =
    command.opts<BusOptions>();
  const bus = await startLocalServiceBus({
    host,
    port,
    adminPort,
    owner: ownerPatience,
    ...(dataDir !== undefined && { dataDir }),
    ...(key !== undefined && { sasKey: key }),
    ...(access !== undefined && { accessFile: access }),
    ...(maxMessageKilobytes !== undefined && { maxMessageKilobytes }),
    ...(audit !== undefined && { onAccess: appendTo(audit) }),
    topology: topology === undefined ? { queues: [], topics: [] } : readTopologyFile(topology),
    onFatal: (error) => {
      console.error(explain(asSetting(error)));
      process.exit(1);
    },
  });
  if (!process.send) {
    console.log(`The local Service Bus is ready. Connection string:\n${bus.connectionString}`);
    console.log(`For ServiceBusAdministrationClient:\n${bus.adminConnectionString}`);
  }
  return {
    ready: {
      port: bus.port,
      adminPort: bus.adminPort ?? 0,
      connectionString: bus.connectionString,
      ...(bus.adminConnectionString && { adminConnectionString: bus.adminConnectionString }),
    },
    stop: () => bus.close(),
  };
}

/** Written synchronously, so that the file has a refusal before its client receives it. */
function appendTo(path: string): (use: AccessUse) => void {
  const file = openForAppending(path);
  return (use) => {
    writeSync(file, `${JSON.stringify({ at: new Date().toISOString(), ...use })}\n`);
  };
}

function openForAppending(path: string): number {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    throw new InputFileError(`The audit file ${path} cannot be written: ${messageOf(error)}.`, { cause: error });
  }
}

/** Errors that the user can fix are printed as one sentence. */
function asSetting(error: unknown): unknown {
  const mendable = error instanceof BusError || error instanceof JournalError || error instanceof InputFileError;
  return mendable ? new SettingsError(error.message, { cause: error }) : error;
}

await runService(start);
