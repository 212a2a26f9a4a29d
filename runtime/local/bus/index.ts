/**
 * The local Service Bus: Azure Service Bus queues, topics and sessions over AMQP on this machine, for the unmodified
 * Azure SDKs, with a journal that survives a crash. docs/local-service-bus.md says what it does and does not do.
 */
import { randomUUID } from "node:crypto";
import { isLoopback } from "../../core/loopback.ts";
import type { BusTopology } from "../../core/deployment/service-bus.ts";
import { openAccessFile } from "./access/access-file.ts";
import type { AuditListener } from "./access/audit.ts";
import { createGate } from "./access/gate.ts";
import { createTokenVerifier } from "./access/token-verifier.ts";
import { startAdminServer } from "./admin/server.ts";
import { amqpCodec } from "./amqp/message-codec.ts";
import type { SasKey } from "./amqp/sas.ts";
import type { ConnectionLimits } from "./amqp/end-silent.ts";
import { startAmqpServer } from "./amqp/server.ts";
import { WIRE_LIMITS } from "./amqp/wire-limits.ts";
import { connectionStringOf } from "./connection-string.ts";
import type { OwnFolderOptions } from "../../platform/own-folder.ts";
import { keptKey, openDataDirectory, randomKey } from "./data-directory.ts";
import { Broker } from "./engine/broker.ts";
import { BusError } from "./engine/errors.ts";
import { BrokerHost, type RecordLog } from "./host.ts";
import { Journal } from "./journal/journal.ts";
import { MemoryLog } from "./journal/memory-log.ts";
import { recover } from "./journal/recovery.ts";

export { BusError } from "./engine/errors.ts";
export { JournalError } from "./journal/journal-error.ts";
export type { AccessUse } from "./access/audit.ts";
export { InputFileError } from "./input-file.ts";
export { readTopologyFile } from "./topology-file.ts";

export interface LocalServiceBusOptions {
  /** Address to listen on; must be of the loopback interface. Default 127.0.0.1. */
  readonly host?: string;
  /** AMQP port; 0 takes any free one. */
  readonly port: number;
  /** Port of the administration API over HTTP; 0 takes any free one. Absent: no administration API. */
  readonly adminPort?: number;
  /** Where the namespace is kept. Absent: in memory, gone with `close`. One process at a time may use a directory. */
  readonly dataDir?: string;
  /** How long another process that uses the directory gets to end. Default: not at all. */
  readonly owner?: Omit<OwnFolderOptions, "directory">;
  /** Entities that must exist. Those that do are updated and keep their messages; others are left alone. */
  readonly topology: BusTopology;
  /** Default `RootManageSharedAccessKey`, as in Azure. */
  readonly sasKeyName?: string;
  /** Default: a random key, kept in the data directory if there is one. */
  readonly sasKey?: string;
  /**
   * File with role assignments: access tokens of Microsoft Entra ID are taken too, for what it says. It is read again
   * when it has changed. Default: only shared access signatures are taken.
   */
  readonly accessFile?: string;
  /** Told who used which right and who was refused, once for each connection and change of the answer. */
  readonly onAccess?: AuditListener;
  /** The largest message, batch or request in KiB. Default 256, as in the Standard tier; Premium takes 1,024 and more. */
  readonly maxMessageKilobytes?: number;
  /** Time limits of connections that prove nothing. */
  readonly limits?: ConnectionLimits;
  /** The present in epoch milliseconds. Default `Date.now`. */
  readonly clock?: () => number;
  /**
   * Told when the bus cannot go on (the disk refuses the journal): nothing is acknowledged any more. Default: the error
   * is thrown where nobody catches it, which ends the process.
   */
  readonly onFatal?: (error: Error) => void;
  /**
   * Told of an error of ours while serving one request, whose client got `amqp:internal-error`, and of a changed access
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
  /** Ends all connections, writes what is waiting, releases port and directory. Locks and messages stay as they are. */
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
  // Whatever was opened before something fails is closed again, and `close` closes the same in the same order.
  await using opened = new AsyncDisposableStack();
  const directory =
    dataDir === undefined ? undefined : await openDataDirectory({ ...options.owner, directory: dataDir });
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
