/**
 * The local Service Bus: Azure Service Bus queues, topics and sessions over AMQP on this machine, for the unmodified
 * Azure SDKs, with a journal that survives a crash. docs/local-service-bus.md lists what it does and does not do.
 */
import { randomUUID } from "node:crypto";
import { openAccessFile } from "./access/access-file.ts";
import type { AuditListener } from "./access/claims.ts";
import { createGate, createTokenVerifier } from "./access/gate.ts";
import type { SasKey } from "./access/sas.ts";
import { startAdminServer } from "./admin/server.ts";
import type { ConnectionLimits } from "./amqp/connection.ts";
import { WIRE_LIMITS } from "./amqp/front.ts";
import { amqpCodec } from "./amqp/message-codec.ts";
import { startAmqpServer } from "./amqp/server.ts";
import { Broker } from "./engine/broker.ts";
import type { BusTopology } from "./engine/descriptions.ts";
import { BusError } from "./engine/errors.ts";
import { BrokerHost, type RecordLog } from "./host.ts";
import { type ClaimDirectory, keptKey, openDataDirectory, randomKey } from "./journal/data-directory.ts";
import { Journal } from "./journal/journal.ts";
import { MemoryLog } from "./journal/record-log.ts";
import { recover } from "./journal/recovery.ts";
import { isLoopback } from "./network.ts";

export { BusError } from "./engine/errors.ts";
export { JournalError } from "./journal/files.ts";
export type { AccessUse } from "./access/claims.ts";
export { InputFileError } from "./input-file.ts";
export { readTopologyFile } from "./topology-file.ts";
export type {
  BusTopology,
  QueueSettings,
  RuleFilter,
  SubscriptionSettings,
  TopicSettings,
} from "./engine/descriptions.ts";

export interface LocalServiceBusOptions {
  /** The loopback address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** AMQP port; 0 takes any free one. */
  readonly port: number;
  /** The port of the administration API over HTTP; 0 takes any free one. Absent: there is no administration API. */
  readonly adminPort?: number;
  /** The directory that keeps the namespace, for one process at a time. Absent: it is in memory, and ends with `close`. */
  readonly dataDir?: string;
  /** Makes the data directory this process's own. Default: a lock that fails at once when another process has it. */
  readonly claimDirectory?: ClaimDirectory;
  /** Entities that must exist. Existing ones are updated and keep their messages. Other entities are left alone. */
  readonly topology: BusTopology;
  /** Default `RootManageSharedAccessKey`, as in Azure. */
  readonly sasKeyName?: string;
  /** Default: a random key. A data directory keeps it. */
  readonly sasKey?: string;
  /**
   * A file with role assignments. With it, the bus also accepts access tokens of Microsoft Entra ID. A changed file is
   * read again. Default: the bus accepts only shared access signatures.
   */
  readonly accessFile?: string;
  /** Called with each use of a right and each refusal, once for each connection and change of the answer. */
  readonly onAccess?: AuditListener;
  /** The largest message, batch or request in KiB. Default 256, as in the Standard tier; Premium takes 1,024 and more. */
  readonly maxMessageKilobytes?: number;
  /** Time limits of connections that bring no valid token. */
  readonly limits?: ConnectionLimits;
  /** The current time in epoch milliseconds. Default `Date.now`. */
  readonly clock?: () => number;
  /**
   * Called when the journal cannot be written. The bus then acknowledges nothing any more. Default: an uncaught
   * exception, which ends the process.
   */
  readonly onFatal?: (error: Error) => void;
  /**
   * Called with a bug of the bus that broke one request, whose client got `amqp:internal-error`, and with a changed access
   * file that cannot be used. Default: a process warning.
   */
  readonly onFault?: (error: unknown) => void;
}

export interface LocalServiceBus {
  readonly port: number;
  /** Absent when there is no administration API. */
  readonly adminPort: number | undefined;
  /** For `ServiceBusClient`. */
  readonly connectionString: string;
  /** For `ServiceBusAdministrationClient`; absent when there is no administration API. */
  readonly adminConnectionString: string | undefined;
  /** Ends all connections, writes pending records, and releases ports and directory. Locks and messages stay. */
  close(): Promise<void>;
}

/**
 * Starts the bus; it is ready when the promise resolves.
 *
 * @throws InputFileError when the access file cannot be used.
 * @throws JournalError when the data directory is in use, damaged, or of another version.
 * @throws BusError `invalid-argument` for a setting the service would not accept.
 * @throws Error with `code` EADDRINUSE when the port is taken.
 */
export async function startLocalServiceBus(options: LocalServiceBusOptions): Promise<LocalServiceBus> {
  const { host: address = "127.0.0.1", port, adminPort, dataDir, clock = Date.now } = options;
  if (!isLoopback(address)) throw notLoopback(address);
  const { onFatal = throwLater, onFault = warn, accessFile, onAccess: audit = () => undefined } = options;
  const access = accessFile === undefined ? undefined : openAccessFile({ path: accessFile, onUnusable: onFault });
  // If a step fails, the steps before it are undone. `close` undoes them all in the same order.
  await using opened = new AsyncDisposableStack();
  const directory = dataDir === undefined ? undefined : await openDataDirectory(dataDir, options.claimDirectory);
  opened.defer(() => directory?.release());
  const broker = new Broker({ codec: amqpCodec, newLockToken: randomUUID });
  const log = openLog(broker, dataDir, onFatal);
  opened.defer(() => (log instanceof Journal ? log.close() : undefined));
  broker.restored(clock());
  const host = new BrokerHost({ broker, log, now: clock });
  opened.defer(() => host.close());
  host.execute(() => broker.applyTopology(options.topology));
  const sasKey: SasKey = {
    name: options.sasKeyName ?? "RootManageSharedAccessKey",
    key: options.sasKey ?? (dataDir === undefined ? randomKey() : keptKey(dataDir)),
  };
  const gate = createGate({ sasKey, now: clock, access, verify: createTokenVerifier({ now: clock }) });
  const common = { host, gate, audit, now: clock, onFault, address, limits: options.limits };
  const { maxMessageKilobytes } = options;
  const messageBytes = maxMessageKilobytes === undefined ? WIRE_LIMITS.messageBytes : maxMessageKilobytes * 1_024;
  const amqp = await startAmqpServer({ ...common, messageBytes, port });
  opened.defer(() => amqp.close());
  const admin = adminPort === undefined ? undefined : await startAdminServer({ ...common, port: adminPort });
  opened.defer(() => admin?.close());
  const running = opened.move();
  return {
    port: amqp.port,
    adminPort: admin?.port,
    connectionString: connectionStringOf(address, amqp.port, sasKey),
    adminConnectionString: admin && connectionStringOf(address, admin.port, sasKey),
    close: () => running.disposeAsync(),
  };
}

function openLog(broker: Broker, directory: string | undefined, onFatal: (error: Error) => void): RecordLog {
  if (directory === undefined) return new MemoryLog();
  const recovered = recover(directory, (record) => broker.restore(record));
  return new Journal({
    directory,
    recovered,
    snapshot: () => broker.snapshot(),
    onFailure: onFatal,
  });
}

const notLoopback = (address: string): BusError =>
  new BusError(
    "invalid-argument",
    `The local Service Bus listens on loopback only; ${address} is not a loopback address.`,
  );

const warn = (error: unknown): void => process.emitWarning(error instanceof Error ? error : String(error));

function throwLater(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

/**
 * `UseDevelopmentEmulator=true` makes the SDK speak AMQP without TLS.
 * https://learn.microsoft.com/azure/service-bus-messaging/overview-emulator
 */
const connectionStringOf = (host: string, port: number, { name, key }: SasKey): string =>
  [
    `Endpoint=sb://${host.includes(":") ? `[${host}]` : host}:${port}`,
    `SharedAccessKeyName=${name}`,
    `SharedAccessKey=${key}`,
    "UseDevelopmentEmulator=true",
  ].join(";");
