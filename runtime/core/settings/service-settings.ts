/** Settings that API and workers share, and must agree on. */
import { DEFAULT_POOL } from "../deployment/topology.ts";
import { EVENT_LEVELS, type EventLevel } from "../job/events.ts";
import { POOL_NAME_PATTERN } from "../job/ids.ts";
import { LOCK_MS, PACKAGE_ANSWER_FOR_MS } from "../limits.ts";
import { type Environment, SettingsError, integer, optional, required } from "./environment.ts";
import { SETTING } from "./names.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Service Bus allows locks of up to five minutes. */
const LOCK_SECONDS_MAX = 300;

/** Lock duration of the job queues: used by workers, and to create the local queues. */
export const parseLockMs = (env: Environment): number =>
  1_000 * integer(env, SETTING.lockSeconds, { min: 1, max: LOCK_SECONDS_MAX, fallback: LOCK_MS / 1_000 });

/** How long workers use an answer about a package, and so how long a publish waits. */
export const parsePackageAnswerMs = (env: Environment): number =>
  integer(env, SETTING.packageAnswerMs, { min: 0, max: PACKAGE_ANSWER_FOR_MS, fallback: PACKAGE_ANSWER_FOR_MS });

export function parseLogLevel(env: Environment): LogLevel {
  const text = env[SETTING.logLevel] ?? "info";
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined)
    throw new SettingsError(`${SETTING.logLevel} must be one of ${LOG_LEVELS.join(", ")}, not "${text}".`);
  return level;
}

export function parseEventLevel(env: Environment): EventLevel {
  const text = optional(env, SETTING.events) ?? "all";
  const level = EVENT_LEVELS.find((known) => known === text);
  if (level === undefined)
    throw new SettingsError(`${SETTING.events} must be one of ${EVENT_LEVELS.join(", ")}, not "${text}".`);
  return level;
}

export const parsePools = (env: Environment): readonly string[] =>
  (env[SETTING.pools] ?? DEFAULT_POOL).split(",").map((pool) => checkPool(SETTING.pools, pool.trim()));

export function checkPool(setting: string, pool: string): string {
  if (POOL_NAME_PATTERN.test(pool)) return pool;
  throw new SettingsError(`${setting} must be lower-case letters, digits and inner hyphens, not "${pool}".`);
}

// --- Connections -----------------------------------------------------------------------------------------------------

/** Where the services are. On a laptop connection strings; in Azure names, and a managed identity as credential. */
export type ConnectionSettings = ServiceConnection & {
  /** Undefined: secrets of packages cannot be set or used. */
  readonly secrets?: SecretSettings | undefined;
};

/** Where the values of secrets are kept: in a Key Vault, or in a folder of this machine. */
export type SecretSettings =
  { readonly kind: "vault"; readonly vaultUrl: string } | { readonly kind: "directory"; readonly directory: string };

type ServiceConnection =
  | {
      readonly kind: "connection-string";
      readonly storage: string;
      readonly serviceBus: string;
      /** For the administration of the namespace, where that has an address of its own. */
      readonly serviceBusAdmin?: string | undefined;
    }
  | { readonly kind: "credential"; readonly storageAccount: string; readonly serviceBusNamespace: string };

export function parseConnection(env: Environment): ConnectionSettings {
  const secrets = parseSecrets(env);
  return { ...parseServices(env), ...(secrets && { secrets }) };
}

function parseSecrets(env: Environment): SecretSettings | undefined {
  const vault = optional(env, SETTING.keyVault);
  const directory = optional(env, SETTING.secretsDirectory);
  if (vault === undefined) return directory === undefined ? undefined : { kind: "directory", directory };
  if (directory !== undefined)
    throw new SettingsError(`Give ${SETTING.keyVault} or ${SETTING.secretsDirectory}, not both.`);
  const url = URL.parse(vault);
  const isRoot = url?.protocol === "https:" && url.href === `${url.origin}/`;
  if (!isRoot)
    throw new SettingsError(`${SETTING.keyVault} must be an address as https://name.vault.azure.net, not "${vault}".`);
  return { kind: "vault", vaultUrl: url.origin };
}

function parseServices(env: Environment): ServiceConnection {
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
