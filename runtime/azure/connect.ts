/**
 * Creates the SDK clients for Azure or for the local stack, and provisions local storage. No other file knows the
 * difference. Programs call it once at their start and pass the clients to the adapters. The retry settings find a
 * restarted service within a second or two.
 */
import { TableClient, type TableServiceClientOptions } from "@azure/data-tables";
import {
  ServiceBusAdministrationClient,
  ServiceBusClient,
  type ServiceBusClientOptions,
  type TokenCredential,
} from "@azure/service-bus";
import { BlobServiceClient, type StoragePipelineOptions } from "@azure/storage-blob";
import { CONTAINERS, TABLES } from "../core/deployment/storage-layout.ts";
import { storageError } from "./translate-error.ts";

export type StorageConnection =
  | { readonly kind: "connection-string"; readonly storage: string }
  | {
      readonly kind: "credential";
      /** Such as https://account.table.core.windows.net */
      readonly tablesUrl: string;
      /** Such as https://account.blob.core.windows.net */
      readonly blobsUrl: string;
      readonly credential: TokenCredential;
    };

export type ServiceBusConnection =
  | {
      readonly kind: "connection-string";
      readonly serviceBus: string;
      /** For administration, if it differs. */
      readonly serviceBusAdmin?: string | undefined;
    }
  | {
      readonly kind: "credential";
      /** Such as namespace.servicebus.windows.net */
      readonly serviceBusNamespace: string;
      readonly credential: TokenCredential;
    };

export interface TableAccess {
  readonly retrying: TableClient;
  /**
   * Without the SDK's retries. After a lost answer, a retry of a successful write would get a 409 or 412. Without
   * retries the writer sees that the outcome is unknown, and reads the row.
   */
  readonly once: TableClient;
}

export interface StorageClients {
  /** Returns the same clients for the same name. */
  table(name: string): TableAccess;
  readonly blobs: BlobServiceClient;
}

export interface StorageOptions {
  /** Called with the `Date` header of every answer about a table. */
  readonly onServiceTime?: (date: string | undefined) => void;
}

/** Opens nothing yet: the first request connects. */
export function connectStorage(connection: StorageConnection, options: StorageOptions = {}): StorageClients {
  const tables = new Map<string, TableAccess>();
  const forTables = tableOptions(options);
  return {
    table(name) {
      let access = tables.get(name);
      if (access === undefined) {
        access = {
          retrying: tableClient(connection, name, { ...forTables, retryOptions: TABLE_RETRIES }),
          once: tableClient(connection, name, { ...forTables, retryOptions: { maxRetries: 0 } }),
        };
        tables.set(name, access);
      }
      return access;
    },
    blobs: blobClient(connection),
  };
}

/** Creates all tables and containers, on a laptop and in tests. In Azure the deployment creates them. Idempotent. */
export async function provisionStorage(storage: StorageClients): Promise<void> {
  try {
    await Promise.all([
      // Creating a table that exists succeeds.
      ...Object.values(TABLES).map((name) => storage.table(name).retrying.createTable()),
      ...Object.values(CONTAINERS).map((name) => storage.blobs.getContainerClient(name).createIfNotExists()),
    ]);
  } catch (error) {
    throw storageError(error, "creating tables and containers");
  }
}

/** Opens nothing yet: the first link connects. `listens`: its receivers reconnect by themselves. */
export function connectServiceBus(connection: ServiceBusConnection, { listens = false } = {}): ServiceBusClient {
  const options: ServiceBusClientOptions = { retryOptions: listens ? LISTENING_RETRIES : BUS_RETRIES };
  return connection.kind === "connection-string"
    ? new ServiceBusClient(connection.serviceBus, options)
    : new ServiceBusClient(connection.serviceBusNamespace, connection.credential, options);
}

/** To create and remove subscriptions. */
export function connectServiceBusAdmin(connection: ServiceBusConnection): ServiceBusAdministrationClient {
  if (connection.kind === "credential") {
    return new ServiceBusAdministrationClient(connection.serviceBusNamespace, connection.credential);
  }
  const connectionString = connection.serviceBusAdmin ?? connection.serviceBus;
  const admin = new ServiceBusAdministrationClient(connectionString);
  // The SDK always uses https. The local broker accepts plain HTTP on this machine.
  if (/UseDevelopmentEmulator=true/i.test(connectionString)) admin.pipeline.addPolicy(plainHttp);
  return admin;
}

/** Longer than any table request takes, so the connection is dead. */
const TABLE_TIMEOUT_MS = 15_000;
const TABLE_RETRIES = { maxRetries: 5, retryDelayInMs: 100, maxRetryDelayInMs: 1_000 };
const BLOB_RETRIES = { maxTries: 5, retryDelayInMs: 200, maxRetryDelayInMs: 1_000 };
/**
 * The adapters retry, not the SDK, for two reasons. A receiver that reconnects reuses the link's name, and then the
 * settlement of messages received before hangs, because their link is closed. And the SDK does not retry refused
 * connections, which occur while the local bus restarts. `timeoutInMs` limits the wait for one answer.
 */
const BUS_RETRIES = { maxRetries: 0, timeoutInMs: 5_000 };

/**
 * For clients whose receivers only listen. They reconnect by themselves, so that they find a restarted broker at once.
 * A receiver that holds messages for long must instead notice a lost link.
 */
const LISTENING_RETRIES = { ...BUS_RETRIES, retryDelayInMs: 500 };

type PipelinePolicy = NonNullable<TableServiceClientOptions["additionalPolicies"]>[number]["policy"];

const giveUpInTime: PipelinePolicy = {
  name: "giveUpInTime",
  sendRequest(request, next) {
    request.timeout = TABLE_TIMEOUT_MS;
    return next(request);
  },
};

/**
 * Azurite answers 500 to a transaction that contains one of these characters, because it parses the body with a regular
 * expression whose dot does not match them. Their JSON escapes mean the same, and they cannot occur elsewhere in a
 * request.
 */
const escapeLineSeparators: PipelinePolicy = {
  name: "escapeLineSeparators",
  sendRequest(request, next) {
    if (typeof request.body === "string") {
      request.body = request.body.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
    }
    return next(request);
  },
};

/** Reports the time in each answer, errors included. */
const readServiceTime = (onServiceTime: (date: string | undefined) => void): PipelinePolicy => ({
  name: "readServiceTime",
  async sendRequest(request, next) {
    const response = await next(request);
    onServiceTime(response.headers.get("date"));
    return response;
  },
});

const tableOptions = ({ onServiceTime }: StorageOptions) =>
  ({
    additionalPolicies: [
      { policy: escapeLineSeparators, position: "perCall" },
      { policy: giveUpInTime, position: "perRetry" },
      ...(onServiceTime === undefined
        ? []
        : [{ policy: readServiceTime(onServiceTime), position: "perRetry" } as const]),
    ],
  }) as const satisfies TableServiceClientOptions;

/** Whether it is plain HTTP, for Azurite without a certificate. The SDK refuses to send credentials over it. */
const isInsecure = (connectionString: string): boolean =>
  /=http(:\/\/|;)|UseDevelopmentStorage=true/i.test(connectionString);

function tableClient(connection: StorageConnection, name: string, options: TableServiceClientOptions): TableClient {
  return connection.kind === "connection-string"
    ? TableClient.fromConnectionString(connection.storage, name, {
        ...options,
        allowInsecureConnection: isInsecure(connection.storage),
      })
    : new TableClient(connection.tablesUrl, name, connection.credential, options);
}

function blobClient(connection: StorageConnection): BlobServiceClient {
  const options: StoragePipelineOptions = { retryOptions: BLOB_RETRIES };
  return connection.kind === "connection-string"
    ? BlobServiceClient.fromConnectionString(connection.storage, options)
    : new BlobServiceClient(connection.blobsUrl, connection.credential, options);
}

const plainHttp: PipelinePolicy = {
  name: "plainHttp",
  sendRequest(request, next) {
    request.url = request.url.replace(/^https:/, "http:");
    request.allowInsecureConnection = true;
    return next(request);
  },
};
