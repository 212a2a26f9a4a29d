/** The command line of the bus: its options, what it says when it runs, and which errors its user can mend. */
import { openSync, writeSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { InputFileError } from "./input-file.ts";
import {
  BusError,
  JournalError,
  readTopologyFile,
  type AccessUse,
  type LocalServiceBus,
  type LocalServiceBusOptions,
} from "./index.ts";

interface CommandOptions {
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
/** The port that Microsoft's emulator uses. */
const ADMIN_PORT_DEFAULT = 5300;
/** The largest that Premium can be set to. */
const LARGEST_MESSAGE_KILOBYTES = 102_400;

/** Parses a whole number within bounds. `hint` ends the message of the error. */
const wholeNumber =
  (min: number, max: number, hint = "") =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}${hint}.`);
  };

const portNumber = wholeNumber(0, 65_535, "; 0 takes any free port");

/**
 * Reads the options of this process. It ends the process after `--help`, and for options that it does not know.
 *
 * @param name what the user types to start the command.
 * @throws InputFileError when a file that an option names cannot be used.
 */
export function readCommand(name: string): LocalServiceBusOptions {
  const command = new Command(name)
    .description("Runs Azure Service Bus queues and topics on this machine, for the unmodified Azure SDKs.")
    .option("--topology <file>", "JSON file with the queues and topics that must exist")
    .option("--port <port>", "port for AMQP", portNumber, AMQP_PORT_DEFAULT)
    .option("--admin-port <port>", "port for the administration API", portNumber, ADMIN_PORT_DEFAULT)
    .option("--host <address>", "loopback address to listen on", "127.0.0.1")
    .option("--data-dir <directory>", "where messages are kept (default: in memory only)")
    .option("--key <key>", "shared access key (default: a random one, kept in the data directory)")
    .option("--access <file>", "JSON file with role assignments; access tokens of Microsoft Entra ID are taken too")
    .option(
      "--max-message-kilobytes <n>",
      "largest message, batch or request (default: 256, as in Standard)",
      wholeNumber(1, LARGEST_MESSAGE_KILOBYTES),
    )
    .option("--audit <file>", "where uses of rights and refusals are appended, one JSON object a line")
    .allowExcessArguments(false)
    .parse();
  const { topology, key, access, audit, ...rest } = command.opts<CommandOptions>();
  return {
    ...rest,
    ...(key !== undefined && { sasKey: key }),
    ...(access !== undefined && { accessFile: access }),
    ...(audit !== undefined && { onAccess: appendTo(audit) }),
    topology: topology === undefined ? { queues: [], topics: [] } : readTopologyFile(topology),
  };
}

/** Writes each entry at once: a program that watches the file sees a refusal when its client does. */
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
    throw new InputFileError(`The audit file ${path} cannot be written: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** For a person at a terminal. */
export const readyText = ({ connectionString, adminConnectionString = "" }: LocalServiceBus): string =>
  `The local Service Bus is ready. Connection string:\n${connectionString}\n` +
  `For ServiceBusAdministrationClient:\n${adminConnectionString}`;

/** For the program that started this one. */
export const readyFields = ({
  port,
  adminPort = 0,
  connectionString,
  adminConnectionString = "",
}: LocalServiceBus) => ({
  ...{ port, adminPort, connectionString, adminConnectionString },
});

/** Whether the message alone tells the person who starts the bus what to change. */
export const isMendable = (error: unknown): error is Error =>
  error instanceof BusError || error instanceof JournalError || error instanceof InputFileError;
