/** The settings of an API process. */
import { type AuthSettings, DEFAULT_AUTHORITY } from "../http/auth-facts.ts";
import type { EventLevel } from "../job/events.ts";
import { TENANT_NAME_PATTERN } from "../job/ids.ts";
import { type Retention, retentionOf } from "../job/retention.ts";
import {
  AUDIT_DAYS_DEFAULT,
  AUDIT_DAYS_MAX,
  DEAD_LETTER_RETENTION_DAYS_DEFAULT,
  FILE_RETENTION_DAYS_DEFAULT,
  FOLLOWERS_MAX_COUNT,
  FOLLOWERS_PER_CALLER_DEFAULT,
  LOG_RETENTION_DAYS_DEFAULT,
  REQUESTS_PER_MINUTE_DEFAULT,
  REQUESTS_PER_MINUTE_MAX,
  RETENTION_MAX_DAYS,
  ROW_MIN_DAYS,
  ROW_RETENTION_DAYS_DEFAULT,
  TENANT_NAME_MAX_LENGTH,
  TICK_HORIZON_MAX_MS,
  TICK_HORIZON_MIN_MS,
  TICK_HORIZON_MS,
} from "../limits.ts";
import { isLoopback } from "../loopback.ts";
import { type Environment, SettingsError, integer, optional, required } from "./environment.ts";
import { SETTING } from "./names.ts";
import {
  type ConnectionSettings,
  type LogLevel,
  parseConnection,
  parseEventLevel,
  parseLockMs,
  parseLogLevel,
  parsePackageAnswerMs,
  parsePools,
} from "./service-settings.ts";

export interface ApiSettings {
  readonly connection: ConnectionSettings;
  readonly auth: AuthSettings;
  readonly host: string;
  readonly port: number;
  /** Names this instance where it leaves traces; no two that run at the same time share one. */
  readonly instanceId: string;
  /** The worker pools there are: a batch that requires another one is refused. */
  readonly pools: readonly string[];
  /** Lock duration of the job queues, as they were created: how long the claims of a silent worker count. */
  readonly lockMs: number;
  /** How long workers use what storage has said about a package. */
  readonly packageAnswerMs: number;
  /** The dashboard's built pages; undefined: those beside the program. */
  readonly webDirectory: string | undefined;
  /** The tenant that gets the job packages released with the API; undefined: none. */
  readonly packagesTenant: string | undefined;
  /** Whether subscriptions of timers are made while the API runs. */
  readonly timerRegistration: boolean;
  /** How far ticks of timers are sent ahead. */
  readonly tickHorizonMs: number;
  readonly traffic: TrafficSettings;
  /** Which events are published. */
  readonly events: EventLevel;
  /** Event streams and connections to the hub of one caller, at one API instance. */
  readonly followersPerCaller: number;
  /** Days that entries of the audit are kept. */
  readonly auditDays: number;
  /** Whether webhooks may name receivers on this machine. */
  readonly allowLoopbackWebhooks: boolean;
  /** For tenants that have set none. */
  readonly retention: Retention;
  /** Version of the code, shown in the log. */
  readonly version: string;
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

export const API_PORT_DEFAULT = 7070;

const PROXY_HOPS_MAX = 10;

export const parseApiSettings = (env: Environment): ApiSettings => ({
  connection: parseConnection(env),
  auth: parseAuth(env),
  host: parseHost(env),
  port: integer(env, SETTING.apiPort, { min: 0, max: 65_535, fallback: API_PORT_DEFAULT }),
  instanceId: env[SETTING.instanceId] ?? "api",
  pools: parsePools(env),
  lockMs: parseLockMs(env),
  packageAnswerMs: parsePackageAnswerMs(env),
  webDirectory: optional(env, SETTING.webDirectory),
  packagesTenant: parsePackagesTenant(env),
  timerRegistration: onOrOff(env, SETTING.timerRegistration),
  tickHorizonMs: parseTickHorizon(env),
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
  followersPerCaller: integer(env, SETTING.followersPerCaller, {
    min: 1,
    max: FOLLOWERS_MAX_COUNT,
    fallback: FOLLOWERS_PER_CALLER_DEFAULT,
  }),
  auditDays: integer(env, SETTING.auditDays, { min: 1, max: AUDIT_DAYS_MAX, fallback: AUDIT_DAYS_DEFAULT }),
  allowLoopbackWebhooks: parseWebhookLoopback(env),
  retention: parseRetention(env),
  version: env[SETTING.version] ?? "local",
  logLevel: parseLogLevel(env),
});

function parseRetention(env: Environment): Retention {
  const days = (name: string, fallback: number) => integer(env, name, { min: 0, max: RETENTION_MAX_DAYS, fallback });
  const rowDays = days(SETTING.rowRetentionDays, ROW_RETENTION_DAYS_DEFAULT);
  if (rowDays > 0 && rowDays < ROW_MIN_DAYS) {
    throw new SettingsError(`${SETTING.rowRetentionDays} must be 0 or at least ${ROW_MIN_DAYS}, not ${rowDays}.`);
  }
  return retentionOf({
    rowDays,
    logDays: days(SETTING.logRetentionDays, LOG_RETENTION_DAYS_DEFAULT),
    fileDays: days(SETTING.fileRetentionDays, FILE_RETENTION_DAYS_DEFAULT),
    deadLetterDays: days(SETTING.deadLetterRetentionDays, DEAD_LETTER_RETENTION_DAYS_DEFAULT),
  });
}

function parsePackagesTenant(env: Environment): string | undefined {
  const name = optional(env, SETTING.packagesTenant);
  if (name === undefined || TENANT_NAME_PATTERN.test(name)) return name;
  throw new SettingsError(
    `${SETTING.packagesTenant} must be 1 to ${TENANT_NAME_MAX_LENGTH} lower-case letters, digits or inner hyphens, not "${name}".`,
  );
}

const parseTickHorizon = (env: Environment): number =>
  1_000 *
  integer(env, SETTING.tickHorizonSeconds, {
    min: TICK_HORIZON_MIN_MS / 1_000,
    max: TICK_HORIZON_MAX_MS / 1_000,
    fallback: TICK_HORIZON_MS / 1_000,
  });

/** Refused for an API that other machines reach: their webhooks would reach the servers of this machine. */
function parseWebhookLoopback(env: Environment): boolean {
  const text = optional(env, SETTING.webhookLoopback) ?? "refuse";
  if (text === "refuse") return false;
  if (text !== "allow") throw new SettingsError(`${SETTING.webhookLoopback} must be allow or refuse, not "${text}".`);
  const host = parseHost(env);
  if (isLoopback(host)) return true;
  throw new SettingsError(
    `${SETTING.webhookLoopback} is for an API on this machine, and ${SETTING.apiHost} is ${host}.`,
  );
}

const parseHost = (env: Environment): string => env[SETTING.apiHost] ?? "127.0.0.1";

/** Default: on. */
function onOrOff(env: Environment, name: string): boolean {
  const text = optional(env, name) ?? "on";
  if (text === "on" || text === "off") return text === "on";
  throw new SettingsError(`${name} must be on or off, not "${text}".`);
}

/** Throws for a text that no browser sends as its origin. */
function parseOrigins(env: Environment): readonly string[] {
  const origins = (env[SETTING.allowedOrigins] ?? "").split(",").map((origin) => origin.trim());
  return origins.filter(Boolean).map((origin) => {
    if (/^https?:$/.test(URL.parse(origin)?.protocol ?? "") && URL.parse(origin)?.origin === origin) return origin;
    throw new SettingsError(
      `${SETTING.allowedOrigins} must be origins such as https://app.example.com, separated by commas, not "${origin}".`,
    );
  });
}

// --- Authentication --------------------------------------------------------------------------------------------------

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
  const pageAuthority = optional(env, SETTING.authPageAuthority);
  if (pageAuthority !== undefined && !isLoopback(URL.parse(pageAuthority)?.hostname ?? "")) {
    throw new SettingsError(`${SETTING.authPageAuthority} is for an issuer on this machine, not for ${pageAuthority}.`);
  }
  return {
    kind,
    authority,
    tenantId: guid(SETTING.authTenantId, required(env, SETTING.authTenantId)),
    clientId: guid(SETTING.authClientId, required(env, SETTING.authClientId)),
    audiences: (optional(env, SETTING.authAudiences) ?? "").split(",").flatMap((text) => text.trim() || []),
    publicClientId: publicClientId && guid(SETTING.authPublicClientId, publicClientId),
    caFile,
    pageAuthority: pageAuthority && new URL(pageAuthority).origin,
  };
}

/** An https address without path: signing keys must not arrive over an open line. */
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
