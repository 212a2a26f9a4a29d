/**
 * The settings of API and workers, by the names of core. Values have the caller's type: texts in a test, outputs of
 * resources in the program.
 */
import type { EventLevel } from "../../runtime/core/job/events.ts";
import type { RetentionDefaults } from "../../runtime/core/job/retention.ts";
import { WORKER_HEALTH, type ProtectionMode } from "../../runtime/core/settings/machine-settings.ts";
import { SETTING } from "../../runtime/core/settings/names.ts";
import { JOB_USERS } from "./cloud-init.ts";

/** What the API needs to verify tokens. */
export interface AuthFacts<Text> {
  readonly tenantId: Text;
  readonly clientId: Text;
  readonly publicClientId: Text;
}

/** The settings that API and workers share. */
export interface Surroundings<Text> {
  readonly storageAccount: Text;
  /** Host name of the namespace. */
  readonly serviceBusNamespace: Text;
  /** Address of the Key Vault with the secrets of packages. */
  readonly keyVaultUrl: Text;
  /** Client id of the managed identity to use. */
  readonly identityClientId: Text;
  readonly insightsConnectionString: Text;
  /** The share of traces that is kept, from 0 to 1. */
  readonly traceRatio: number;
  readonly lockSeconds: number;
  /** Events that are published. */
  readonly events: EventLevel;
  /** Version of the deployed code. */
  readonly version: string;
}

type Environment<Text> = Readonly<Record<string, Text | string>>;

/** The port to which App Service sends requests. */
const API_PORT = 8080;
/** App Service is the only proxy in front of the API. */
const API_PROXY_HOPS = 1;
/** App Service's own limit of 5 s would cut off requests under way and the last log lines. */
const API_STOP_SECONDS = 30;
/** The same on every machine in Azure. No other service has this address. */
const METADATA_URL = "http://169.254.169.254";

const common = <Text>(given: Surroundings<Text>): Environment<Text> => ({
  [SETTING.storageAccount]: given.storageAccount,
  [SETTING.serviceBusNamespace]: given.serviceBusNamespace,
  [SETTING.keyVault]: given.keyVaultUrl,
  [SETTING.lockSeconds]: String(given.lockSeconds),
  [SETTING.events]: given.events,
  AZURE_CLIENT_ID: given.identityClientId,
  // The only credential. No other is tried, so none can be used by mistake.
  AZURE_TOKEN_CREDENTIALS: "ManagedIdentityCredential",
  [SETTING.applicationInsights]: given.insightsConnectionString,
  [SETTING.traceRatio]: String(given.traceRatio),
});

export const apiEnvironment = <Text>(
  given: Surroundings<Text> & {
    readonly pools: readonly string[];
    readonly auth: AuthFacts<Text>;
    /** Origins of other web sites whose pages may call the API. */
    readonly allowedOrigins: readonly string[];
    /** The tenant of the job packages that come with the API. Undefined: there are none. */
    readonly packagesTenant: string | undefined;
    /** Whether the API creates subscriptions of timers. */
    readonly timerRegistration: boolean;
    /** For tenants that have set none. */
    readonly retention: RetentionDefaults;
  },
): Environment<Text> => ({
  ...common(given),
  [SETTING.apiHost]: "0.0.0.0",
  [SETTING.apiPort]: String(API_PORT),
  PORT: String(API_PORT),
  WEBSITES_CONTAINER_STOP_TIME_LIMIT: String(API_STOP_SECONDS),
  [SETTING.pools]: given.pools.join(","),
  [SETTING.version]: given.version,
  [SETTING.proxyHops]: String(API_PROXY_HOPS),
  ...(given.allowedOrigins.length > 0 && { [SETTING.allowedOrigins]: given.allowedOrigins.join(",") }),
  ...(given.packagesTenant !== undefined && { [SETTING.packagesTenant]: given.packagesTenant }),
  [SETTING.rowRetentionDays]: String(given.retention.rowDays),
  [SETTING.logRetentionDays]: String(given.retention.logDays),
  [SETTING.fileRetentionDays]: String(given.retention.fileDays),
  [SETTING.deadLetterRetentionDays]: String(given.retention.deadLetterDays),
  [SETTING.timerRegistration]: given.timerRegistration ? "on" : "off",
  [SETTING.auth]: "entra",
  [SETTING.authTenantId]: given.auth.tenantId,
  [SETTING.authClientId]: given.auth.clientId,
  [SETTING.authPublicClientId]: given.auth.publicClientId,
});

/**
 * Names each API instance after its machine, with a shortened id. App Service never runs two processes of an app on one
 * machine, because overlapped recycling is off.
 */
export const apiCommandLine = (entry: string): string =>
  `${SETTING.instanceId}=api-$(echo "$WEBSITE_INSTANCE_ID" | cut -c1-12) exec node ${entry}`;

/**
 * Without the version of the code, because a machine's model must not change with every release. The worker gets its
 * version from the release that it loads, and its id from its machine.
 */
export const workerEnvironment = <Text>(
  given: Omit<Surroundings<Text>, "version"> & {
    readonly pool: string;
    /** Client id of the identity for its jobs. Undefined: they have none. */
    readonly jobIdentityClientId: Text | undefined;
    readonly slots: number;
    readonly drainSeconds: number;
    readonly protection: ProtectionMode;
    readonly idleGraceSeconds: number;
    /** Storage account with the releases. */
    readonly releaseAccount: Text;
    readonly releasePatienceMinutes: number;
  },
): Environment<Text> => ({
  ...common({ ...given, version: "" }),
  [SETTING.pool]: given.pool,
  [SETTING.slots]: String(given.slots),
  [SETTING.drainSeconds]: String(given.drainSeconds),
  [SETTING.metadataUrl]: METADATA_URL,
  [SETTING.scaleInProtection]: given.protection,
  [SETTING.idleGraceSeconds]: String(given.idleGraceSeconds),
  [SETTING.releaseAccount]: given.releaseAccount,
  [SETTING.releasePatienceMinutes]: String(given.releasePatienceMinutes),
  [SETTING.healthPort]: String(WORKER_HEALTH.port),
  [SETTING.jobUser]: JOB_USERS,
  ...(given.jobIdentityClientId !== undefined && { [SETTING.jobIdentity]: given.jobIdentityClientId }),
});
