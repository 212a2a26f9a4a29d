/**
 * The settings of a worker that concern its machine: scale set, releases, health, watchdog. All are off unless they are
 * set.
 */
import { PROTECTION_IDLE_GRACE_MS, RELEASE_PATIENCE_MINUTES_DEFAULT, RELEASE_PATIENCE_MINUTES_MAX } from "../limits.ts";
import { integer, isSet, required, SettingsError, type Environment } from "./environment.ts";
import { SETTING } from "./names.ts";

export interface WorkerMachineSettings {
  /** Undefined when the machine is not in a scale set. */
  readonly scaleSet: ScaleSetSettings | undefined;
  /** Undefined: the worker keeps the code it was started with. */
  readonly releases: ReleaseSettings | undefined;
  /** About how often the release pointer is looked at. */
  readonly releasePollMs: number;
  /** How long a busy worker with several slots goes on receiving after it sees a new release, at least. */
  readonly releasePatienceMs: number;
  /** Undefined: health is not served. */
  readonly healthPort: number | undefined;
  readonly watchdog: ServiceWatchdogSettings | undefined;
}

/** What a worker on a scale set needs to know of its machine. */
export interface ScaleSetSettings {
  /** Of the instance metadata service. */
  readonly metadataUrl: string;
  readonly resourceManagerUrl: string;
  /** Names the managed identity when the machine has several. */
  readonly identityClientId: string | undefined;
  readonly protection: ProtectionMode;
  /** How long a worker without work stays protected. */
  readonly idleGraceMs: number;
}

/**
 * Whether a job may start on a machine that scale-in could take: never, when protection cannot be had in time, or
 * without asking.
 */
export const PROTECTION_MODES = ["required", "best-effort", "off"] as const;
export type ProtectionMode = (typeof PROTECTION_MODES)[number];

/** The storage account with the releases. */
export type ReleaseSettings =
  | { readonly kind: "connection-string"; readonly storage: string }
  | { readonly kind: "credential"; readonly storageAccount: string };

/** How the worker signals to systemd that it is alive. */
export interface ServiceWatchdogSettings {
  /** A write to this descriptor is the signal. */
  readonly descriptor: number;
  /** The longest time between two signals. */
  readonly watchdogMs: number;
}

/** Where a worker on a scale set answers how it is; the machine's health extension asks there. */
export const WORKER_HEALTH = { port: 8081, path: "/health" } as const;

const RESOURCE_MANAGER_URL_DEFAULT = "https://management.azure.com";
/** A worker that has no work for an hour is not busy. */
export const IDLE_GRACE_SECONDS_MAX = 3_600;
/** A read of a small blob by every worker: not often enough to be felt, often enough to deploy in a minute. */
const RELEASE_POLL_SECONDS_DEFAULT = 30;
const RELEASE_POLL_SECONDS_MAX = 3_600;
const DESCRIPTOR_MAX = 65_535;
/** A day. A longer watchdog is of no use. */
const WATCHDOG_MICROSECONDS_MAX = 24 * 3_600 * 1_000_000;

export const parseWorkerMachineSettings = (env: Environment): WorkerMachineSettings => ({
  scaleSet: parseScaleSet(env),
  releases: parseReleases(env),
  releasePollMs:
    1_000 *
    integer(env, SETTING.releasePollSeconds, {
      min: 1,
      max: RELEASE_POLL_SECONDS_MAX,
      fallback: RELEASE_POLL_SECONDS_DEFAULT,
    }),
  releasePatienceMs:
    60_000 *
    integer(env, SETTING.releasePatienceMinutes, {
      min: 0,
      max: RELEASE_PATIENCE_MINUTES_MAX,
      fallback: RELEASE_PATIENCE_MINUTES_DEFAULT,
    }),
  healthPort: isSet(env, SETTING.healthPort)
    ? integer(env, SETTING.healthPort, { min: 0, max: 65_535, fallback: 0 })
    : undefined,
  watchdog: parseWatchdog(env),
});

function parseScaleSet(env: Environment): ScaleSetSettings | undefined {
  const protection = parseProtection(env);
  if (!isSet(env, SETTING.metadataUrl)) {
    if (protection === "off") return undefined;
    throw new SettingsError(
      `${SETTING.scaleInProtection} is "${protection}", which needs ${SETTING.metadataUrl}: the worker must know its machine.`,
    );
  }
  return {
    metadataUrl: webAddress(env, SETTING.metadataUrl),
    resourceManagerUrl: isSet(env, SETTING.resourceManagerUrl)
      ? secureAddress(env, SETTING.resourceManagerUrl)
      : RESOURCE_MANAGER_URL_DEFAULT,
    identityClientId: isSet(env, SETTING.identityClientId) ? env[SETTING.identityClientId] : undefined,
    protection,
    idleGraceMs:
      1_000 *
      integer(env, SETTING.idleGraceSeconds, {
        min: 0,
        max: IDLE_GRACE_SECONDS_MAX,
        fallback: PROTECTION_IDLE_GRACE_MS / 1_000,
      }),
  };
}

function parseProtection(env: Environment): ProtectionMode {
  const fallback = isSet(env, SETTING.metadataUrl) ? "required" : "off";
  const text = isSet(env, SETTING.scaleInProtection) ? env[SETTING.scaleInProtection] : fallback;
  const mode = PROTECTION_MODES.find((known) => known === text);
  if (mode !== undefined) return mode;
  throw new SettingsError(`${SETTING.scaleInProtection} must be one of ${PROTECTION_MODES.join(", ")}, not "${text}".`);
}

function parseReleases(env: Environment): ReleaseSettings | undefined {
  if (isSet(env, SETTING.releaseConnectionString)) {
    return { kind: "connection-string", storage: required(env, SETTING.releaseConnectionString) };
  }
  return isSet(env, SETTING.releaseAccount)
    ? { kind: "credential", storageAccount: required(env, SETTING.releaseAccount) }
    : undefined;
}

function parseWatchdog(env: Environment): ServiceWatchdogSettings | undefined {
  if (!isSet(env, SETTING.watchdogDescriptor) || !isSet(env, SETTING.watchdogMicroseconds)) return undefined;
  const range = { min: 1, max: WATCHDOG_MICROSECONDS_MAX, fallback: 0 };
  return {
    descriptor: integer(env, SETTING.watchdogDescriptor, { min: 0, max: DESCRIPTOR_MAX, fallback: 0 }),
    watchdogMs: integer(env, SETTING.watchdogMicroseconds, range) / 1_000,
  };
}

/** Without a slash at its end. */
function webAddress(env: Environment, name: string): string {
  const text = required(env, name);
  const url = URL.parse(text);
  const isPlain = url?.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (isPlain && ["http:", "https:"].includes(url.protocol)) return url.origin;
  throw new SettingsError(`${name} must be a web address without a path, as http://169.254.169.254, not "${text}".`);
}

/** For addresses that are sent a token: plain HTTP stays on this machine. */
function secureAddress(env: Environment, name: string): string {
  const address = webAddress(env, name);
  if (address.startsWith("https:") || ["127.0.0.1", "localhost", "[::1]"].includes(new URL(address).hostname)) {
    return address;
  }
  throw new SettingsError(`${name} must begin with https://, not be "${address}".`);
}
