/**
 * The settings of the API and worker processes: names, meaning, defaults, parsing. A composition root hands in the
 * environment; nobody else reads it.
 */
import { DEFAULT_AUTHORITY, type AuthSettings } from "./auth-facts.ts";
import { EVENT_LEVELS, type EventLevel } from "./events.ts";
import { POOL_NAME_PATTERN, TENANT_NAME_PATTERN } from "./ids.ts";
import { LOCK_MS, REQUESTS_PER_MINUTE_DEFAULT, REQUESTS_PER_MINUTE_MAX, TENANT_NAME_MAX_LENGTH } from "./limits.ts";
import { DEFAULT_WEIGHTS, type PriorityWeights } from "./share.ts";
import { DEFAULT_POOL } from "./topology.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A setting that cannot be used; the message names it and says what it should be. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/** Where the services are. On a laptop connection strings; in Azure names, and a managed identity as credential. */
export type ConnectionSettings =
  | {
      readonly kind: "connection-string";
      readonly storage: string;
      readonly serviceBus: string;
      /** For the administration of the namespace, where that has an address of its own. */
      readonly serviceBusAdmin?: string | undefined;
    }
  | { readonly kind: "credential"; readonly storageAccount: string; readonly serviceBusNamespace: string };

export interface ApiSettings {
  readonly connection: ConnectionSettings;
  readonly auth: AuthSettings;
  readonly host: string;
  readonly port: number;
  /** Names this instance where it leaves traces; no two that run at the same time share one. */
  readonly instanceId: string;
  /** The worker pools there are: a batch that requires another one is refused. */
  readonly pools: readonly string[];
  /** Lock duration of the job queues, as they were created: how long a silent worker's claims are believed. */
  readonly lockMs: number;
  /** Gets the job packages that were released with the API; undefined: nobody does. */
  readonly packagesTenant: string | undefined;
  readonly traffic: TrafficSettings;
  /** Which events are published. */
  readonly events: EventLevel;
  readonly logLevel: LogLevel;
}

/** How the API is reached, and how much of it. */
export interface TrafficSettings {
  /** Of one caller, to one API instance. */
  readonly requestsPerMinute: number;
  /** Origins whose web pages may call the API. */
  readonly allowedOrigins: readonly string[];
  /** Proxies in front of the API, each of which adds an address to `X-Forwarded-For`. */
  readonly proxyHops: number;
}

export interface WorkerSettings {
  readonly connection: ConnectionSettings;
  readonly workerId: string;
  readonly pool: string;
  /** Jobs at a time. */
  readonly slots: number;
  /** This worker's own folder: package cache and workspaces. */
  readonly directory: string;
  /** What running jobs get to end when the worker is told to stop. */
  readonly drainMs: number;
  /** Name of the user that jobs run as; undefined: the worker's own. */
  readonly jobUser: string | undefined;
  /** Lock duration of the pool's queues, as they were created. */
  readonly lockMs: number;
  /** How often each priority is looked at first. */
  readonly weights: PriorityWeights;
  /** Version of the code, shown with the worker. */
  readonly version: string;
  /** Which events are published. */
  readonly events: EventLevel;
  readonly logLevel: LogLevel;
}

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names of all settings, so that infra and the local stack cannot misspell one. */
export const SETTING = {
  /** Connection string of the storage account; local and tests only. */
  storageConnectionString: "JOBYARD_STORAGE_CONNECTION_STRING",
  /** Connection string of the Service Bus namespace; local and tests only. */
  serviceBusConnectionString: "JOBYARD_SERVICEBUS_CONNECTION_STRING",
  /** Connection string for administration, when it is another one: the local broker's. */
  serviceBusAdminConnectionString: "JOBYARD_SERVICEBUS_ADMIN_CONNECTION_STRING",
  /** Name of the storage account, reached with the process's managed identity. */
  storageAccount: "JOBYARD_STORAGE_ACCOUNT",
  /** Host name of the namespace (`….servicebus.windows.net`), reached with the process's managed identity. */
  serviceBusNamespace: "JOBYARD_SERVICEBUS_NAMESPACE",
  /** Address the API binds. Default 127.0.0.1. */
  apiHost: "JOBYARD_API_HOST",
  /** Port the API binds; 0: any. Default 7070. */
  apiPort: "JOBYARD_API_PORT",
  /** Names an API instance: letters, digits, hyphens. Default "api". */
  instanceId: "JOBYARD_INSTANCE_ID",
  /** `entra` (default): callers bring tokens of Microsoft Entra ID. `none`: no authentication, for loopback only. */
  auth: "JOBYARD_AUTH",
  /** Address of the token issuer. Default https://login.microsoftonline.com. */
  authAuthority: "JOBYARD_AUTH_AUTHORITY",
  /** Id of the Entra tenant (directory) whose users and applications may come: a GUID. Required with `entra`. */
  authTenantId: "JOBYARD_AUTH_TENANT_ID",
  /** Client id of the API's app registration: a GUID. Required with `entra`. */
  authClientId: "JOBYARD_AUTH_CLIENT_ID",
  /** Further accepted audiences (Application ID URIs), separated by commas. */
  authAudiences: "JOBYARD_AUTH_AUDIENCES",
  /** Client id of the app registration that CLI and pages sign in with. */
  authPublicClientId: "JOBYARD_AUTH_PUBLIC_CLIENT_ID",
  /** File with the certificate to trust for an authority on this machine; refused for any other. */
  authCaFile: "JOBYARD_AUTH_CA_FILE",
  /** Names the worker in tables and logs: letters, digits, hyphens. Required; the same after a restart. */
  workerId: "JOBYARD_WORKER_ID",
  /** The pool whose queues the worker serves. Default "default". */
  pool: "JOBYARD_POOL",
  /** All worker pools, separated by commas; for the API. Default "default". */
  pools: "JOBYARD_POOLS",
  /** Tenant that job packages in the folder `packages` beside the API are published to when it starts. Default none. */
  packagesTenant: "JOBYARD_PACKAGES_TENANT",
  /** Requests one caller may make of an API instance in a minute. Default 3000. */
  requestsPerMinute: "JOBYARD_REQUESTS_PER_MINUTE",
  /** Origins whose web pages may call the API, as `https://app.example.com`, separated by commas. Default none. */
  allowedOrigins: "JOBYARD_ALLOWED_ORIGINS",
  /** Proxies in front of the API whose forwarded addresses are believed. Default 0; App Service is one. */
  proxyHops: "JOBYARD_PROXY_HOPS",
  /** Jobs a worker runs at a time. Default 1. */
  slots: "JOBYARD_SLOTS",
  /** How often a free slot looks at each priority first, as `high:normal:low`. Default 16:4:1. */
  weights: "JOBYARD_PRIORITY_WEIGHTS",
  /** Version of the deployed code, shown with the worker. Default "local". */
  version: "JOBYARD_VERSION",
  /** Folder for package cache and workspaces. Required. */
  workerDirectory: "JOBYARD_WORKER_DIRECTORY",
  /** User that jobs run as, another than the worker's; needs the right to become it. Linux only. Default: the worker's. */
  jobUser: "JOBYARD_JOB_USER",
  /** Seconds running jobs get when the worker is told to stop. Default 300. */
  drainSeconds: "JOBYARD_DRAIN_SECONDS",
  /** Lock duration of the job queues in seconds, as they were created. Default 60. */
  lockSeconds: "JOBYARD_LOCK_SECONDS",
  /** Which events are published: all, terminal (the ends of jobs and batches) or none. Default all. */
  events: "JOBYARD_EVENTS",
  /** debug, info, warn, error or silent. Default info. */
  logLevel: "JOBYARD_LOG_LEVEL",
  /**
   * Address of the instance metadata service, http://169.254.169.254 on Azure. Set it for workers on a Uniform scale set:
   * they then heed scheduled events and protect themselves from scale-in. Default: none.
   */
  metadataUrl: "JOBYARD_METADATA_URL",
  /** Address of Azure Resource Manager. Default https://management.azure.com; sovereign clouds have others. */
  resourceManagerUrl: "JOBYARD_RESOURCE_MANAGER_URL",
  /** required, best-effort or off. Default required where a metadata service is set, else off. */
  scaleInProtection: "JOBYARD_SCALE_IN_PROTECTION",
  /** Seconds a worker without work stays protected from scale-in. Default 300. */
  idleGraceSeconds: "JOBYARD_IDLE_GRACE_SECONDS",
  /** Client id of the managed identity, by the name that Azure's SDKs read too. Default: the machine's only one. */
  identityClientId: "AZURE_CLIENT_ID",
  /** Storage account with the releases: idle workers follow the pointer in it. Default: none is followed. */
  releaseAccount: "JOBYARD_RELEASE_ACCOUNT",
  /** The same as a connection string; local and tests only. */
  releaseConnectionString: "JOBYARD_RELEASE_CONNECTION_STRING",
  /** Seconds between two looks at that pointer. Default 30. */
  releasePollSeconds: "JOBYARD_RELEASE_POLL_SECONDS",
  /** Loopback port on which a worker tells its health at /health; 0: any. Default: none. */
  healthPort: "JOBYARD_HEALTH_PORT",
  /** Set by systemd for a service with a watchdog. */
  notifySocket: "NOTIFY_SOCKET",
  /** Set by systemd: microseconds of silence after which it starts the worker anew. */
  watchdogMicroseconds: "WATCHDOG_USEC",
} as const;

export const API_PORT_DEFAULT = 7070;
const DRAIN_SECONDS_DEFAULT = 300;
/** The longest drain a scale set can be made to wait for. */
const DRAIN_SECONDS_MAX = 12 * 3_600;
const SLOTS_MAX = 1_000;
const PROXY_HOPS_MAX = 10;
/** Service Bus allows locks of up to five minutes. */
const LOCK_SECONDS_MAX = 300;

export const parseApiSettings = (env: Environment): ApiSettings => ({
  connection: parseConnection(env),
  auth: parseAuth(env),
  host: env[SETTING.apiHost] ?? "127.0.0.1",
  port: integer(env, SETTING.apiPort, { min: 0, max: 65_535, fallback: API_PORT_DEFAULT }),
  instanceId: env[SETTING.instanceId] ?? "api",
  pools: parsePools(env),
  lockMs: parseLockMs(env),
  packagesTenant: parsePackagesTenant(env),
  traffic: {
    requestsPerMinute: integer(env, SETTING.requestsPerMinute, {
      min: 1,
      max: REQUESTS_PER_MINUTE_MAX,
      fallback: REQUESTS_PER_MINUTE_DEFAULT,
    }),
    allowedOrigins: parseOrigins(env),
    proxyHops: integer(env, SETTING.proxyHops, { min: 0, max: PROXY_HOPS_MAX, fallback: 0 }),
  },
  events: parseEventLevel(env),
  logLevel: parseLogLevel(env),
});

export const parseWorkerSettings = (env: Environment): WorkerSettings => ({
  connection: parseConnection(env),
  workerId: required(env, SETTING.workerId),
  pool: checkPool(SETTING.pool, env[SETTING.pool] ?? DEFAULT_POOL),
  slots: integer(env, SETTING.slots, { min: 1, max: SLOTS_MAX, fallback: 1 }),
  directory: required(env, SETTING.workerDirectory),
  drainMs:
    1_000 * integer(env, SETTING.drainSeconds, { min: 0, max: DRAIN_SECONDS_MAX, fallback: DRAIN_SECONDS_DEFAULT }),
  jobUser: optional(env, SETTING.jobUser),
  lockMs: parseLockMs(env),
  weights: parseWeights(env),
  version: env[SETTING.version] ?? "local",
  events: parseEventLevel(env),
  logLevel: parseLogLevel(env),
});

/** Lock duration of the job queues: used by workers, and by whoever creates the queues locally. */
export const parseLockMs = (env: Environment): number =>
  1_000 * integer(env, SETTING.lockSeconds, { min: 1, max: LOCK_SECONDS_MAX, fallback: LOCK_MS / 1_000 });

function parseLogLevel(env: Environment): LogLevel {
  const text = env[SETTING.logLevel] ?? "info";
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined)
    throw new SettingsError(`${SETTING.logLevel} must be one of ${LOG_LEVELS.join(", ")}, not "${text}".`);
  return level;
}

function parseEventLevel(env: Environment): EventLevel {
  const text = optional(env, SETTING.events) ?? "all";
  const level = EVENT_LEVELS.find((known) => known === text);
  if (level === undefined)
    throw new SettingsError(`${SETTING.events} must be one of ${EVENT_LEVELS.join(", ")}, not "${text}".`);
  return level;
}

function parseConnection(env: Environment): ConnectionSettings {
  const storage = env[SETTING.storageConnectionString];
  const serviceBus = env[SETTING.serviceBusConnectionString];
  if (storage !== undefined && serviceBus !== undefined) {
    const serviceBusAdmin = optional(env, SETTING.serviceBusAdminConnectionString);
    return { kind: "connection-string", storage, serviceBus, ...(serviceBusAdmin && { serviceBusAdmin }) };
  }
  if (storage !== undefined || serviceBus !== undefined) {
    throw new SettingsError(
      `Give both ${SETTING.storageConnectionString} and ${SETTING.serviceBusConnectionString}, or neither.`,
    );
  }
  return {
    kind: "credential",
    storageAccount: required(env, SETTING.storageAccount),
    serviceBusNamespace: required(env, SETTING.serviceBusNamespace),
  };
}

const GUID_PATTERN = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

function parseAuth(env: Environment): AuthSettings {
  const kind = env[SETTING.auth] ?? "entra";
  if (kind === "none") return { kind };
  if (kind !== "entra") throw new SettingsError(`${SETTING.auth} must be entra or none, not "${kind}".`);
  const authority = parseAuthority(env);
  const caFile = optional(env, SETTING.authCaFile);
  if (caFile !== undefined && !isLoopback(new URL(authority).hostname)) {
    throw new SettingsError(`${SETTING.authCaFile} is for an authority on this machine, not for ${authority}.`);
  }
  const publicClientId = optional(env, SETTING.authPublicClientId);
  return {
    kind,
    authority,
    tenantId: guid(SETTING.authTenantId, required(env, SETTING.authTenantId)),
    clientId: guid(SETTING.authClientId, required(env, SETTING.authClientId)),
    audiences: (optional(env, SETTING.authAudiences) ?? "").split(",").flatMap((text) => text.trim() || []),
    publicClientId: publicClientId && guid(SETTING.authPublicClientId, publicClientId),
    caFile,
  };
}

/** An https address without path: tokens must not be believed because of keys that came over an open line. */
function parseAuthority(env: Environment): string {
  const text = optional(env, SETTING.authAuthority) ?? DEFAULT_AUTHORITY;
  const url = URL.parse(text);
  if (url?.protocol === "https:" && url.origin === text.replace(/\/$/, "")) return url.origin;
  throw new SettingsError(`${SETTING.authAuthority} must be an https address without path, not "${text}".`);
}

function guid(setting: string, text: string): string {
  const id = text.toLowerCase();
  if (GUID_PATTERN.test(id)) return id;
  throw new SettingsError(`${setting} must be a GUID, not "${text}".`);
}

/** Addresses only this machine can reach. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);

const WEIGHT_MAX = 1_000;

function parseWeights(env: Environment): PriorityWeights {
  const text = env[SETTING.weights];
  if (text === undefined || text === "") return DEFAULT_WEIGHTS;
  const [high = 0, normal = 0, low = 0, ...more] = text.split(":").map(Number);
  const valid = (weight: number): boolean => Number.isInteger(weight) && weight >= 1 && weight <= WEIGHT_MAX;
  if (more.length === 0 && [high, normal, low].every(valid)) return { high, normal, low };
  throw new SettingsError(
    `${SETTING.weights} must be three whole numbers from 1 to ${WEIGHT_MAX}, as 16:4:1, not "${text}".`,
  );
}

const parsePools = (env: Environment): readonly string[] =>
  (env[SETTING.pools] ?? DEFAULT_POOL).split(",").map((pool) => checkPool(SETTING.pools, pool.trim()));

function parsePackagesTenant(env: Environment): string | undefined {
  const name = optional(env, SETTING.packagesTenant);
  if (name === undefined || TENANT_NAME_PATTERN.test(name)) return name;
  throw new SettingsError(
    `${SETTING.packagesTenant} must be 1 to ${TENANT_NAME_MAX_LENGTH} lower-case letters, digits or inner hyphens, not "${name}".`,
  );
}

/** Throws for what no browser would send as its origin. */
function parseOrigins(env: Environment): readonly string[] {
  const origins = (env[SETTING.allowedOrigins] ?? "").split(",").map((origin) => origin.trim());
  return origins.filter(Boolean).map((origin) => {
    if (/^https?:$/.test(URL.parse(origin)?.protocol ?? "") && URL.parse(origin)?.origin === origin) return origin;
    throw new SettingsError(
      `${SETTING.allowedOrigins} must be origins such as https://app.example.com, separated by commas, not "${origin}".`,
    );
  });
}

function checkPool(setting: string, pool: string): string {
  if (POOL_NAME_PATTERN.test(pool)) return pool;
  throw new SettingsError(`${setting} must be lower-case letters, digits and inner hyphens, not "${pool}".`);
}

const optional = (env: Environment, name: string): string | undefined => (env[name] === "" ? undefined : env[name]);

export const isSet = (env: Environment, name: string): boolean => (env[name] ?? "") !== "";

export function required(env: Environment, name: string): string {
  const text = env[name];
  if (text === undefined || text === "") throw new SettingsError(`${name} is not set.`);
  return text;
}

interface IntegerRange {
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
}

export function integer(env: Environment, name: string, { min, max, fallback }: IntegerRange): number {
  const text = env[name];
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new SettingsError(`${name} must be a whole number from ${min} to ${max}, not "${text}".`);
}
